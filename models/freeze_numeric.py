"""Numeric encoders as tables, for serving."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from clickwright.models.freeze_report import FreezeReport, FrozenField
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder
from clickwright.models.layers.numeric.tabulated_encoder import TabulatedEncoder
from clickwright.models.tabulate import Table, tabulate
from clickwright.schemas.discretization_plan import DiscretizationPlan, Scaling
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import AutoDisEncoding, TabulatedEncoding
from clickwright.schemas.scale import scale

SMOOTH = ("autodis", "log_linear", "mlp", "nary", "periodic", "piecewise_linear")
"""Encoders that tables replace; `buckets` is a table already."""
_CHECKED = 16_384
"""Random values of each field that a table is measured on in the end."""

Range: TypeAlias = tuple[float, float]


def freeze_numeric(
    model: keras.Model, ranges: Mapping[str, Range], max_error: float = 1e-3
) -> tuple[keras.Model, FreezeReport]:
    """Returns a copy of a trained model with tables in place of its encoders.

    Every encoder in `SMOOTH` of every embedding wider than one value becomes a
    `TabulatedEncoder`: rows on a grid over the field's range, linear interpolation
    between them, the row of missing values as it was. First-order terms stay.

    The bound is on each value of an embedding. The grid is refined until the error at
    quarter points is within 3/4 of it (see `tabulate`: enough wherever an interval
    has an even bend or one corner), and the finished table is measured on other,
    random values, all together and in float32. Under a mixed policy the rounding of
    an embedding to half precision comes on top, with the table as without.

    Args:
        model: a model that `registry.build` made; stays as it is.
        ranges: smallest and largest scaled value of each numeric field; values beyond
            count as these.
        max_error: largest difference allowed.

    Raises:
        ConfigError: an encoder jumps, so that no table follows it, or bends too
            sharply for the largest table.
        ValueError: a field has no range, or `max_error` is not positive.
    """
    if not max_error > 0.0:
        raise ValueError(f"`max_error` must be positive. Received: {max_error}")
    frozen: dict[str, dict[str, _Frozen]] = {}
    for layer in model.layers:
        if isinstance(layer, FusedEmbedding) and layer.width > 1 and layer.numeric:
            check_freezable(layer.numeric.inputs)
            frozen[layer.name] = {
                name: field
                for encoder in layer.numeric.encoders
                if encoder.kind in SMOOTH
                for name, field in _freeze(encoder, ranges, max_error).items()
            }

    def cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        fields = frozen.get(layer.name, {})
        # Those of a `SequenceEmbedding` are the context.
        inputs = config.get("inputs") or config.get("context") or ()
        for i in inputs if fields else ():
            if i["name"] in fields:
                i["numeric"] = fields[i["name"]].encoding.model_dump(mode="json")
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=cloned)
    for layer in model.layers:
        if frozen.get(layer.name):
            _copy_embedding(layer, copy.get_layer(layer.name), frozen[layer.name])
        else:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy, FreezeReport(
        max_error=max_error,
        fields={
            f"{layer}/{name}": field.line
            for layer, fields in frozen.items()
            for name, field in fields.items()
        },
    )


def check_freezable(inputs: Iterable[ModelInput]) -> None:
    """Refuses encoders that jump; known before anything is trained.

    Raises:
        ConfigError: an AutoDis keeps only its largest weights.
    """
    jumping = [
        i.name
        for i in inputs
        if isinstance(i.numeric, AutoDisEncoding)
        and i.numeric.aggregation != "weighted"
    ]
    if jumping:
        raise ConfigError(
            f"The embeddings of {', '.join(f'`{n}`' for n in jumping)} jump from one "
            f"value to the next: their AutoDis keeps the largest weights alone. No "
            f"table with interpolation follows that.",
            where="export.freeze_numeric",
            fix="set `autodis: {aggregation: weighted}` for these features, or leave "
            "out `freeze_numeric`",
        )


def scaled_ranges(plan: DiscretizationPlan) -> dict[str, Range]:
    """The smallest and largest value that Transform gives, by field."""
    return {name: _scaled_range(f.scaling) for name, f in plan.fields.items()}


def _scaled_range(scaling: Scaling) -> Range:
    ends = scale(scaling, np.array([scaling.low, scaling.high, math.nan]))
    return float(np.nanmin(ends)), float(np.nanmax(ends))


@dataclasses.dataclass(frozen=True)
class _Frozen:
    """One field: its table, the row of missing values, and the error measured."""

    encoder: str
    table: Table
    missing: np.ndarray[Any, Any]
    error: float

    @property
    def encoding(self) -> TabulatedEncoding:
        table = self.table
        return TabulatedEncoding(
            low=table.low, high=table.high, intervals=len(table.rows) - 1
        )

    @property
    def line(self) -> FrozenField:
        """Its bytes are the rows and, of each cell, a start and a number of parts."""
        return FrozenField(
            encoder=self.encoder,
            points=len(self.table.rows),
            error=self.error,
            bytes=self.table.rows.nbytes
            + self.missing.nbytes
            + 8 * len(self.table.parts),
        )


def _freeze(
    encoder: NumericEncoder, ranges: Mapping[str, Range], max_error: float
) -> dict[str, _Frozen]:
    """The tables of an encoder's fields.

    Raises:
        ConfigError: one of them misses by more than `max_error`.
        ValueError: a field has no range.
    """
    absent = [name for name in encoder.names if name not in ranges]
    if absent:
        raise ValueError(f"`ranges` must name every field. Absent: {absent}")
    encoder = _float32(encoder)

    def values(x: Any) -> Any:
        return ops.convert_to_numpy(encoder(x, training=False))

    tables = tabulate(values, [ranges[name] for name in encoder.names], max_error)
    missing = values(np.full((1, len(tables)), np.nan, np.float32))[0]  # [F, D]
    found = {
        name: _Frozen(encoder.kind, table, missing[n], table.error)
        for n, (name, table) in enumerate(zip(encoder.names, tables, strict=True))
    }
    layer = TabulatedEncoder(
        encoder.names,
        [field.encoding for field in found.values()],
        encoder.width,
        dtype="float32",
    )
    layer.build((None, len(encoder.names)))
    _fill(layer, found)
    low = np.array([table.low for table in tables])
    high = np.array([table.high for table in tables])
    share = np.random.default_rng(0).random((_CHECKED, len(tables)))
    x = np.vstack([low + share * (high - low), low, high, np.full_like(low, np.nan)])
    x = x.astype(np.float32)
    errors = np.abs(ops.convert_to_numpy(layer(x)) - values(x)).max(axis=(0, 2))
    for (name, field), error in zip(found.items(), errors.tolist(), strict=True):
        found[name] = dataclasses.replace(field, error=max(error, field.error))
        if not found[name].error <= max_error:
            raise ConfigError(
                f"The `{encoder.kind}` embedding of `{name}` bends too sharply: a "
                f"table of {len(field.table.rows):,} rows misses by "
                f"{found[name].error:.2g}, where {max_error:g} is allowed.",
                where="export.freeze_numeric",
                fix="raise `max_error`, train with a higher `temperature` or another "
                "`scaling`, or leave out `freeze_numeric`",
            )
    return found


def _float32(encoder: NumericEncoder) -> NumericEncoder:
    """A copy that computes in float32: tables need not follow half precision."""
    copy = type(encoder).from_config({**encoder.get_config(), "dtype": "float32"})
    copy.build((None, len(encoder.names)))
    copy.set_weights(encoder.get_weights())
    return copy


def _fill(layer: TabulatedEncoder, fields: Mapping[str, _Frozen]) -> None:
    own = [fields[name] for name in layer.names]
    layer.fill(
        [field.table.parts for field in own],
        [field.table.rows for field in own],
        np.stack([field.missing for field in own]),
    )


def _copy_embedding(
    old: FusedEmbedding, new: FusedEmbedding, fields: Mapping[str, _Frozen]
) -> None:
    """Copies the table and the encoders that stay, and fills the frozen fields' one."""
    if old.numeric is None or new.numeric is None:
        raise ValueError(f"`{old.name}` must have numeric encoders. Received: none.")
    kept = {encoder.names: encoder for encoder in old.numeric.encoders}
    for encoder in new.numeric.encoders:
        if isinstance(encoder, TabulatedEncoder):
            _fill(encoder, fields)
        else:
            encoder.set_weights(kept[encoder.names].get_weights())
    if old.embeddings is not None:
        new.embeddings.assign(old.embeddings)
    for name, kernel in old.kernels.items():
        new.kernels[name].assign(kernel)
    if old.frequency_filter is not None and new.frequency_filter is not None:
        new.frequency_filter.set_weights(old.frequency_filter.get_weights())
