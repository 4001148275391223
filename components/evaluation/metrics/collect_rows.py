"""The one combiner behind all metrics: it collects rows, column by column."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from clickwright.components.evaluation.metrics.scored_rows import ScoredRows

Chunk = tuple[np.ndarray, ...]
"""Columns of some rows: label, score, weight, group; the last two may be empty."""


class CollectRows(beam.CombineFn):
    """Collects labels, scores, weights and groups; any order, any number of merges.

    An exact GAUC needs the rows of a group together, and these lie scattered over the
    files, so nothing smaller than the rows can be merged. They cost 5 to 17 bytes each
    and slicing spec, and are sorted once, at the end.

    Args:
        key: private key under which the rows are found by the metrics.
        group_key: feature that names the group of a row; none: one group.
    """

    def __init__(self, key: metric_types.MetricKey, group_key: str | None) -> None:
        self._key = key
        self._group_key = group_key

    def create_accumulator(self) -> list[Chunk]:
        """Returns no rows."""
        return []

    def add_input(
        self, accumulator: list[Chunk], inputs: metric_types.StandardMetricInputs
    ) -> list[Chunk]:
        """Adds one row, or a whole batch of rows."""
        model = self._key.model_name
        label = _flat(inputs.get_labels(model))
        score = _flat(inputs.get_predictions(model))
        weight = group = np.empty(0, np.float32)
        if self._key.example_weighted:
            weight = _flat(inputs.get_example_weights(model)).astype(np.float32)
        if self._group_key:
            group = _int64(_flat(inputs.features[self._group_key]))
        if len(label) != len(score):
            raise ValueError(
                "Every row needs one label and one prediction. Received: "
                f"{len(label)} labels and {len(score)} predictions."
            )
        accumulator.append((label == 1, score.astype(np.float32), weight, group))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[list[Chunk]]) -> list[Chunk]:
        """Puts the rows of all accumulators together."""
        return [chunk for chunks in accumulators for chunk in chunks]

    def compact(self, accumulator: list[Chunk]) -> list[Chunk]:
        """Makes one chunk of many, so that few objects are shuffled."""
        return [_concatenate(accumulator)] if len(accumulator) > 1 else accumulator

    def extract_output(
        self, accumulator: list[Chunk]
    ) -> dict[metric_types.MetricKey, ScoredRows]:
        """Returns the sorted rows under the private key."""
        label, score, weight, group = (
            _concatenate(accumulator) if accumulator else (np.empty(0),) * 4
        )
        rows = ScoredRows.sort(
            label,
            score,
            weight if self._key.example_weighted else None,
            group if self._group_key else None,
        )
        return {self._key: rows}


def collect_rows(
    model_name: str, example_weighted: bool, group_key: str | None = None
) -> metric_types.MetricComputation:
    """The computation that metrics share: equal arguments are computed once."""
    name = f"_rows_by_{group_key}" if group_key else "_rows"
    key = metric_types.MetricKey(
        name, model_name=model_name, example_weighted=example_weighted
    )
    preprocessors = [tfma.metrics.FeaturePreprocessor([group_key])] if group_key else []
    return metric_types.MetricComputation(
        keys=[key],
        preprocessors=preprocessors,
        combiner=CollectRows(key, group_key),
    )


def _concatenate(chunks: list[Chunk]) -> Chunk:
    return tuple(np.concatenate(column) for column in zip(*chunks, strict=True))


def _flat(values: object) -> np.ndarray:
    return np.asarray(values).reshape(-1)


def _int64(keys: np.ndarray) -> np.ndarray:
    """Strings become 63-bit hashes: comparing numbers is quick."""
    if keys.dtype.kind in "OSU":
        buckets = np.iinfo(np.int64).max
        hashed: np.ndarray = tf.strings.to_hash_bucket_fast(keys, buckets).numpy()
        return hashed
    return keys.astype(np.int64)
