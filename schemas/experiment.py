"""The definition of an online experiment, as it is written in YAML."""

import datetime
import pathlib
import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

import pydantic

from clickwright.schemas.strict_yaml import StrictModel

BUCKETS = 10_000
"""Buckets that units fall into: the finest share of the traffic is 0.01 %."""

EXPOSURE_COUNTS = ("exposures", "errors", "latency_ms")
"""What exposures bring by themselves; all else that a metric names is an outcome."""

RESERVED_COLUMNS = frozenset(
    {*EXPOSURE_COUNTS, "unit", "variant", "first_at", "auc_weight", "auc_weighted"}
)
"""Columns of the table of units that no outcome and no slice may take."""

_WEIGHT_TOLERANCE = 1e-6
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]{1,64}", value):
        raise ValueError("must be 1 to 64 small letters, digits or `_`")
    return value


def _served_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", value):
        raise ValueError(
            "must be a letter or digit, then up to 127 letters, digits, `_`, `.` or `-`"
        )
    return value


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be one line of text")
    return value


def _header(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", value) or value.endswith("-bin"):
        raise ValueError(
            "must be a header in small letters, digits, `-`, `_` or `.`, that does not "
            "end with `-bin`"
        )
    return value


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", value):
        raise ValueError("must be the name of an environment variable")
    return value


def _utc(value: datetime.datetime) -> datetime.datetime:
    return value.astimezone(datetime.UTC)


def _duration(value: object) -> object:
    """A duration from `90s`, `30m`, `24h` or `7d`."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", value)
    if match is None:
        raise ValueError("must be a number and a unit, as `90s`, `30m`, `24h` or `7d`")
    return datetime.timedelta(**{_UNITS[match[2]]: int(match[1])})


def _duration_text(value: datetime.timedelta) -> str:
    for unit in reversed(_UNITS):
        one = datetime.timedelta(**{_UNITS[unit]: 1})
        if not value % one:
            return f"{value // one}{unit}"
    return f"{value // datetime.timedelta(seconds=1)}s"


Name = Annotated[str, pydantic.AfterValidator(_name)]
ServedName = Annotated[str, pydantic.AfterValidator(_served_name)]
Text = Annotated[str, pydantic.AfterValidator(_text)]
Instant = Annotated[pydantic.AwareDatetime, pydantic.AfterValidator(_utc)]
Duration = Annotated[
    datetime.timedelta,
    pydantic.BeforeValidator(_duration),
    pydantic.PlainSerializer(_duration_text, when_used="json"),
    pydantic.Field(ge=datetime.timedelta(seconds=1)),
]
Share = Annotated[float, pydantic.Field(ge=0, le=1)]


class UnitSource(StrictModel):
    """Where a request carries the id of its unit: one of both."""

    header: Annotated[str, pydantic.AfterValidator(_header)] | None = None
    """Key of the gRPC metadata, and the HTTP header."""

    input: Text | None = None
    """A named input of the request."""

    @pydantic.model_validator(mode="after")
    def _one(self) -> Self:
        if (self.header is None) == (self.input is None):
            raise ValueError("give either `header` or `input`")
        return self


class Layer(StrictModel):
    """The part of the traffic that an experiment may take.

    Experiments of one layer that run at the same time own disjoint ranges, so that no
    unit is in two of them. With GrowthBook's schemes a layer is a namespace.
    """

    name: ServedName

    buckets: tuple[
        Annotated[int, pydantic.Field(ge=0, le=BUCKETS)],
        Annotated[int, pydantic.Field(ge=0, le=BUCKETS)],
    ] = (0, BUCKETS)
    """First bucket, and the one behind the last."""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.buckets[0] >= self.buckets[1]:
            raise ValueError(
                f"`buckets` must grow. Received: {list(self.buckets)}. An empty range "
                "holds no unit"
            )
        return self


class Hash(StrictModel):
    """How a unit falls into a bucket."""

    scheme: Literal["clickwright", "growthbook_v1", "growthbook_v2"] = "clickwright"
    """`growthbook_v1` and `growthbook_v2` put units where GrowthBook's SDKs do."""

    salt: Text | None = None
    """Another salt deals the units anew. Absent: the experiment's id."""


class Target(StrictModel):
    """The model version that answers for an arm: by label, number, or the newest."""

    model: ServedName
    label: ServedName | None = None
    version: Annotated[int, pydantic.Field(ge=0)] | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> Self:
        if self.label is not None and self.version is not None:
            raise ValueError(
                f"give `label` or `version`, not both. Received: {self.label!r} and "
                f"{self.version}"
            )
        return self


class Arm(StrictModel):
    """One variant: its part of the experiment's units, and what answers them."""

    weight: Share
    """0: no unit is assigned; for an arm that only shadows."""

    target: Target


class Shadow(StrictModel):
    """An arm that gets a copy of the requests; control answers, scores are compared."""

    arm: Name | None = None
    share: Share = 1.0
    """Part of the requests that is copied."""


class RampStep(StrictModel):
    """From a time on, the share of the units that take part."""

    at: Instant
    share: Share


class _Metric(StrictModel):
    """What all metrics have."""

    name: Name

    role: Literal["primary", "secondary", "guardrail"] = "secondary"

    direction: Literal["increase", "decrease"] = "increase"
    """Where a better arm moves it."""

    minimum_effect: Annotated[float, pydantic.Field(gt=0, le=10)] | None = None
    """Smallest relative effect that the experiment must detect; primary metrics."""

    margin: Annotated[float, pydantic.Field(gt=0, le=10)] | None = None
    """Worst relative harm that is allowed; guardrail metrics."""

    @pydantic.model_validator(mode="after")
    def _fits_role(self) -> Self:
        if self.role == "primary" and self.minimum_effect is None:
            raise ValueError(
                f"the primary metric `{self.name}` needs `minimum_effect`, the smallest "
                "relative effect to detect"
            )
        if self.role == "guardrail" and self.margin is None:
            raise ValueError(
                f"the guardrail metric `{self.name}` needs `margin`, the worst relative "
                "harm that is allowed"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The counts and outcomes that it is computed from."""
        raise NotImplementedError


class MeanMetric(_Metric):
    """Mean over units of a sum over each unit's events."""

    kind: Literal["mean"]
    value: Name

    @property
    def columns(self) -> tuple[str, ...]:
        """The counts and outcomes that it is computed from."""
        return (self.value,)


class RatioMetric(_Metric):
    """Ratio of two sums over all events; its error by the delta method over units."""

    kind: Literal["ratio"]
    numerator: Name
    denominator: Name

    scale: Annotated[float, pydantic.Field(gt=0)] = 1.0
    """Factor of what is shown: 1000 for an eCPM."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The counts and outcomes that it is computed from."""
        return (self.numerator, self.denominator)


class GaucMetric(_Metric):
    """AUC of the scores within each unit, weighted by the unit's items."""

    kind: Literal["gauc"]

    label: Name
    """The outcome that makes an item positive."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The counts and outcomes that it is computed from."""
        return (self.label,)


Metric = Annotated[
    MeanMetric | RatioMetric | GaucMetric, pydantic.Field(discriminator="kind")
]


class Cuped(StrictModel):
    """What is known of units from before: one of both."""

    days: Annotated[int, pydantic.Field(ge=1, le=365)] | None = None
    """Days before a unit's first exposure whose outcomes are the covariates."""

    covariates: pathlib.Path | None = None
    """A Parquet file: `unit`, and one column for each value of a metric."""

    @pydantic.model_validator(mode="after")
    def _one(self) -> Self:
        if (self.days is None) == (self.covariates is None):
            raise ValueError("give either `days` or `covariates`")
        return self


class Attribution(StrictModel):
    """Which outcomes count."""

    window: Duration = datetime.timedelta(hours=24)
    """Outcomes later than this after their exposure do not; `30m`, `24h`, `7d`."""


class Stopping(StrictModel):
    """When the experiment may end."""

    rule: Literal["sequential", "fixed"] = "sequential"
    """`sequential`: at any look, by always-valid intervals; `fixed`: at the end."""

    alpha: Annotated[float, pydantic.Field(gt=0, lt=0.5)] = 0.05
    minimum_days: Annotated[float, pydantic.Field(ge=0)] = 3.0
    maximum_days: Annotated[float, pydantic.Field(gt=0)] = 14.0
    minimum_units: Annotated[int, pydantic.Field(ge=2)] = 100
    """Fewest units an arm."""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum_days > self.maximum_days:
            raise ValueError(
                f"`minimum_days` must not exceed `maximum_days`. Received: "
                f"{self.minimum_days} and {self.maximum_days}"
            )
        return self


class Privacy(StrictModel):
    """What the log keeps of a unit's id."""

    hash_units: bool = False
    """HMAC-SHA256 of the id instead of the id."""

    secret_env: Annotated[str, pydantic.AfterValidator(_variable)] = (
        "CLICKWRIGHT_UNIT_SECRET"
    )
    """The environment variable that holds the secret; no file and no log does."""


class Experiment(StrictModel):
    """An online experiment: who takes part, what answers them, what decides."""

    id: Name
    hypothesis: Text

    unit: Text = "user_id"
    """What a unit is, for people."""

    unit_source: UnitSource = UnitSource(header="x-unit-id")

    missing_unit: Literal["control", "error"] = "control"
    """A request without a unit: control answers without exposure, or an error does."""

    model: ServedName
    """The name that clients ask for. Its experiments share one layer."""

    layer: Layer = pydantic.Field(
        # No model is given where it broke its own rule.
        default_factory=lambda given: Layer(name=given.get("model", "none"))
    )
    """Absent: a layer named as the model, all buckets."""

    hash: Hash = Hash()

    arms: dict[Name, Arm]

    control: Name = "control"
    """The arm that the others are compared with, and that answers when they fail."""

    shadow: Shadow = Shadow()

    start: Instant
    end: Instant

    ramp: tuple[RampStep, ...] = ()
    """Shares never fall. Absent: all units from the start."""

    overrides: dict[Text, Name] = pydantic.Field(default_factory=dict)
    """Units that get an arm of choice while the experiment runs; not analysed."""

    propensity: Literal["implicit"] = "implicit"
    """The probability of an exposure is its arm's weight."""

    metrics: tuple[Metric, ...]
    cuped: Cuped | None = None
    attribution: Attribution = Attribution()
    stopping: Stopping = Stopping()

    slices: tuple[Name, ...] = ()
    """Attributes of exposures."""

    on_guardrail: Literal["rollback", "alert"] = "rollback"
    on_success: Literal["promote", "none"] = "none"
    privacy: Privacy = Privacy()

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := list(self._problems()):
            raise ValueError(". ".join(problems))
        return self

    @property
    def salt(self) -> str:
        """What the units are hashed with."""
        return self.hash.salt or self.id

    @property
    def primary(self) -> MeanMetric | RatioMetric | GaucMetric:
        """The one primary metric."""
        return next(metric for metric in self.metrics if metric.role == "primary")

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes that the metrics need, sorted."""
        columns = {column for metric in self.metrics for column in metric.columns}
        return tuple(sorted(columns.difference(EXPOSURE_COUNTS)))

    def running_at(self, at: datetime.datetime) -> bool:
        """Whether `at` lies between start and end, the end excluded."""
        return self.start <= at < self.end

    def share_at(self, at: datetime.datetime) -> float:
        """Share of the units that take part at a time; 0 before the first step."""
        if not self.ramp:
            return 1.0
        return max((step.share for step in self.ramp if step.at <= at), default=0.0)

    def _problems(self) -> Iterator[str]:
        """One sentence a rule between fields that is broken."""
        known = ", ".join(f"`{arm}`" for arm in self.arms)
        if len(self.arms) < 2:
            yield f"`arms` must hold control and at least one other. Received: {known}"
        total = sum(arm.weight for arm in self.arms.values())
        if abs(total - 1) > _WEIGHT_TOLERANCE:
            weights = {name: arm.weight for name, arm in self.arms.items()}
            yield f"the weights of the arms must sum to 1. Received: {weights}, {total:g}"
        if self.control not in self.arms:
            yield f"`control` must be one of {known}. Received: {self.control!r}"
        shadow = self.shadow.arm
        if shadow is not None and shadow not in self.arms:
            yield f"`shadow.arm` must be one of {known}. Received: {shadow!r}"
        if shadow == self.control:
            yield f"`shadow.arm` must not be control. Received: {shadow!r}"
        for unit, arm in self.overrides.items():
            if arm not in self.arms:
                yield f"`overrides.{unit}` must be one of {known}. Received: {arm!r}"
        if self.start >= self.end:
            yield f"`start` must be before `end`. Received: {self.start}, {self.end}"
        for before, after in zip(self.ramp, self.ramp[1:], strict=False):
            if before.at >= after.at or before.share > after.share:
                yield (
                    "`ramp` must go forward in time and its shares must not fall. "
                    f"Received: {before.share:g} at {before.at}, then {after.share:g} "
                    f"at {after.at}"
                )
        primary = [metric.name for metric in self.metrics if metric.role == "primary"]
        if len(primary) != 1:
            yield f"one metric must have the role `primary`. Received: {primary}"
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            yield f"the metrics must have names of their own. Received: {names}"
        if len(set(self.slices)) < len(self.slices):
            yield f"`slices` must not repeat. Received: {list(self.slices)}"
        for name in (*self.outcomes, *self.slices):
            if name in RESERVED_COLUMNS or name.endswith("_before"):
                yield (
                    "an outcome or a slice must not be one of "
                    f"{', '.join(sorted(RESERVED_COLUMNS))}, nor end with `_before`. "
                    f"Received: {name!r}"
                )
        for name in set(self.outcomes).intersection(self.slices):
            yield f"an outcome and a slice must differ in name. Received: {name!r}"
