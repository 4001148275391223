"""A run that looks like a real one, for the tests of the report."""

import datetime
import itertools
import math

import numpy as np

from clickwright.components.evaluation.result import (
    CalibrationBin,
    EvaluationResult,
    SliceMetrics,
    SplitResult,
)
from clickwright.pipeline.report.anomalies import (
    AnomalyRecord,
    ComparisonRecord,
    DataCheck,
)
from clickwright.pipeline.report.learning_curve import EpochRecord
from clickwright.pipeline.report.record import (
    ArtifactRecord,
    NodeRecord,
    RunRecord,
)
from clickwright.pipeline.report.statistics import (
    Bucket,
    FeatureStatistics,
    NumericSummary,
    SplitStatistics,
    ValueSummary,
)

ROWS = {"train": 800_000, "valid": 100_000, "test": 100_000}
STARTED = datetime.datetime(2026, 3, 14, 9, 26, 53, tzinfo=datetime.UTC)
JENSEN = "Jensen-Shannon divergence"
HOSTILE = "</script><script>document.title='taken'</script><b>&amp;${7*7}"

UPSTREAM = {
    "Prepare": (),
    "LogExampleGen": ("Prepare",),
    "StatisticsGen": ("LogExampleGen",),
    "ImportSchemaGen": (),
    "PreviousStatistics": (),
    "DataValidator": ("StatisticsGen", "ImportSchemaGen", "PreviousStatistics"),
    "ItemTable": ("Prepare", "Transform"),
    "Discretizer": ("StatisticsGen", "DataValidator"),
    "Transform": ("LogExampleGen", "ImportSchemaGen", "DataValidator", "Discretizer"),
    "LatestBlessedModel": (),
    "Trainer": ("Transform", "ImportSchemaGen", "LatestBlessedModel", "ItemTable"),
    "ModelEvaluator": ("LogExampleGen", "Trainer", "LatestBlessedModel"),
    "ServingValidator": ("Trainer", "LogExampleGen"),
    "Publisher": ("Trainer", "ModelEvaluator", "ServingValidator"),
}
SECONDS = (11.8, 9.4, 14.2, 0.3, 0.1, 1.1, 4.6, 2.2, 41.7, 0.1, 188.3, 23.9, 6.5, 0.8)
CACHED = ("Prepare", "LogExampleGen")
WITH_ROWS = (
    "Prepare",
    "LogExampleGen",
    "StatisticsGen",
    "Transform",
    "Trainer",
    "ModelEvaluator",
)


def finished_run(**changes: object) -> RunRecord:
    """A blessed and published run: 14 nodes, 12 columns, 3 slices, 15 epochs."""
    values: dict = {
        "pipeline": "marketplace_deepfm",
        "run_id": "2026-03-14T09:26:53",
        "model": "deepfm",
        "version": "1773480413",
        "blessed": True,
        "published": "out/demo/serving/deepfm/1773480413",
        "log": "out/demo/logs/2026-03-14T09-26-53.log",
        "config_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0",
        "config_yaml": "pipeline: marketplace_deepfm\nmodel:\n  name: deepfm\n"
        "  params:\n    width: 16\n    layers: [128, 64]\ntrain:\n  epochs: 15\n",
        "started": STARTED,
        "seconds": 312.4,
        "nodes": nodes(),
        "statistics": statistics(),
        "data_check": DataCheck(
            anomalies=(
                AnomalyRecord(
                    "price",
                    "train",
                    "High drift",
                    "The Jensen-Shannon divergence between current and previous is "
                    "0.0312 (up to six significant digits), above the threshold 0.03.",
                    "warning",
                ),
            ),
            comparisons=(
                ComparisonRecord("price", "train", "drift", JENSEN, 0.0312, 0.03),
                ComparisonRecord("device", "valid", "skew", "L-infinity", 0.004, 0.05),
                ComparisonRecord("device", "test", "skew", "L-infinity", 0.011, 0.05),
            ),
        ),
        "learning_curve": learning_curve(),
        "evaluation": evaluation(),
        "bayes": {
            "valid": {"auc": 0.7962, "logloss": 0.3377},
            "test": {"auc": 0.7951, "logloss": 0.3391},
        },
        "lineage": tuple(a for n in nodes() for a in n.outputs),
        "versions": {
            "clickwright": "0.1.0",
            "python": "3.11.7",
            "tfx": "1.21.0",
            "tensorflow": "2.21.0",
            "keras": "3.15.0",
        },
        "summary": {"model": "deepfm", "blessed": True},
    }
    return RunRecord(**(values | changes))


