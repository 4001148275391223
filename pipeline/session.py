"""The part of a run that needs TFX: execute the DAG, then tell what came of it."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from clickwright.components.evaluation.result import EvaluationResult, read_evaluation
from clickwright.components.serving_validator.result import (
    ValidationResult,
    read_validation,
)
from clickwright.components.spans.span_choice import ranges
from clickwright.components.tuner.result import TuningResult
from clickwright.pipeline import tuning
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.console import RunConsole
from clickwright.pipeline.inputs import InputFiles
from clickwright.pipeline.local import (
    GraphNode,
    LocalRunner,
    NodeError,
    NodeOutcome,
    close_interrupted,
    retire_old_types,
)
from clickwright.pipeline.local_site import LocalSite
from clickwright.pipeline.paths import RunPaths
from clickwright.pipeline.pipeline import create_pipeline
from clickwright.pipeline.report.anomalies import read_data_check
from clickwright.pipeline.report.learning_curve import (
    EpochRecord,
    read_learning_curve,
)
from clickwright.pipeline.report.record import (
    ArtifactRecord,
    NodeRecord,
    RunRecord,
)
from clickwright.pipeline.report.render import write_report
from clickwright.pipeline.report.statistics import read_statistics
from clickwright.pipeline.steps import read_finished, signatures, with_finished
from clickwright.pipeline.summary import Artifact, RunArtifacts
from clickwright.schemas.atomic_file import write_json, write_text
from clickwright.schemas.autodis_report import AutoDisReport
from clickwright.schemas.errors import ClickwrightError, full_disk
from clickwright.schemas.item_table import FILE_NAME, ItemTable
from clickwright.schemas.metadata import write_schema
from clickwright.schemas.spec import SPLITS

_METRICS = ("auc", "logloss", "gauc", "ne", "ece", "pcoc", "rows")
TRAINING_LOG = "training_log.jsonl"
_PACKAGES = ("clickwright", "tfx", "tensorflow", "keras", "apache-beam")
# Whose work goes over which splits; the others have no rows to speak of.
_ROWS_OF = {
    "LogExampleGen": SPLITS,
    "StatisticsGen": SPLITS,
    "DataValidator": SPLITS,
    "Discretizer": ("train",),
    "SpecTransform": SPLITS,
    "Tuner": ("train",),
    "Trainer": ("train",),
    "NumericInspector": SPLITS,
    "ModelEvaluator": ("valid", "test"),
}
# What the graph does not say: files that a source has prepared.
_READS_PREPARED = {"LogExampleGen": ("Prepare",), "ItemTableGen": ("Prepare",)}


@dataclasses.dataclass(frozen=True)
class NodeFailure:
    """What ended a run: the node, and what a person needs to know of the error."""

    node: str
    what: str
    where: str = ""
    fix: str = ""


class Session:
    """Executes one run and records it.

    Args:
        config: the run's configuration.
        files: the log to ingest.
        paths: where everything goes.
        run_id: id of the run.
        started: when it began.
    """

    def __init__(
        self,
        config: LoadedConfig,
        files: InputFiles,
        paths: RunPaths,
        run_id: str,
        started: datetime.datetime,
    ) -> None:
        self._config = config
        self._files = files
        self._paths = paths
        self._run_id = run_id
        self._started = started
        self._graph: Mapping[str, GraphNode] = {}
        self._outcomes: list[NodeOutcome] = []
        self._prepare_seconds = 0.0
        self._until: str | None = None

    def execute(
        self, lines: RunConsole, prepare_seconds: float, until: str | None = None
    ) -> NodeFailure | None:
        """Runs the DAG, to `until` or to its end; returns what ended it, if anything.

        Args:
            lines: shows how it goes.
            prepare_seconds: what preparing the data took.
            until: the last node to run; None for all.
        """
        self._prepare_seconds = prepare_seconds
        self._until = until
        close_interrupted(self._paths.database, self._paths.artifacts)
        retire_old_types(self._paths.database)
        site = LocalSite(self._config, self._files, self._paths, self._derive_schema())
        pipeline = create_pipeline(self._config, site)
        observer = _Lines(lines, self._paths.database)
        runner = LocalRunner(observer, self._run_id, until)
        try:
            runner.run(pipeline)
        except NodeError as error:
            cause = full_disk(error.cause, self._paths.out) or error.cause
            if isinstance(cause, ClickwrightError):
                return NodeFailure(error.node, cause.what, cause.where, cause.fix)
            what = f"{type(cause).__name__}: {_first_line(cause)}"
            return NodeFailure(error.node, what)
        finally:
            self._graph, self._outcomes = runner.graph, runner.outcomes
        return None

    def conclude(
        self, seconds: float, error: NodeFailure | None, log: pathlib.Path
    ) -> dict[str, Any]:
        """Writes summary and report; those of a failed run stay with its log."""
        artifacts = RunArtifacts(self._paths.database, self._outcomes)
        evaluation = self._evaluation(artifacts)
        blessing = artifacts.first("InfraBlessing")
        serving = None if blessing is None else read_validation(blessing.uri)
        summary = self._summary(artifacts, evaluation, serving)
        record = self._record(
            artifacts, evaluation, serving, summary, seconds, error, log
        )
        self._remember_steps()
        folder = self._paths.run(self._run_id)
        write_report(record, folder / "report.html")
        if error is None:
            report = (folder / "report.html").read_text("utf-8")
            write_json(folder / "summary.json", summary)
            if self._until is None:
                write_json(self._paths.summary, summary)
                write_text(self._paths.report, report)
            else:  # the last whole run stays what it was
                write_text(self._paths.tuning, report)
        return summary

    def _remember_steps(self) -> None:
        ended = [o.name for o in self._outcomes if o.state in ("complete", "cached")]
        before = read_finished(self._paths.steps)
        current = signatures(
            self._config, self._files.fingerprint, self._files.item_fingerprints()
        )
        write_json(self._paths.steps, with_finished(before, current, ended))

    def _derive_schema(self) -> pathlib.Path:
        # The name carries the content: ImportSchemaGen is cached by path.
        content = self._config.spec.model_dump_json().encode()
        digest = hashlib.sha256(content).hexdigest()[:16]
        path = self._paths.out / "schemas" / f"schema-{digest}.pbtxt"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_schema(self._config.spec, path)
        return path

    def _evaluation(self, artifacts: RunArtifacts) -> EvaluationResult | None:
        found = artifacts.first("ModelEvaluation")
        return None if found is None else read_evaluation(found.uri)

    def _summary(
        self,
        artifacts: RunArtifacts,
        evaluation: EvaluationResult | None,
        serving: ValidationResult | None,
    ) -> dict[str, Any]:
        pushed = artifacts.first("PushedModel")
        published = _published(pushed)
        rows = artifacts.rows()
        metrics: dict[str, dict[str, float | None]] = {}
        if evaluation is not None:
            for split, result in evaluation.splits.items():
                names = [*_METRICS, *(n for n in result.overall if "@" in n)]
                metrics[split] = {k: _finite(result.overall.get(k)) for k in names}
        components = [
            {
                "name": "Prepare",
                "state": "cached" if self._files.reused else "complete",
                "seconds": round(self._prepare_seconds, 3),
                "rows": self._files.rows,
            }
        ]
        components += [
            {
                "name": outcome.name,
                "state": outcome.state,
                "seconds": round(outcome.seconds, 3),
                "rows": _rows_of(outcome.name, rows),
            }
            for outcome in self._outcomes
        ]
        return {
            "model": self._config.run.model.name,
            "version": published.rpartition("/")[2] if published else None,
            "blessed": bool(evaluation and evaluation.blessed),
            "failures": list(evaluation.failures) if evaluation else [],
            "serving": _in_server(serving),
            "published": published,
            "run_id": self._run_id,
            "config_sha256": self._config.sha256,
            "spans": self._spans(),
            "tuning": tuning.figures(_tuning(artifacts)),
            "metrics": metrics,
            "ablations": {n: _finite_all(m) for n, m in evaluation.ablations.items()}
            if evaluation
            else {},
            "baseline": _finite_all(evaluation.baseline) if evaluation else None,
            "bayes": {s: _finite_all(m) for s, m in self._files.bayes.items()}
            if self._files.bayes
            else None,
            "components": components,
        }

    def _spans(self) -> dict[str, Any] | None:
        """What the run has read of which spans; None for a log without spans."""
        laid = self._files.spans
        if laid is None:
            return None
        return {
            "newest": laid.choice.newest,
            "parent": laid.choice.parent,
            "rows": dict(laid.rows),
            "read": {part: ranges(spans) for part, spans in laid.choice.by_part()},
        }

    def _record(
        self,
        artifacts: RunArtifacts,
        evaluation: EvaluationResult | None,
        serving: ValidationResult | None,
        summary: Mapping[str, Any],
        seconds: float,
        error: NodeFailure | None,
        log: pathlib.Path,
    ) -> RunRecord:
        statistics = artifacts.first("ExampleStatistics")
        anomalies = artifacts.first("ExampleAnomalies")
        model_run = artifacts.first("ModelRun")
        numerics = artifacts.first("AutoDisReport")
        items = artifacts.first("ItemTable")
        return RunRecord(
            pipeline=self._config.run.name,
            run_id=self._run_id,
            model=self._config.run.model.name,
            version=summary["version"],
            blessed=summary["blessed"],
            published=summary["published"],
            failures=tuple(summary["failures"]),
            error=_sentence(error) if error else None,
            log=str(log),
            config_sha256=self._config.sha256,
            config_yaml=self._config.text,
            started=self._started,
            seconds=seconds,
            nodes=self._nodes(artifacts, summary),
            statistics=read_statistics(statistics.uri) if statistics else {},
            data_check=read_data_check(anomalies.uri) if anomalies else None,
            learning_curve=_learning_curve(model_run),
            numerics=AutoDisReport.read(numerics.uri) if numerics else None,
            items=_item_tables(items),
            tuning=_tuning(artifacts),
            evaluation=evaluation,
            serving=serving,
            bayes=self._files.bayes,
            lineage=tuple(_record_of(artifact) for artifact in artifacts.all()),
            versions={name: importlib.metadata.version(name) for name in _PACKAGES},
            summary=summary,
        )

    def _nodes(
        self, artifacts: RunArtifacts, summary: Mapping[str, Any]
    ) -> tuple[NodeRecord, ...]:
        ended = {c["name"]: c for c in summary["components"]}
        nodes = [
            NodeRecord(
                "Prepare",
                "Source",
                ended["Prepare"]["state"],
                ended["Prepare"]["seconds"],
                ended["Prepare"]["rows"],
            )
        ]
        for name, node in self._graph.items():
            end = ended.get(name)
            nodes.append(
                NodeRecord(
                    name,
                    node.type,
                    end["state"] if end else "skipped",
                    end["seconds"] if end else None,
                    end["rows"] if end else None,
                    (*_READS_PREPARED.get(name, ()), *node.upstream),
                    tuple(_record_of(a) for a in artifacts.all() if a.producer == name),
                )
            )
        return tuple(nodes)


class _Lines:
    """Draws the observer's calls as lines on the console."""

    def __init__(self, lines: RunConsole, database: pathlib.Path) -> None:
        self._lines = lines
        self._database = database
        self._outcomes: list[NodeOutcome] = []

    def node_started(self, name: str) -> None:
        """Begins the node's line."""
        self._lines.start(name)

    def node_ended(self, outcome: NodeOutcome) -> None:
        """Ends it."""
        rows: int | None = None
        if outcome.state != "failed":
            self._outcomes.append(outcome)
            counted = RunArtifacts(self._database, self._outcomes).rows()
            rows = _rows_of(outcome.name, counted)
        self._lines.stop(outcome.state, rows)


