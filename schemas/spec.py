"""The feature spec: what the columns of a click log mean.

It is the single source of truth. Column projection, the TF Metadata schema, the
`preprocessing_fn`, model inputs, signatures and evaluation slices derive from it;
nothing restates it. A data set keeps its spec in `features.yaml`.
"""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import did_you_mean
from clickwright.schemas.model_input import ModelInput, Storage
from clickwright.schemas.numeric_encoding import EncoderName, NumericEncoding
from clickwright.schemas.strict_yaml import StrictModel

SPLITS = ("train", "valid", "test")
RESERVED_NAMES = ("sample_weight", "group_key")
"""Tensors that Transform writes beside features and labels."""
PADDING_ID = 0
"""Id of padding and of missing values; no vocabulary entry ever takes it."""

AGE_BUCKETS = 64
"""Ids of an event's age: twice the binary logarithm of its seconds, rounded down, plus
1; of ages below a second 1, and everything beyond the last bucket is in it."""

Role = Literal["user", "item", "context"]
DType = Literal["int64", "string", "float32"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class LearnedVocabulary(StrictModel):
    """Ids for the values seen in the training split, most frequent first."""

    kind: Literal["learned"] = "learned"
    min_count: Annotated[int, Field(ge=1)] = 1
    """Values seen less often in the training split become out-of-vocabulary."""
    max_size: Annotated[int, Field(ge=1)] = 1_000_000
    """The run stops when more values than this reach `min_count`."""
    oov_buckets: Annotated[int, Field(ge=1)] = 1
    """Rows shared by unknown values, chosen by hash."""


class HashVocabulary(StrictModel):
    """Ids by hashing; no pass over the data, collisions possible."""

    kind: Literal["hash"]
    buckets: Annotated[int, Field(ge=2)]


class IdentityVocabulary(StrictModel):
    """The column holds ids 0 .. size-1 already; others become out-of-vocabulary."""

    kind: Literal["identity"]
    size: Annotated[int, Field(ge=1)]


Vocabulary = Annotated[
    LearnedVocabulary | HashVocabulary | IdentityVocabulary,
    Field(discriminator="kind"),
]


class Comparator(StrictModel):
    """How far a column's distribution may move. Exactly one bound is given."""

    linf: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Largest change of one value's share (categorical columns)."""
    js: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Jensen-Shannon divergence (numeric columns)."""

    @pydantic.model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.linf is None) == (self.js is None):
            raise ValueError("exactly one of `linf` and `js` must be given")
        return self


class _Feature(StrictModel):
    role: Role
    column: str | None = None
    """Column in the log; the feature's own name when absent."""
    description: str = ""
    presence: Literal["required", "optional"] = "required"
    """Whether every row must hold a value. Optional features may lack the column."""
    drift: Comparator | None = None
    """Largest change against the data of the last good run."""
    skew: Comparator | None = None
    """Largest difference between the training split and the others."""


class _VocabularyFeature(_Feature):
    dtype: Literal["int64", "string"] = "string"
    vocabulary: Vocabulary = LearnedVocabulary()

    @pydantic.model_validator(mode="after")
    def _identity_of_integers(self) -> Self:
        if self.dtype == "string" and isinstance(self.vocabulary, IdentityVocabulary):
            raise ValueError(
                "`vocabulary.kind: identity` needs `dtype: int64`. Received dtype: "
                "string"
            )
        return self


class CategoricalFeature(_VocabularyFeature):
    """One value out of a vocabulary a row."""

    kind: Literal["categorical"]
    values: Annotated[tuple[str | int, ...], Field(min_length=1)] | None = None
    """The only values allowed, when they are known beforehand."""

    @pydantic.model_validator(mode="after")
    def _values_of_dtype(self) -> Self:
        expected = int if self.dtype == "int64" else str
        odd = [v for v in self.values or () if not isinstance(v, expected)]
        if odd:
            raise ValueError(
                f"`values` must be of the feature's `dtype`, {self.dtype}. Received: "
                f"{odd[0]!r}"
            )
        return self


class AutoDisOptions(StrictModel):
    """What a spec may say of AutoDis; what it leaves open, the Discretizer decides."""

    meta_embeddings: Annotated[int, Field(ge=1, le=4096)] | None = None
    temperature: Annotated[float, Field(gt=0.0)] | None = None
    temperature_mode: Literal["constant", "annealed", "learned"] = "constant"
    form: Literal["full", "reduced"] = "full"
    use_bias: bool = True
    """Without biases all positive values rank the meta-embeddings alike."""
    skip: Annotated[float, Field(ge=0.0)] = 0.1
    aggregation: Literal["weighted", "max", "topk"] = "weighted"
    top_k: Annotated[int, Field(ge=1)] = 3


class NumericFeature(_Feature):
    """One number a row. What is left open, the Discretizer decides from the data."""

    kind: Literal["numeric"]
    dtype: Literal["float32", "int64"] = "float32"
    scaling: (
        Literal["none", "min_max", "z_score", "log1p", "signed_log", "quantile_rank"]
        | None
    ) = None
    """`log1p` and `signed_log` are followed by the z-score."""
    encoder: EncoderName | Literal["auto"] | None = None
    """How models embed it. `auto` compares encoders by training; left out, the
    statistics of the field decide."""
    buckets: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Quantile buckets of `buckets` and `piecewise_linear`."""
    autodis: AutoDisOptions = AutoDisOptions()
    default: float | None = None
    """Stands in for a missing value, in the column's unit. Without it the encoder
    learns an embedding for missing values (`linear`: takes the mean)."""
    min: float | None = None
    max: float | None = None

    @pydantic.model_validator(mode="after")
    def _range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` must not exceed `max` ({self.min} > {self.max})")
        if self.default is not None and (
            (self.min is not None and self.default < self.min)
            or (self.max is not None and self.default > self.max)
        ):
            raise ValueError(
                f"`default` must lie between `min` and `max`. Received: {self.default}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _numeric_comparators(self) -> Self:
        for name, comparator in (("drift", self.drift), ("skew", self.skew)):
            if comparator is not None and comparator.js is None:
                raise ValueError(
                    f"`{name}` of a numeric feature must be given as `js`: single "
                    f"numbers have no share of their own. Received: `linf`"
                )
        return self


class MultiHotFeature(_VocabularyFeature):
    """A set of values out of a vocabulary a row (a list column)."""

    kind: Literal["multi_hot"]
    max_length: Annotated[int, Field(ge=1, le=4096)] = 16
    """Values beyond this many are dropped."""


class SequenceSide(StrictModel):
    """A list column as long as its sequence, in another feature's vocabulary."""

    of: Name
    column: str


class EventLog(StrictModel):
    """A Parquet file of events, one a row, from which histories are made.

    A row's history are the latest events of its `key` that lie before its
    `timestamp`, and by more than `lag` seconds: never one of the same second,
    whatever the order of the rows. A key without such events has an empty history.
    """

    file: str = "events.parquet"
    """Its name beside the splits; a run's configuration may name another place."""
    key: str
    """Column of the log and of the events whose values must be equal: the user."""
    timestamp: str = "timestamp"
    """int64 column of the events, seconds since 1970. The list column `times` of the
    sequence is made from it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of the events for each list column; absent ones have their own name."""
    lag: Annotated[int, Field(ge=0)] = 0
    """Seconds until an event is known; what is younger stays out."""


class SequenceFeature(_Feature):
    """A history, oldest first, in another feature's vocabulary (a list column).

    The column stands in the log, or the ingestion makes it, with those of `side` and
    `times`, from a log of events: see `events`. Of lists longer than `max_length`
    the last values are kept, in training and in serving.
    """

    kind: Literal["sequence"]
    of: Name
    """The categorical feature whose vocabulary the values belong to."""
    max_length: Annotated[int, Field(ge=1, le=100_000)] = 50
    """The latest values are kept."""
    padding: Literal["left", "right"] = "right"
    side: dict[Name, SequenceSide] = Field(default_factory=dict)
    times: str | None = None
    """List column, int64, seconds since 1970, ascending and not after the row's
    `timestamp`: when each event happened. Models get its age at that time, as an id
    of one of `AGE_BUCKETS`."""
    events: EventLog | None = None
    """What the history is made from. Columns of these names in the log are not
    read; serving takes them from the request."""


class _DerivedFeature(_Feature):
    @pydantic.model_validator(mode="after")
    def _no_column(self) -> Self:
        for name in ("column", "drift", "skew"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` has no meaning here: the feature is made from others "
                    f"and reads no column"
                )
        return self


class _ItemFeature(_Feature):
    """What is known of an entity, stored once in the item table, not in the log."""

    of: Name
    """The categorical feature that names the entity."""
    column: str | None = None
    """Column of the item data; the feature's own name when absent."""

    @pydantic.model_validator(mode="after")
    def _no_comparators(self) -> Self:
        for name in ("drift", "skew"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` has no meaning here: the log has no such column"
                )
        return self


class TextVectors(StrictModel):
    """Vectors made from a text of each entity."""

    kind: Literal["text"]
    encoder: Literal["lsa", "sentence_transformers", "keras_hub"] = "lsa"
    """`lsa` is TF-IDF and a truncated SVD; the others must be installed."""
    model: str | None = None
    """Folder or name of the pretrained model; `lsa` is fitted on the texts."""


class ImageVectors(StrictModel):
    """Vectors made from a picture of each entity; the column holds its path."""

    kind: Literal["image"]
    model: str
    """A model of `keras.applications`, such as `MobileNetV3Small`."""
    weights: str
    """File of its weights."""


class EmbeddingFeature(_ItemFeature):
    """A fixed vector of an entity: given, or made from its text or picture."""

    kind: Literal["embedding"]
    width: Annotated[int, Field(ge=1, le=65_536)]
    """Values of the finished vector."""
    source: (
        Annotated[TextVectors | ImageVectors, Field(discriminator="kind")] | None
    ) = None
    """How it is made; None: the column holds vectors, all of one width."""
    reduce: Literal["none", "pca", "whiten"] = "none"
    """How wider vectors become `width`: PCA, or PCA to unit variance."""
    storage: Storage = "float32"
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the training rows for which models get zeros (modality dropout)."""


class AttributeFeature(_ItemFeature):
    """Values of an entity, such as its tags, in a vocabulary of their own."""

    kind: Literal["attribute"]
    dtype: Literal["int64", "string"] = "string"
    vocabulary: LearnedVocabulary = LearnedVocabulary()
    """Learned from the item data."""
    max_length: Annotated[int, Field(ge=1, le=4096)] = 8
    """Values beyond this many are dropped."""


class CrossFeature(_DerivedFeature):
    """The combination of two or more categorical features, hashed."""

    kind: Literal["cross"]
    of: Annotated[tuple[Name, ...], Field(min_length=2, max_length=4)]
    buckets: Annotated[int, Field(ge=2)]


Feature = Annotated[
    CategoricalFeature
    | NumericFeature
    | MultiHotFeature
    | SequenceFeature
    | EmbeddingFeature
    | AttributeFeature
    | CrossFeature,
    Field(discriminator="kind"),
]


class Label(StrictModel):
    """A binary outcome; rows without it teach only the other labels."""

    column: str | None = None
    """Column in the log; the label's own name when absent."""
    presence: Literal["required", "optional"] = "required"
    always: bool = False
    """Whether every row may hold a 1: a log of what happened alone, for retrieval
    models, which tell it from all items. Click models need rows of both kinds."""


class GivenSplit(StrictModel):
    """The source lays the splits into folders of their own."""

    kind: Literal["given"]


class TimeSplit(StrictModel):
    """The last rows by time are for validation and test: shares or timestamps."""

    kind: Literal["time"]
    valid: Fraction | None = None
    test: Fraction | None = None
    valid_from: int | None = None
    test_from: int | None = None

    @pydantic.model_validator(mode="after")
    def _shares_or_times(self) -> Self:
        shares = (self.valid, self.test)
        times = (self.valid_from, self.test_from)
        if None not in shares and times == (None, None):
            if sum(s for s in shares if s is not None) >= 1.0:
                raise ValueError("`valid` + `test` must be below 1")
        elif None not in times and shares == (None, None):
            if (self.valid_from or 0) >= (self.test_from or 0):
                raise ValueError("`valid_from` must lie before `test_from`")
        else:
            raise ValueError(
                "give either both `valid` and `test` or both `valid_from` and "
                "`test_from`"
            )
        return self


class HashSplit(StrictModel):
    """Rows of one key stay together; which split is decided by its hash."""

    kind: Literal["hash"]
    key: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns whose values are hashed together."""
    valid: Fraction = 0.1
    test: Fraction = 0.1
    salt: str = ""

    @pydantic.model_validator(mode="after")
    def _below_one(self) -> Self:
        if self.valid + self.test >= 1.0:
            raise ValueError("`valid` + `test` must be below 1")
        return self


SplitRule = Annotated[GivenSplit | TimeSplit | HashSplit, Field(discriminator="kind")]


class FeatureSpec(StrictModel):
    """What the columns of one click log mean."""

    name: Name
    version: Annotated[int, Field(ge=1)] = 1
    description: str = ""
    labels: Annotated[dict[Name, Label], Field(min_length=1)]
    """The first label is the one that models predict unless told otherwise."""
    features: Annotated[dict[Name, Feature], Field(min_length=1)]
    split: SplitRule
    group_key: str | None = None
    """Column whose rows are ranked against each other (GAUC), mostly the user."""
    timestamp: str | None = None
    """int64 column, seconds since 1970."""
    weight: str | None = None
    """float32 column, weight of the row in training and evaluation."""
    propensity: str | None = None
    """float32 column, probability with which the logging policy chose the row."""
    slices: tuple[tuple[Name, ...], ...] = ()
    """Feature names; evaluation is repeated for each of their values."""

    @pydantic.model_validator(mode="after")
    def _references(self) -> Self:
        categorical = [
            name for name, f in self.features.items() if f.kind == "categorical"
        ]
        for field, target in self._feature_references():
            if target not in categorical:
                raise ValueError(
                    f"`{field}` must name a categorical feature, not `{target}`."
                    f"{did_you_mean(target, categorical)}"
                )
        sliceable = [
            name
            for name, f in self.features.items()
            if isinstance(f, CategoricalFeature | NumericFeature | MultiHotFeature)
        ]
        for group in self.slices:
            for name in group:
                if name not in sliceable:
                    raise ValueError(
                        f"`slices` must name categorical, numeric or multi_hot "
                        f"features, not `{name}`.{did_you_mean(name, sliceable)}"
                    )
        if isinstance(self.split, TimeSplit) and self.timestamp is None:
            raise ValueError("`split.kind: time` needs `timestamp`, the time's column")
        for name, f in self.features.items():
            if isinstance(f, SequenceFeature) and self.timestamp is None:
                for field, given in (("times", f.times), ("events", f.events)):
                    if given is not None:
                        raise ValueError(
                            f"`features.{name}.{field}` needs `timestamp`, the column "
                            f"of the row's own time"
                        )
        return self

    @pydantic.model_validator(mode="after")
    def _unique_names(self) -> Self:
        taken = dict.fromkeys(RESERVED_NAMES, "a reserved name")
        names = [(name, f"`labels.{name}`") for name in self.labels]
        for name, f in self.features.items():
            names.append((name, f"`features.{name}`"))
            if isinstance(f, SequenceFeature):
                names += [
                    (f"{name}__{side}", f"`features.{name}.side.{side}`")
                    for side in f.side
                ]
                if f.times:
                    names.append((age_of(name), f"`features.{name}.times`"))
        for name, field in names:
            if name in taken:
                raise ValueError(
                    f"{field} gives a tensor called `{name}`, which is {taken[name]} "
                    f"already; names must differ"
                )
            taken[name] = field
        return self

    @pydantic.model_validator(mode="after")
    def _columns_agree(self) -> Self:
        columns: dict[str, tuple[Column, str]] = {}
        for field, column in self._column_uses():
            first, first_field = columns.setdefault(column.name, (column, field))
            if (first.dtype, first.is_list) != (column.dtype, column.is_list):
                raise ValueError(
                    f"`{field}` reads the column `{column.name}` as {_shown(column)}, "
                    f"`{first_field}` as {_shown(first)}; they must agree"
                )
            if first_field.startswith("labels.") and field.startswith("features."):
                raise ValueError(
                    f"`{field}` reads the column `{column.name}` of the label "
                    f"`{first_field}`: the answer must not be an input"
                )
        if self.group_key and self.group_key in columns:
            key, field = columns[self.group_key]
            if key.is_list or key.dtype == "float32":
                raise ValueError(
                    f"`group_key` must be one int64 or string a row, but `{field}` "
                    f"reads the column `{key.name}` as {_shown(key)}"
                )
        if isinstance(self.split, HashSplit):
            for name in self.split.key:
                if name not in self.columns():
                    raise ValueError(
                        f"`split.key` must name columns that the spec reads, not "
                        f"`{name}`.{did_you_mean(name, self.columns())}"
                    )
        return self

    @pydantic.model_validator(mode="after")
    def _event_logs(self) -> Self:
        columns = self.columns()
        uses = list(self._column_uses())
        for name, events in self.event_logs().items():
            field = f"features.{name}.events"
            keys = [c.name for c in columns.values() if _may_be_key(c)]
            if events.key not in keys:
                raise ValueError(
                    f"`{field}.key` must name a column of int64 or string values that "
                    f"the spec reads, not `{events.key}`."
                    f"{did_you_mean(events.key, keys)}"
                )
            made = self.event_columns(name)
            for column in events.columns:
                if column not in made or column == self._sequence(name).times:
                    raise ValueError(
                        f"`{field}.columns` must name list columns of the sequence and "
                        f"its sides, not `{column}`.{did_you_mean(column, made)}"
                    )
            for other, use in uses:
                own = f"{other}.".startswith(f"features.{name}.")
                if use.name in made and not own:
                    raise ValueError(
                        f"`{other}` reads the column `{use.name}`, which "
                        f"`{field}` makes for `features.{name}` alone"
                    )
        return self

    @property
    def label(self) -> str:
        """Name of the first label."""
        return next(iter(self.labels))

    @property
    def label_column(self) -> str:
        """Column of the first label."""
        return self.labels[self.label].column or self.label

    def column_of(self, feature: str) -> str:
        """Column in the log that holds the feature."""
        return self.features[feature].column or feature

    def columns(self) -> dict[str, "Column"]:
        """Every column of the log that the spec reads, in the spec's order.

        Crosses and item-table embeddings are made from others and read nothing.
        """
        found: dict[str, Column] = {}
        for _, column in self._column_uses():
            required = column.required or (
                column.name in found and found[column.name].required
            )
            found[column.name] = column.model_copy(update={"required": required})
        if self.group_key and self.group_key not in found:
            found[self.group_key] = Column(self.group_key, "int64", False, True)
        return found

    def serving_columns(self) -> dict[str, "Column"]:
        """The columns that a request holds: what features read of the log, and the
        row's time where events have ages."""
        names = {
            c.name for use, c in self._column_uses() if use.startswith("features.")
        }
        if self.timestamp and any(
            isinstance(f, SequenceFeature) and f.times for f in self.features.values()
        ):
            names.add(self.timestamp)
        return {name: c for name, c in self.columns().items() if name in names}

    def event_logs(self) -> dict[str, EventLog]:
        """The event logs that histories are made from, by sequence feature."""
        return {
            name: f.events
            for name, f in self.features.items()
            if isinstance(f, SequenceFeature) and f.events is not None
        }

    def event_columns(self, sequence: str) -> dict[str, str]:
        """The column of the event log behind each list column of a sequence."""
        feature = self._sequence(sequence)
        if feature.events is None:
            return {}
        lists = (self.column_of(sequence), *(s.column for s in feature.side.values()))
        found = {name: feature.events.columns.get(name, name) for name in lists}
        if feature.times:
            found[feature.times] = feature.events.timestamp
        return found

    def numeric_features(self) -> dict[str, NumericFeature]:
        """Features that the Discretizer decides on."""
        return {n: f for n, f in self.features.items() if isinstance(f, NumericFeature)}

    def item_features(self) -> dict[str, EmbeddingFeature | AttributeFeature]:
        """Features that item tables hold."""
        return {
            name: f
            for name, f in self.features.items()
            if isinstance(f, EmbeddingFeature | AttributeFeature)
        }

    def item_entities(self) -> tuple[str, ...]:
        """The categorical features that have an item table each."""
        return tuple(dict.fromkeys(f.of for f in self.item_features().values()))

    def vocabulary_features(self) -> dict[str, CategoricalFeature | MultiHotFeature]:
        """Features that own a vocabulary, and thereby an embedding table."""
        return {
            name: f
            for name, f in self.features.items()
            if isinstance(f, CategoricalFeature | MultiHotFeature)
        }

    def table_rows(self, vocabulary_sizes: Mapping[str, int]) -> dict[str, int]:
        """Rows of each embedding table, the padding row 0 included.

        Ids of a table: 0 padding and missing, then 1 .. V the vocabulary, then the
        out-of-vocabulary rows.

        Args:
            vocabulary_sizes: number of values in each learned vocabulary, by feature;
                of the item tables' `attribute` features too.
        """
        rows: dict[str, int] = {}
        for name, f in self.features.items():
            if isinstance(f, SequenceFeature) and f.times:
                rows[age_of(name)] = 1 + AGE_BUCKETS
            elif isinstance(f, AttributeFeature):
                rows[name] = 1 + vocabulary_sizes[name] + f.vocabulary.oov_buckets
            elif isinstance(f, CategoricalFeature | MultiHotFeature):
                match f.vocabulary:
                    case LearnedVocabulary(oov_buckets=oov):
                        rows[name] = 1 + vocabulary_sizes[name] + oov
                    case HashVocabulary(buckets=buckets):
                        rows[name] = 1 + buckets
                    case IdentityVocabulary(size=size):
                        rows[name] = 1 + size + 1
            elif isinstance(f, CrossFeature):
                rows[name] = 1 + f.buckets
        return rows

    def model_inputs(
        self,
        vocabulary_sizes: Mapping[str, int],
        encodings: Mapping[str, NumericEncoding] | None = None,
    ) -> tuple[ModelInput, ...]:
        """What every model reads: the tensors that Transform writes, and the features
        that item tables hold.

        Args:
            vocabulary_sizes: number of values in each learned vocabulary, by feature.
            encodings: how numeric features are embedded, as the discretization plan
                says; those absent are the value times one row.
        """
        rows = self.table_rows(vocabulary_sizes)
        inputs: list[ModelInput] = []
        for name, f in self.features.items():
            match f:
                case CategoricalFeature() | CrossFeature():
                    inputs.append(ModelInput(name, "id", f.role, name, rows[name]))
                case NumericFeature():
                    encoding = (encodings or {}).get(name)
                    inputs.append(ModelInput(name, "value", f.role, numeric=encoding))
                case MultiHotFeature(max_length=length):
                    inputs.append(
                        ModelInput(name, "id_set", f.role, name, rows[name], length)
                    )
                case SequenceFeature(of=of, max_length=length):
                    inputs.append(
                        ModelInput(name, "sequence", f.role, of, rows[of], length)
                    )
                    for side_name, side in f.side.items():
                        inputs.append(
                            ModelInput(
                                f"{name}__{side_name}",
                                "sequence",
                                f.role,
                                side.of,
                                rows[side.of],
                                length,
                                side_of=name,
                            )
                        )
                    if f.times:
                        age = age_of(name)
                        inputs.append(
                            ModelInput(
                                age,
                                "sequence",
                                f.role,
                                age,
                                rows[age],
                                length,
                                side_of=name,
                            )
                        )
                case AttributeFeature(of=of, max_length=length):
                    inputs.append(
                        ModelInput(
                            name,
                            "attribute",
                            f.role,
                            name,
                            rows[name],
                            length,
                            entity=of,
                            entities=rows[of],
                        )
                    )
                case EmbeddingFeature(of=of):
                    inputs.append(
                        ModelInput(
                            name,
                            "vector",
                            f.role,
                            entity=of,
                            entities=rows[of],
                            width=f.width,
                            storage=f.storage,
                            dropout=f.dropout,
                        )
                    )
        return tuple(inputs)

    def _feature_references(self) -> Iterator[tuple[str, str]]:
        """Every field that must name a categorical feature, and what it names."""
        for name, f in self.features.items():
            if isinstance(f, SequenceFeature | EmbeddingFeature | AttributeFeature):
                yield f"features.{name}.of", f.of
            if isinstance(f, CrossFeature):
                for target in f.of:
                    yield f"features.{name}.of", target
            if isinstance(f, SequenceFeature):
                for side_name, side in f.side.items():
                    yield f"features.{name}.side.{side_name}.of", side.of

    def _column_uses(self) -> Iterator[tuple[str, "Column"]]:
        """Every field that reads a column, and how; the group key takes any type."""
        for name, label in self.labels.items():
            required = label.presence == "required"
            yield (
                f"labels.{name}",
                Column(label.column or name, "int64", False, required),
            )
        for name, f in self.features.items():
            field, column = f"features.{name}", f.column or name
            # A history that is made may be empty.
            required = f.presence == "required" and not (
                isinstance(f, SequenceFeature) and f.events
            )
            if isinstance(f, CategoricalFeature | NumericFeature):
                yield field, Column(column, f.dtype, False, required)
            elif isinstance(f, MultiHotFeature):
                yield field, Column(column, f.dtype, True, required)
            elif isinstance(f, SequenceFeature):
                yield field, Column(column, self._dtype_of(f.of), True, required)
                for side_name, side in f.side.items():
                    dtype = self._dtype_of(side.of)
                    yield (
                        f"{field}.side.{side_name}",
                        Column(side.column, dtype, True, required),
                    )
                if f.times:
                    yield f"{field}.times", Column(f.times, "int64", True, required)
        if self.timestamp:
            yield "timestamp", Column(self.timestamp, "int64", False, True)
        if self.weight:
            yield "weight", Column(self.weight, "float32", False, True)
        if self.propensity:
            yield "propensity", Column(self.propensity, "float32", False, True)

    def _sequence(self, name: str) -> SequenceFeature:
        feature = self.features[name]
        if not isinstance(feature, SequenceFeature):
            raise TypeError(f"`{name}` must be a sequence. Received: {feature.kind}")
        return feature

    def _dtype_of(self, name: str) -> DType:
        feature = self.features[name]
        if not isinstance(feature, CategoricalFeature):
            raise TypeError(f"`{name}` must be categorical. Received: {feature.kind}")
        return feature.dtype


def age_of(sequence: str) -> str:
    """Name of the side sequence that holds the events' ages."""
    return f"{sequence}__age"


class Column(pydantic.BaseModel):
    """One column of the log: its type, and whether every row must hold a value."""

    model_config = pydantic.ConfigDict(frozen=True)

    name: str
    dtype: DType
    is_list: bool
    required: bool

    def __init__(self, name: str, dtype: DType, is_list: bool, required: bool) -> None:
        super().__init__(name=name, dtype=dtype, is_list=is_list, required=required)


def _may_be_key(column: Column) -> bool:
    return not column.is_list and column.dtype != "float32"


def _shown(column: Column) -> str:
    return f"a list of {column.dtype}" if column.is_list else column.dtype


def load_spec(path: pathlib.Path | str) -> FeatureSpec:
    """Reads and validates a `features.yaml`.

    Raises:
        ConfigError: names the file, the field, the value received and the rule.
    """
    return strict_yaml.load(FeatureSpec, pathlib.Path(path))
