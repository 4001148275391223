"""The feature spec: what the columns of a click log mean.

It is the single source of truth. Column projection, the TF Metadata schema, the
`preprocessing_fn`, model inputs, signatures and evaluation slices derive from it;
nothing restates it. A data set keeps its spec in `features.yaml`.
"""

import pathlib
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import did_you_mean
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.strict_yaml import StrictModel

SPLITS = ("train", "valid", "test")
PADDING_ID = 0
"""Id of padding and of missing values; no vocabulary entry ever takes it."""

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


class CategoricalFeature(_Feature):
    """One value out of a vocabulary a row."""

    kind: Literal["categorical"]
    dtype: Literal["int64", "string"] = "string"
    vocabulary: Vocabulary = LearnedVocabulary()
    values: tuple[str, ...] | tuple[int, ...] | None = None
    """The only values allowed, when they are known beforehand."""


class NumericFeature(_Feature):
    """One number a row."""

    kind: Literal["numeric"]
    dtype: Literal["float32", "int64"] = "float32"
    scaling: Literal["none", "min_max", "z_score", "log1p"] = "z_score"
    """`log1p` is sign(x) * log(1 + |x|), followed by the z-score."""
    encoder: Literal["linear", "buckets"] = "linear"
    """`linear`: the value times one row. `buckets`: one row a quantile bucket."""
    buckets: Annotated[int, Field(ge=2, le=4096)] = 32
    """Quantile buckets, learned on the training split (`encoder: buckets`)."""
    default: float | None = None
    """Stands in for a missing value, in the column's unit; the mean when absent."""
    min: float | None = None
    max: float | None = None

    @pydantic.model_validator(mode="after")
    def _range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` must not exceed `max` ({self.min} > {self.max})")
        return self


class MultiHotFeature(_Feature):
    """A set of values out of a vocabulary a row (a list column)."""

    kind: Literal["multi_hot"]
    dtype: Literal["int64", "string"] = "string"
    vocabulary: Vocabulary = LearnedVocabulary()
    max_length: Annotated[int, Field(ge=1, le=4096)] = 16
    """Values beyond this many are dropped."""


class SequenceSide(StrictModel):
    """A list column as long as its sequence, in another feature's vocabulary."""

    of: Name
    column: str


class SequenceFeature(_Feature):
    """A history, oldest first, in another feature's vocabulary (a list column)."""

    kind: Literal["sequence"]
    of: Name
    """The categorical feature whose vocabulary the values belong to."""
    max_length: Annotated[int, Field(ge=1, le=100_000)] = 50
    """The latest values are kept."""
    padding: Literal["left", "right"] = "right"
    side: dict[Name, SequenceSide] = Field(default_factory=dict)


class EmbeddingFeature(_Feature):
    """A fixed vector of an entity, stored once in the item table, not in the log."""

    kind: Literal["embedding"]
    of: Name
    """The categorical feature that names the entity."""
    width: Annotated[int, Field(ge=1, le=65_536)]


class CrossFeature(_Feature):
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
    | CrossFeature,
    Field(discriminator="kind"),
]


class Label(StrictModel):
    """A binary outcome; rows without it teach only the other labels."""

    column: str | None = None
    """Column in the log; the label's own name when absent."""
    presence: Literal["required", "optional"] = "required"


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
        names = set(self.features)
        categorical = {
            name for name, f in self.features.items() if f.kind == "categorical"
        }
        for name, feature in self.features.items():
            targets: tuple[str, ...] = ()
            if isinstance(feature, SequenceFeature):
                targets = (feature.of, *(side.of for side in feature.side.values()))
            elif isinstance(feature, EmbeddingFeature):
                targets = (feature.of,)
            elif isinstance(feature, CrossFeature):
                targets = feature.of
            for target in targets:
                if target not in categorical:
                    raise ValueError(
                        f"`features.{name}.of` must name a categorical feature, not "
                        f"`{target}`.{did_you_mean(target, categorical)}"
                    )
        for group in self.slices:
            for name in group:
                if name not in names:
                    raise ValueError(
                        f"`slices` must name features, not `{name}`."
                        f"{did_you_mean(name, names)}"
                    )
        for name in self.labels:
            if name in names:
                raise ValueError(f"`{name}` is both a label and a feature")
        if isinstance(self.split, TimeSplit) and self.timestamp is None:
            raise ValueError("`split.kind: time` needs `timestamp`, the time's column")
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

        def add(name: str, dtype: DType, is_list: bool, required: bool) -> None:
            if name not in found:
                found[name] = Column(name, dtype, is_list, required)

        for name, label in self.labels.items():
            add(label.column or name, "int64", False, label.presence == "required")
        for name, f in self.features.items():
            column, required = f.column or name, f.presence == "required"
            if isinstance(f, CategoricalFeature | NumericFeature):
                add(column, f.dtype, False, required)
            elif isinstance(f, MultiHotFeature):
                add(column, f.dtype, True, required)
            elif isinstance(f, SequenceFeature):
                add(column, self._dtype_of(f.of), True, required)
                for side in f.side.values():
                    add(side.column, self._dtype_of(side.of), True, required)
        if self.timestamp:
            add(self.timestamp, "int64", False, True)
        for numeric in (self.weight, self.propensity):
            if numeric:
                add(numeric, "float32", False, True)
        if self.group_key:
            add(self.group_key, "int64", False, True)
        return found

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
            vocabulary_sizes: number of values in each learned vocabulary, by feature.
        """
        rows: dict[str, int] = {}
        for name, f in self.features.items():
            if isinstance(f, CategoricalFeature | MultiHotFeature):
                match f.vocabulary:
                    case LearnedVocabulary(oov_buckets=oov):
                        rows[name] = 1 + vocabulary_sizes[name] + oov
                    case HashVocabulary(buckets=buckets):
                        rows[name] = 1 + buckets
                    case IdentityVocabulary(size=size):
                        rows[name] = 1 + size + 1
            elif isinstance(f, CrossFeature) or (
                isinstance(f, NumericFeature) and f.encoder == "buckets"
            ):
                rows[name] = 1 + f.buckets
        return rows

    def model_inputs(
        self, vocabulary_sizes: Mapping[str, int]
    ) -> tuple[ModelInput, ...]:
        """The named tensors that Transform writes and every model reads.

        `embedding` features are not among them: they come from the item table.
        """
        rows = self.table_rows(vocabulary_sizes)
        inputs: list[ModelInput] = []
        for name, f in self.features.items():
            match f:
                case CategoricalFeature() | CrossFeature():
                    inputs.append(ModelInput(name, "id", f.role, name, rows[name]))
                case NumericFeature(encoder="buckets"):
                    inputs.append(ModelInput(name, "id", f.role, name, rows[name]))
                case NumericFeature():
                    inputs.append(ModelInput(name, "value", f.role))
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
                            )
                        )
        return tuple(inputs)

    def _dtype_of(self, name: str) -> DType:
        feature = self.features[name]
        if not isinstance(feature, CategoricalFeature):
            raise TypeError(f"`{name}` must be categorical. Received: {feature.kind}")
        return feature.dtype


class Column(pydantic.BaseModel):
    """One column of the log: its type, and whether every row must hold a value."""

    model_config = pydantic.ConfigDict(frozen=True)

    name: str
    dtype: DType
    is_list: bool
    required: bool

    def __init__(self, name: str, dtype: DType, is_list: bool, required: bool) -> None:
        super().__init__(name=name, dtype=dtype, is_list=is_list, required=required)


def load_spec(path: pathlib.Path | str) -> FeatureSpec:
    """Reads and validates a `features.yaml`.

    Raises:
        ConfigError: names the file, the field, the value received and the rule.
    """
    return strict_yaml.load(FeatureSpec, pathlib.Path(path))
