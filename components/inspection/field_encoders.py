"""The trained encoders of numeric fields, asked in the fields' raw units."""

import pathlib
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import tensorflow as tf

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.numeric.autodis import AutoDis
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder
from clickwright.models.preprocessing import scaled
from clickwright.models.training.numeric_fields import read_numeric_fields
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.numeric_encoding import NumericEncoding

_MOST_WEIGHTS = 2**23
"""Weights of bins that are computed at once: 32 MB."""


class FieldEncoders:
    """Scales by the plan's constants and encodes as the model does.

    Args:
        layer: embeds the numeric fields; None for a model that embeds none.
        plan: the plan that the model was trained with.
    """

    def __init__(self, layer: FusedEmbedding | None, plan: DiscretizationPlan) -> None:
        self._layer = layer
        self._plan = plan
        self._names = tuple(plan.fields)
        self._encoders = tuple(_with_bins(layer))

    @classmethod
    def read(cls, folder: pathlib.Path, plan: DiscretizationPlan) -> Self:
        """The encoders that the trainer left in `folder`."""
        return cls(read_numeric_fields(folder), plan)

    def mean_assignments(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Mean weights of the bins, `[K]`, of the fields that have bins.

        Args:
            values: [N, F] raw values, NaN where one is missing; such rows have no part
                in a field's mean.
        """
        found = {}
        for encoder in self._encoders:
            places = [self._names.index(name) for name in encoder.names]
            x = np.stack(
                [
                    self._scaled(name, values[:, place])
                    for name, place in zip(encoder.names, places, strict=True)
                ],
                axis=1,
            )
            most = max(map(_bins, encoder.encodings))
            step = max(_MOST_WEIGHTS // (most * len(places)), 1)
            totals: Any = 0.0
            for start in range(0, len(x), step):
                weights = encoder.assignments(x[start : start + step])  # [B, n, K]
                totals = totals + np.asarray(weights, np.float64).sum(axis=0)
            known = np.sum(~np.isnan(x), axis=0)
            for n, name in enumerate(encoder.names):
                if known[n]:
                    bins = _bins(encoder.encodings[n])
                    found[name] = totals[n, :bins] / known[n]
        return found

    def assignments(self, name: str, values: np.ndarray) -> np.ndarray | None:
        """Weights of the bins, `[n, K]`, at raw values `[n]`; None without either."""
        for encoder in self._encoders:
            if name in encoder.names and len(values):
                place = encoder.names.index(name)
                x = np.zeros((len(values), len(encoder.names)), np.float32)
                x[:, place] = self._scaled(name, values)
                weights = np.asarray(encoder.assignments(x), np.float64)
                return weights[:, place, : _bins(encoder.encodings[place])]
        return None

    def embeddings(self, name: str, values: np.ndarray) -> np.ndarray | None:
        """Embeddings `[n, D]` of raw values `[n]`; None where there are none."""
        layer = self._layer
        if layer is None or not len(values):
            return None
        others = np.zeros(len(values), np.float32)
        given = {i.name: others for i in layer.inputs}
        if name not in given:
            return None
        place = list(given).index(name)
        given[name] = self._scaled(name, values)
        return np.asarray(layer(given), np.float64)[:, place]

    def temperature(self, name: str) -> float | None:
        """The temperature of a field of AutoDis, as training left it."""
        for encoder in self._encoders:
            if isinstance(encoder, AutoDis) and name in encoder.names:
                place = encoder.names.index(name)
                return float(np.asarray(encoder.temperatures())[place, 0])
        return None

    def _scaled(self, name: str, values: np.ndarray) -> np.ndarray:
        """Scaled values, float32; what is missing stays NaN, whatever fills it."""
        scaling = self._plan.fields[name].scaling
        x = np.asarray(scaled(scaling, tf.constant(values, tf.float64)))
        return np.where(np.isnan(values), np.float32(np.nan), x)


def _with_bins(layer: FusedEmbedding | None) -> Iterator[NumericEncoder]:
    """The encoders whose fields have bins."""
    if layer is None or layer.numeric is None:
        return
    for encoder in layer.numeric.encoders:
        probe = np.zeros((1, len(encoder.names)), np.float32)
        if encoder.assignments(probe) is not None:
            yield encoder


def _bins(encoding: NumericEncoding) -> int:
    """Bins of a field; encoders of several fields pad to the largest."""
    match encoding.kind:
        case "autodis":
            return encoding.meta_embeddings
        case "buckets":
            return len(encoding.boundaries) + 1
        case "piecewise_linear":
            return len(encoding.boundaries)
        case _:
            raise ValueError(f"`{encoding.kind}` has no bins")
