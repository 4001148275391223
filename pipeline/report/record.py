"""All that the report of a run shows."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from clickwright.components.evaluation.result import EvaluationResult
from clickwright.components.serving_validator.result import ValidationResult
from clickwright.components.tuner.result import TuningResult
from clickwright.pipeline.report.anomalies import DataCheck
from clickwright.pipeline.report.learning_curve import EpochRecord
from clickwright.pipeline.report.statistics import SplitStatistics
from clickwright.schemas.autodis_report import AutoDisReport
from clickwright.schemas.item_table import ItemTable

NodeState = Literal["complete", "cached", "failed", "skipped"]


@dataclass(frozen=True)
class ArtifactRecord:
    """One artifact of the run as ML Metadata knows it."""

    id: int
    type: str
    name: str
    uri: str
    producer: str
    """The node that wrote it."""
    created: datetime.datetime | None = None


@dataclass(frozen=True)
class NodeRecord:
    """One node of the DAG and what it did in this run."""

    name: str
    type: str
    """The component's class: `Transform`, `Resolver`."""
    state: NodeState
    seconds: float | None = None
    """Wall clock; None where nothing ran."""
    rows: int | None = None
    upstream: tuple[str, ...] = ()
    """Names of the nodes it reads from or waits for."""
    outputs: tuple[ArtifactRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run, finished or failed. Whatever the run did not reach is None or empty."""

    pipeline: str
    run_id: str
    model: str
    """The registered name: `deepfm`."""
    version: str | None
    """The model's version; None when no model was trained."""
    blessed: bool
    published: str | None
    """Where the version is served from; None when it was not published."""
    failures: tuple[str, ...] = ()
    """Why the model was not blessed, in words."""
    error: str | None = None
    """The message that ended the run; None for a run that finished."""
    log: str | None = None
    """Where the libraries' own words are."""
    config_sha256: str
    config_yaml: str
    started: datetime.datetime
    seconds: float
    nodes: tuple[NodeRecord, ...]
    statistics: Mapping[str, SplitStatistics] = field(default_factory=dict)
    """By split, as `read_statistics` gives them."""
    data_check: DataCheck | None = None
    """None when the data were not checked."""
    learning_curve: tuple[EpochRecord, ...] = ()
    numerics: AutoDisReport | None = None
    """None where numeric fields were not inspected, or there are none."""
    items: tuple[ItemTable, ...] = ()
    """The item tables that the model holds."""
    tuning: TuningResult | None = None
    """None where parameters were not searched for."""
    evaluation: EvaluationResult | None = None
    serving: ValidationResult | None = None
    """What became of the model in a server; None where none was asked for."""
    bayes: Mapping[str, Mapping[str, float]] | None = None
    """Metrics of the true probability by split; None where it is not known."""
    lineage: tuple[ArtifactRecord, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages that made the run, by name."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """What `summary.json` holds."""