def failed_run() -> RunRecord:
    """A run that ended at the data check: nothing after it is known."""
    reached = [*UPSTREAM][:6]
    after = [*UPSTREAM][6:]
    return finished_run(
        version=None,
        blessed=False,
        published=None,
        error="DataError: features.yaml: column `price` is missing in split `test`.\n"
        "Fix: Add the column or mark the feature `presence: optional`.",
        nodes=tuple(
            NodeRecord(
                name=n,
                type=n,
                state="failed" if n == reached[-1] else "complete",
                seconds=1.5,
                upstream=UPSTREAM[n],
            )
            for n in reached
        )
        + tuple(
            NodeRecord(name=n, type=n, state="skipped", upstream=UPSTREAM[n])
            for n in after
        ),
        data_check=None,
        learning_curve=(),
        evaluation=None,
        bayes=None,
        lineage=(),
        versions={},
        summary={},
    )


def empty_run() -> RunRecord:
    """A run that ended before it began: all that may be missing is missing."""
    return RunRecord(
        pipeline="p",
        run_id="r",
        model="m",
        version=None,
        blessed=False,
        published=None,
        config_sha256="0" * 64,
        config_yaml="",
        started=STARTED,
        seconds=0.0,
        nodes=(),
    )


def nodes() -> tuple[NodeRecord, ...]:
    types = {"PreviousStatistics": "Resolver", "LatestBlessedModel": "Resolver"}
    made = {
        "LogExampleGen": ("Examples",),
        "StatisticsGen": ("ExampleStatistics",),
        "ImportSchemaGen": ("Schema",),
        "DataValidator": ("DataReport",),
        "Transform": ("TransformGraph", "TransformCache"),
        "Trainer": ("Model", "ModelRun"),
        "ModelEvaluator": ("ModelEvaluation", "ModelBlessing"),
        "Publisher": ("PublishedModel",),
    }
    ids = iter(range(101, 200))
    return tuple(
        NodeRecord(
            name=name,
            type=types.get(name, name),
            state="cached" if name in CACHED else "complete",
            seconds=0.0 if name in CACHED else seconds,
            rows=sum(ROWS.values()) if name in WITH_ROWS else None,
            upstream=UPSTREAM[name],
            outputs=tuple(
                ArtifactRecord(
                    id=next(ids),
                    type=kind,
                    name=f"marketplace_deepfm:2026-03-14T09:26:53:{name}:{kind}",
                    uri=f"out/demo/pipeline/{name}/{kind.lower()}/17",
                    producer=name,
                    created=STARTED + datetime.timedelta(seconds=17),
                )
                for kind in made.get(name, ())
            ),
        )
        for name, seconds in zip(UPSTREAM, SECONDS, strict=True)
    )


def learning_curve() -> tuple[EpochRecord, ...]:
    return tuple(
        EpochRecord(
            epoch=e,
            step=e * 196,
            seconds=e * 12.5,
            loss=0.334 + 0.11 * math.exp(-e / 3),
            valid_auc=0.7874 - 0.12 * math.exp(-e / 2.5),
            valid_logloss=0.3431 + 0.09 * math.exp(-e / 2.8) + 0.0001 * e,
            learning_rate=0.002 * 0.5 * (1 + math.cos(math.pi * e / 15)),
            examples_per_second=63_000 + 1_500 * math.sin(e),
        )
        for e in range(1, 16)
    )


def metrics(auc: float, rows: float) -> dict[str, float]:
    return {
        "auc": auc,
        "gauc": auc - 0.031,
        "logloss": 0.61 - auc / 3,
        "ne": 1.6 - auc,
        "ece": 0.0041,
        "pcoc": 1.0123,
        "rows": float(rows),
        "gauc_groups_used": 8_112.0,
        "gauc_groups_skipped": 3_040.0,
    }