def _rows_of(node: str, rows: Mapping[str, int]) -> int | None:
    splits = _ROWS_OF.get(node, ())
    return sum(rows.get(split, 0) for split in splits) if splits and rows else None


def _published(pushed: Artifact | None) -> str | None:
    """The version's folder; None when nothing was published, or it is gone since."""
    if pushed is None or not pushed.properties.get("pushed"):
        return None
    address = str(pushed.properties["pushed_destination"])
    gone = "://" not in address and not pathlib.Path(address).is_dir()
    return None if gone else address


def _record_of(artifact: Artifact) -> ArtifactRecord:
    return ArtifactRecord(
        artifact.id,
        artifact.type,
        artifact.key,
        artifact.uri,
        artifact.producer,
        artifact.created,
    )


def _sentence(failure: NodeFailure) -> str:
    parts = (failure.where, failure.what, failure.fix and f"Fix: {failure.fix}")
    return "\n".join((failure.node, *(part for part in parts if part)))


def _learning_curve(model_run: Artifact | None) -> tuple[EpochRecord, ...]:
    if model_run is None:
        return ()
    return read_learning_curve(pathlib.Path(model_run.uri) / TRAINING_LOG)


def _tuning(artifacts: RunArtifacts) -> TuningResult | None:
    found = artifacts.first("TunerResults")
    return None if found is None else TuningResult.read(pathlib.Path(found.uri))


def _item_tables(found: Artifact | None) -> tuple[ItemTable, ...]:
    if found is None:
        return ()
    manifests = sorted(pathlib.Path(found.uri).glob(f"*/{FILE_NAME}"))
    return tuple(ItemTable.read(manifest.parent) for manifest in manifests)


def _in_server(result: ValidationResult | None) -> dict[str, Any] | None:
    """What the serving validation found, in figures; None where it did not run."""
    if result is None or result.skipped:
        return None
    return {
        "blessed": result.blessed,
        "failures": list(result.failures),
        "largest_difference": {
            f"{skew.signature}, {skew.way}": _finite(skew.largest)
            for skew in (result.skew.skews if result.skew else ())
        },
        "p50_ms": {
            f"{latency.signature}, batch {latency.batch}": round(latency.p50_ms, 3)
            for latency in result.latencies
        },
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN: what could not be computed is null."""
    return value if value is not None and math.isfinite(value) else None


def _finite_all(values: Mapping[str, float] | None) -> dict[str, float | None] | None:
    return None if values is None else {k: _finite(v) for k, v in values.items()}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"
