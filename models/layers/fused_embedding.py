"""One embedding table for every input of one width."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import pydantic
from keras import ops

from clickwright.models.layers.frequency_filter import FrequencyFilter
from clickwright.models.layers.gather_rows import gather_rows
from clickwright.models.layers.multi_hash import MultiHash
from clickwright.models.layers.numeric.numeric_embedding import NumericEmbedding
from clickwright.models.layers.quotient_remainder import QuotientRemainder
from clickwright.models.layers.table_compression import TableCompression
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import PADDING_ID

_COMPRESSIONS = pydantic.TypeAdapter(QuotientRemainder | MultiHash)


@keras.saving.register_keras_serializable(package="clickwright")
class FusedEmbedding(keras.layers.Layer):
    """Looks all inputs up in one table, by one gather, and pools those with many ids.

    The tables of the inputs lie one after the other in a single variable of `V` rows;
    inputs that name the same table share its rows. Of an input `f`:

    * `id`: the row of its id. Id 0 (missing) has a row like any other, unless
      `zero_padding` makes it zeros.
    * `value`: a row of its own, times the value; with an encoding other than `linear`,
      what its encoder in `numeric` gives. The `linear` one takes a missing value for
      0, one without an encoding may have none.
    * `id_set`, `sequence`, `attribute`: the mean (or sum) of the rows of its ids; id 0
      is padding and counts for nothing, so a row without ids gives zeros.
    * `vector`: the vector times a kernel of its own, `[width of the vector, D]`,
      without bias; it starts Glorot-normal.

    Gathers and pooling run in float32 whatever the compute dtype.

    A compressed table keeps fewer rows, and the row of an id is then a sum of several
    of them, out of the same gather. With `min_frequency`, a table has one row more,
    which all ids share that training has seen fewer times.

    With `zero_padding`, id 0 gives zeros everywhere, and row 0 of every table is zeros
    and stays so: it starts there, and since what is looked up is masked, its gradient
    and its penalty are zero in every step, dense or sparse. A compressed table shares
    its rows among ids and keeps the first alone.

    Args:
        inputs: the inputs, in the order of the output's fields.
        width: values a row, `D`.
        pooling: `mean` or `sum` of the rows of `id_set` and `sequence` inputs.
        embeddings_initializer: initializer of the table.
        embeddings_regularizer: regularizer of the whole table, padding rows included,
            and of the kernels.
        compression: how large tables are kept in fewer rows; None keeps all rows.
        min_frequency: see `FrequencyFilter`; 0 for none.
        zero_padding: whether id 0 gives zeros, and keeps its rows at zero.

    Input shape:
        Dict of `[batch]` (`id`, `value`) and `[batch, length]` tensors, and of
        `[batch, width]` ones (`vector`), by name.

    Output shape:
        `[batch, F, width]`, one field an input.

    Example:

    >>> user = ModelInput("user", "id", "user", table="user", rows=3)
    >>> layer = FusedEmbedding([user], width=4)
    >>> tuple(layer({"user": np.array([1, 2])}).shape)
    (2, 1, 4)

    Raises:
        ValueError: no inputs, an input with ids that states no rows, a vector that
            states no width, or two inputs that disagree on the rows of a table.
    """

    def __init__(
        self,
        inputs: Sequence[ModelInput | Mapping[str, Any]],
        width: int,
        pooling: Literal["mean", "sum"] = "mean",
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        compression: TableCompression | Mapping[str, Any] | None = None,
        min_frequency: int = 0,
        zero_padding: bool = False,
        **kwargs: Any,
    ) -> None:
        # Without autocast numeric values keep float32 until they met their row.
        super().__init__(autocast=False, **kwargs)
        self.inputs = tuple(ModelInput.of(i) for i in inputs)
        if not self.inputs:
            raise ValueError("`inputs` must name at least one input. Received: none.")
        if pooling not in ("mean", "sum"):
            raise ValueError(f"`pooling` must be `mean` or `sum`. Received: {pooling}")
        self.width = width
        self.pooling = pooling
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        if isinstance(compression, Mapping):
            compression = _COMPRESSIONS.validate_python(compression)
        self.compression = compression
        self.min_frequency = min_frequency
        self.zero_padding = zero_padding
        self.frequency_filter = (
            FrequencyFilter(self.inputs, min_frequency, name="frequency_filter")
            if min_frequency
            else None
        )
        self._table_ids = {
            table: rows + 1 if min_frequency else rows
            for table, rows in _table_rows(self.inputs).items()
        }
        self.row_ranges = self._lay_out()
        """First row and the row past the last one, by name, of inputs that have any."""
        self.rows = max((stop for _, stop in self.row_ranges.values()), default=0)
        self.embeddings: Any = None
        self.kernels: dict[str, Any] = {}
        """The projection of each `vector`, by its name."""
        encoded = [i for i in self.inputs if _is_encoded(i)]
        self.numeric = (
            NumericEmbedding(
                encoded,
                width,
                embeddings_initializer=self.embeddings_initializer,
                embeddings_regularizer=self.embeddings_regularizer,
                dtype=self.dtype_policy,
                name="numeric",
            )
            if encoded
            else None
        )
        """Embeds the inputs with an encoding; None where there are none."""
        self._runs = self._runs_of(self.inputs)

    def build(self, input_shape: Any) -> None:
        """Makes the table, `[V, width]`, the encoders, and the counts of the filter.

        Where no input has a row there is no table, and `embeddings` is None.
        """
        if self.rows:
            self.embeddings = self.add_weight(
                name="embeddings",
                shape=(self.rows, self.width),
                initializer=self._initial,
                regularizer=self.embeddings_regularizer,
                autocast=False,  # a cast would copy the table at every step
            )
        for i in self.inputs:
            if i.kind == "vector":
                self.kernels[i.name] = self.add_weight(
                    name=f"{i.name}_kernel",
                    shape=(i.width, self.width),
                    initializer=keras.initializers.GlorotNormal(),
                    regularizer=self.embeddings_regularizer,
                    autocast=False,
                )
        if self.numeric is not None:
            self.numeric.build(input_shape)
        if self.frequency_filter is not None:
            self.frequency_filter.build(input_shape)

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Looks up, pools, and lays the fields in the order of `self.inputs`."""
        if self.frequency_filter is not None:
            inputs = self.frequency_filter(inputs, training=training)
        rows = self._look_up([run for run in self._runs if has_ids(run[0])], inputs)
        fields = [
            ops.cast(field, self.compute_dtype)
            for field in self._fields(self._runs, inputs, rows, training)
        ]
        return fields[0] if len(fields) == 1 else ops.concatenate(fields, axis=1)

    def is_compressed(self, model_input: ModelInput) -> bool:
        """Whether the ids of the input share rows."""
        return self._compression_of(model_input) is not None

    def with_encoded(self, items: Collection[str]) -> set[str]:
        """The inputs that `sides` embeds once an item, where those of `items` vary.

        Encoders take all their values at once; they do so for every item if one of
        these is an item's.
        """
        names = {i.name for i in self.inputs}
        encoded = {i.name for i in self.inputs if _is_encoded(i)}
        found = names & set(items)
        return found | encoded if found & encoded else found

    def sides(
        self, inputs: Mapping[str, Any], items: Collection[str]
    ) -> tuple[Any, Any]:
        """Embeds one row of the user's inputs, and many of the items', as in scoring.

        Args:
            inputs: `[N, ...]` tensors of `items`, and `[1, ...]` ones.
            items: what `with_encoded` gave.

        Returns:
            The fields of the user's inputs, `[1, a, D]`, None where there are none, and
            of the items', `[N, F - a, D]`, each in the order of `self.inputs`.
        """
        many = next(
            ops.shape(inputs[i.name])[0]
            for i in self.inputs
            if i.name in items and inputs[i.name].shape[0] != 1
        )
        found: list[Any] = []
        for of_items in (False, True):
            own = [i for i in self.inputs if (i.name in items) == of_items]
            given = {i.name: inputs[i.name] for i in own}
            if of_items:
                given |= {
                    name: ops.broadcast_to(x, (many, *x.shape[1:]))
                    for name, x in given.items()
                    if x.shape[0] == 1
                }
            if self.frequency_filter is not None:
                given = self.frequency_filter(given)
            runs = self._runs_of(own)
            rows = self._look_up([run for run in runs if has_ids(run[0])], given)
            fields = self._fields(runs, given, rows, training=False)
            fields = [ops.cast(field, self.compute_dtype) for field in fields]
            found.append(ops.concatenate(fields, axis=1) if fields else None)
        return found[0], found[1]

    def _fields(
        self,
        runs: Sequence[Sequence[ModelInput]],
        inputs: Mapping[str, Any],
        rows: Mapping[str, tuple[Any, Any]],
        training: bool | None,
    ) -> list[Any]:
        """The embeddings `[batch, n, D]` of each run.

        Args:
            runs: all runs of inputs with an encoding, or none, and any others.
            inputs: the tensors.
            rows: what `_look_up` gave for those of them that have ids.
            training: whether the layer is trained.
        """
        encoded = iter(self._encoded(runs, inputs, training))
        fields = []
        for run in runs:
            if _is_encoded(run[0]):
                fields.append(next(encoded))
            elif run[0].kind == "value":
                fields.append(self._scaled(run, inputs))
            elif run[0].kind == "vector":
                fields.append(self._projected(run[0], inputs))
            elif run[0].kind == "id":
                fields.append(rows[run[0].name][1])
            else:
                fields.append(self._pooled(*rows[run[0].name]))
        return fields

    def _look_up(
        self, runs: Sequence[Sequence[ModelInput]], inputs: Mapping[str, Any]
    ) -> dict[str, tuple[Any, Any]]:
        """The ids `[batch, n]` and rows `[batch, n, D]` of runs, by one gather.

        They are by the name of a run's first input.
        """
        if not runs:
            return {}
        ids = [_ids(run, inputs) for run in runs]
        places = [self._places(*pair) for pair in zip(runs, ids, strict=True)]
        rows = gather_rows(self.embeddings, ops.concatenate(places, axis=1))
        found = {}
        start = 0
        for run, run_ids, run_places in zip(runs, ids, places, strict=True):
            stop = start + run_places.shape[1]
            part = rows[:, start:stop]
            if compression := self._compression_of(run[0]):
                columns = len(_columns(run))
                shape = (-1, compression.lookups, columns, self.width)
                part = ops.sum(ops.reshape(part, shape), axis=1)
            if self.zero_padding and run[0].kind in ("id", "sequence"):
                part *= ops.expand_dims(_real(run_ids, part.dtype), -1)
            found[run[0].name] = run_ids, part
            start = stop
        return found

    def _initial(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """The table at the start."""
        table = self.embeddings_initializer(shape, dtype)
        if not self.zero_padding:
            return table
        kept = np.ones((shape[0], 1), np.float32)
        for i in self.inputs:
            if has_ids(i) and self._compression_of(i) is None:
                kept[self.row_ranges[i.name][0]] = 0.0
        return table * ops.cast(kept, table.dtype)

    def _places(self, run: Sequence[ModelInput], ids: Any) -> Any:
        """Rows of the fused table for ids `[batch, n]`: `[batch, n]` or several n."""
        columns = _columns(run)
        first = np.array([self.row_ranges[i.name][0] for i in run], np.int32)[columns]
        compression = self._compression_of(run[0])
        if compression is None:
            return ids + first
        sizes = np.array([self._table_ids[_table(i)] for i in run], np.int32)[columns]
        return ops.concatenate(
            [rows + first for rows in compression.rows_of(ids, sizes)], axis=1
        )

    def _encoded(
        self,
        runs: Sequence[Sequence[ModelInput]],
        inputs: Mapping[str, Any],
        training: bool | None,
    ) -> list[Any]:
        """The embeddings `[batch, n, D]` of each run of inputs with an encoding."""
        lengths = [len(run) for run in runs if _is_encoded(run[0])]
        if self.numeric is None or not lengths:
            return []
        fields = self.numeric(inputs, training=training)
        if len(lengths) == 1:
            return [fields]
        found: list[Any] = ops.split(fields, np.cumsum(lengths[:-1]).tolist(), axis=1)
        return found

    def _scaled(self, members: Sequence[ModelInput], inputs: Mapping[str, Any]) -> Any:
        # A gather, not a slice: its gradient touches these rows alone.
        own = np.array([self.row_ranges[i.name][0] for i in members], np.int32)
        rows = gather_rows(self.embeddings, own)  # [n, D]
        values = ops.stack([self._value(i, inputs) for i in members], axis=1)  # [B, n]
        return ops.expand_dims(values, -1) * rows

    def _value(self, model_input: ModelInput, inputs: Mapping[str, Any]) -> Any:
        x = ops.cast(inputs[model_input.name], self.variable_dtype)  # [B]
        # Where no value may be missing, NaN shows that something is wrong.
        return x if model_input.numeric is None else ops.where(ops.isnan(x), 0.0, x)

    def _projected(self, model_input: ModelInput, inputs: Mapping[str, Any]) -> Any:
        vector = ops.cast(inputs[model_input.name], self.variable_dtype)  # [B, width]
        kernel = self.kernels[model_input.name]  # [width, D]
        return ops.expand_dims(ops.matmul(vector, kernel), 1)  # [B, 1, D]

    def _pooled(self, ids: Any, rows: Any) -> Any:
        mask = _real(ids, rows.dtype)  # [B, L]
        total = ops.sum(
            rows * ops.expand_dims(mask, -1), axis=1, keepdims=True
        )  # [B, 1, D]
        if self.pooling == "sum":
            return total
        count = ops.sum(mask, axis=1, keepdims=True)  # [B, 1]
        return total / ops.expand_dims(ops.maximum(count, 1.0), -1)

    def _compression_of(self, model_input: ModelInput) -> TableCompression | None:
        if self.compression is None or not has_ids(model_input):
            return None
        ids = self._table_ids[_table(model_input)]
        return self.compression if self.compression.shrinks(ids) else None

    def _runs_of(
        self, inputs: Sequence[ModelInput]
    ) -> tuple[tuple[ModelInput, ...], ...]:
        return tuple(tuple(run) for _, run in itertools.groupby(inputs, self._run_key))

    def _run_key(self, model_input: ModelInput) -> tuple[str, str | bool]:
        """Equal for neighbours that one slice serves; pooled inputs stand alone."""
        match model_input.kind:
            case "value":
                return ("value", _is_encoded(model_input))
            case "id":
                return ("id", self._compression_of(model_input) is not None)
            case _:
                return ("pooled", model_input.name)

    def _lay_out(self) -> dict[str, tuple[int, int]]:
        tables: dict[str, tuple[int, int]] = {}
        stop = 0
        for i in self.inputs:
            table = _table(i)
            if table in tables or not _has_row(i):
                continue
            rows = 1 if i.kind == "value" else self._table_ids[table]
            if compression := self._compression_of(i):
                rows = compression.kept_rows(rows)
            tables[table] = (stop, stop + rows)
            stop += rows
        return {i.name: tables[_table(i)] for i in self.inputs if _has_row(i)}

    def compute_output_shape(
        self, input_shape: Mapping[str, Any]
    ) -> tuple[int | None, ...]:
        """`[batch, F, width]`."""
        batch = input_shape[self.inputs[0].name][0]
        return (batch, len(self.inputs), self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments; inputs as plain dicts."""
        return {
            **super().get_config(),
            "inputs": [i.to_dict() for i in self.inputs],
            "width": self.width,
            "pooling": self.pooling,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "embeddings_regularizer": keras.regularizers.serialize(
                self.embeddings_regularizer
            ),
            "compression": self.compression and self.compression.model_dump(),
            "min_frequency": self.min_frequency,
            "zero_padding": self.zero_padding,
        }


def _is_encoded(model_input: ModelInput) -> bool:
    """Whether an encoder embeds it, and no row of the table."""
    return model_input.numeric is not None and model_input.numeric.kind != "linear"


def _real(ids: Any, dtype: Any) -> Any:
    """1 where an id is one, 0 where it is padding."""
    return ops.cast(ops.not_equal(ids, PADDING_ID), dtype)


def has_ids(model_input: ModelInput) -> bool:
    """Whether rows of a table embed it, looked up by ids."""
    return model_input.kind not in ("value", "vector")


def _has_row(model_input: ModelInput) -> bool:
    """Whether rows of the table embed it, and neither an encoder nor a kernel."""
    return model_input.kind != "vector" and not _is_encoded(model_input)


def _table(model_input: ModelInput) -> str:
    return model_input.table or model_input.name


def _columns(run: Sequence[ModelInput]) -> np.ndarray[Any, Any]:
    """Of each column of a run's ids, the member that it belongs to, `[n]`."""
    return np.repeat(np.arange(len(run)), [i.length or 1 for i in run])


def _ids(run: Sequence[ModelInput], inputs: Mapping[str, Any]) -> Any:
    """The ids of all members side by side, `[batch, n]`."""
    return ops.concatenate(
        [
            ops.reshape(ops.cast(inputs[i.name], "int32"), (-1, i.length or 1))
            for i in run
        ],
        axis=1,
    )


def _table_rows(inputs: Sequence[ModelInput]) -> dict[str, int]:
    tables: dict[str, int] = {}
    for i in inputs:
        if i.kind == "vector" and (i.width is None or i.width < 1):
            raise ValueError(
                f"`{i.name}` (vector) must state its `width`, 1 or more. Received: "
                f"{i.width}"
            )
        if not has_ids(i):
            continue
        if i.rows is None or i.rows < 1:
            raise ValueError(
                f"`{i.name}` ({i.kind}) must state the `rows` of a table, 1 or more. "
                f"Received: {i.rows}"
            )
        known = tables.setdefault(_table(i), i.rows)
        if known != i.rows:
            raise ValueError(
                f"Inputs of the table `{_table(i)}` must agree on its rows. Received: "
                f"{known} and, from `{i.name}`, {i.rows}."
            )
    return tables