def evaluation() -> EvaluationResult:
    hours = {f"{h:02d}": 900 + 380 * abs(12 - h) for h in range(24)}
    devices = {"mobile": 61_210, "desktop": 30_422, "tablet": 8_368}
    categories = {
        f"category {c} with a long name": 24_000 // (c + 1) for c in range(40)
    }
    slices = [
        SliceMetrics(((column, value),), metrics(0.7874 - 0.002 * i, rows))
        for column, by_value in (
            ("hour", hours),
            ("device", devices),
            ("category", categories),
        )
        for i, (value, rows) in enumerate(by_value.items())
    ]
    slices.append(
        SliceMetrics(
            (("device", "fridge"),), {**metrics(math.nan, 3), "gauc": math.nan}
        )
    )
    scores = np.random.default_rng(7).beta(1.2, 8.0, 20_000)
    edges = np.quantile(scores, np.linspace(0, 1, 16)).tolist()
    bins, wilder = (
        tuple(
            CalibrationBin(
                lower=low,
                upper=high,
                rows=ROWS["test"] / 15,
                mean_prediction=(low + high) / 2,
                mean_label=(low + high) / 2 * (1 + noise * math.sin(i)),
            )
            for i, (low, high) in enumerate(itertools.pairwise(edges))
        )
        for noise in (0.03, 0.09)
    )
    empty = CalibrationBin(0.95, 1.0, 0, math.nan, math.nan)
    return EvaluationResult(
        splits={
            "valid": SplitResult(metrics(0.7881, ROWS["valid"]), (), (*wilder, empty)),
            "test": SplitResult(
                metrics(0.7874, ROWS["test"]), tuple(slices), (*bins, empty)
            ),
        },
        blessed=True,
        failures=(),
        baseline=metrics(0.7849, ROWS["test"]),
    )


def statistics() -> dict[str, SplitStatistics]:
    return {split: split_statistics(split, rows) for split, rows in ROWS.items()}


def split_statistics(split: str, rows: int) -> SplitStatistics:
    random = np.random.default_rng(len(split))
    names = {
        "user_id": 48_112,
        "item_id": 20_447,
        "category": 40,
        "brand": 912,
        "device": 3,
        "hour": 24,
        "position": 20,
        "history": 20_447,
        "country": 31,
    }
    features = [
        FeatureStatistics(
            name=name,
            type="int" if name in ("hour", "position") else "string",
            rows=rows,
            missing=rows // 400 if name == "brand" else 0,
            longest=50 if name == "history" else 1,
            values=ValueSummary(
                unique=unique,
                total=rows * 12 if name == "history" else rows,
                counts={
                    f"{name[0]}{i:05d}": rows * 0.4 / (i + 1) ** 1.1
                    for i in range(min(unique, 200))
                },
            ),
        )
        for name, unique in names.items()
    ]
    samples = {
        "price": random.lognormal(3, 1.2, 5_000),
        "age_days": random.gamma(2, 20, 5_000),
        "click": (random.random(5_000) < 0.12).astype(float),
    }
    for name, sample in samples.items():
        counts, edges = np.histogram(sample, 10)
        cuts = np.quantile(sample, np.linspace(0, 1, 11))
        features.append(
            FeatureStatistics(
                name=name,
                type="int" if name == "click" else "float",
                rows=rows,
                missing=0,
                numeric=NumericSummary(
                    mean=float(sample.mean()),
                    std_dev=float(sample.std()),
                    minimum=float(sample.min()),
                    median=float(np.median(sample)),
                    maximum=float(sample.max()),
                    zeros=int((sample == 0).sum()),
                    histogram=tuple(
                        Bucket(float(low), float(high), float(c))
                        for low, high, c in zip(
                            edges[:-1], edges[1:], counts, strict=True
                        )
                    ),
                    quantiles=tuple(
                        Bucket(float(low), float(high), 500.0)
                        for low, high in itertools.pairwise(cuts)
                    ),
                ),
            )
        )
    return SplitStatistics(rows=rows, features={f.name: f for f in features})
