"""Metrics of the model beside those of the blessed model and of the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from clickwright.schemas.html_page.formats import known

Verdict = Literal["better", "worse", "same"]
EVEN = 5e-5
"""Differences below this read as zero in four decimals."""


@dataclass(frozen=True)
class Metric:
    """A metric of the evaluation and how to read it."""

    key: str
    label: str
    goal: Literal["higher", "lower", "one"]
    """What is good: high values, low values, or values close to 1."""
    meaning: str

    def compare(self, value: float | None, reference: float | None) -> "Difference":
        """Returns how far `value` lies from `reference`, and whether that is good."""
        if value is None or reference is None:
            return Difference(None, "same")
        difference = value - reference
        if not known(difference):
            return Difference(None, "same")
        gain = {
            "higher": difference,
            "lower": -difference,
            "one": abs(reference - 1) - abs(value - 1),
        }[self.goal]
        if abs(gain) < EVEN:
            return Difference(difference, "same")
        return Difference(difference, "better" if gain > 0 else "worse")


@dataclass(frozen=True)
class Difference:
    """Value minus reference; None where one of them is unknown."""

    value: float | None
    verdict: Verdict

    @property
    def arrow(self) -> str:
        """The way the value moved; empty where it did not."""
        if self.value is None or abs(self.value) < EVEN:
            return ""
        return "▲" if self.value > 0 else "▼"


METRICS = (
    Metric(
        "auc",
        "AUC",
        "higher",
        "Chance that a random clicked row is scored above a random row without a "
        "click: 0.5 is guessing, 1 is perfect order.",
    ),
    Metric(
        "gauc",
        "GAUC",
        "higher",
        "AUC within each group, usually a user, averaged by the group's weight. "
        "Groups with one kind of label only are left out.",
    ),
    Metric(
        "logloss",
        "Log loss",
        "lower",
        "Mean negative log probability of what happened, in nats: punishes "
        "confident mistakes.",
    ),
    Metric(
        "ne",
        "NE",
        "lower",
        "Normalised entropy: log loss divided by that of always predicting the "
        "mean click rate. Below 1 the model has learnt something.",
    ),
    Metric(
        "ece",
        "ECE",
        "lower",
        "Expected calibration error: mean distance between predicted and actual "
        "click rate over the bins of the calibration curve.",
    ),
    Metric(
        "pcoc",
        "PCOC",
        "one",
        "Predicted clicks over observed clicks: 1 is right on average, above 1 the "
        "model promises too much.",
    ),
)

RANKING = (
    Metric(
        "hr@10",
        "HR@10",
        "higher",
        "Share of the requests that find something they want among the best ten items.",
    ),
    Metric(
        "ndcg@10",
        "NDCG@10",
        "higher",
        "How far up among the best ten items stands what is wanted: 1 is on top.",
    ),
    Metric(
        "mrr@10",
        "MRR@10",
        "higher",
        "Mean of one over the first rank, within the best ten items, of what is wanted.",
    ),
    Metric(
        "recall@20",
        "Recall@20",
        "higher",
        "Share of what is wanted that stands among the best twenty items.",
    ),
)
"""Of retrieval models, in place of the others."""


@dataclass(frozen=True)
class MetricRow:
    """One line of the metrics table; the references are those of the test split."""

    metric: Metric
    valid: float | None
    test: float | None
    blessed: float | None
    bayes: float | None

    @property
    def against_blessed(self) -> Difference:
        """Test against the blessed model on the same rows."""
        return self.metric.compare(self.test, self.blessed)

    @property
    def against_bayes(self) -> Difference:
        """Test against the true probability on the same rows."""
        return self.metric.compare(self.test, self.bayes)


@dataclass(frozen=True)
class AblationTable:
    """Metrics of the model on test, and with parts of its input taken away.

    Attributes:
        metrics: what the columns are.
        rows: name, and for each metric the value and its change against the whole.
    """

    metrics: tuple[Metric, ...]
    rows: tuple[tuple[str, tuple[tuple[float | None, Difference | None], ...]], ...]


def ablation_table(
    test: Mapping[str, float], ablations: Mapping[str, Mapping[str, float]]
) -> AblationTable | None:
    """Returns the table; None where there are no ablations."""
    if not ablations:
        return None
    chosen = tuple(m for m in METRICS if any(m.key in a for a in ablations.values()))
    whole = tuple((test.get(m.key), None) for m in chosen)
    return AblationTable(
        chosen,
        (
            ("everything", whole),
            *(
                (
                    name,
                    tuple(
                        (found.get(m.key), m.compare(found.get(m.key), test.get(m.key)))
                        for m in chosen
                    ),
                )
                for name, found in ablations.items()
            ),
        ),
    )


def metric_rows(
    valid: Mapping[str, float],
    test: Mapping[str, float],
    blessed: Mapping[str, float],
    bayes: Mapping[str, float],
) -> list[MetricRow]:
    """Returns one row a metric that any of the four knows."""
    rows = [
        MetricRow(
            m, valid.get(m.key), test.get(m.key), blessed.get(m.key), bayes.get(m.key)
        )
        for m in (*METRICS, *RANKING)
    ]
    return [r for r in rows if (r.valid, r.test, r.blessed, r.bayes) != (None,) * 4]
