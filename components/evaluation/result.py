"""What an evaluation found, for the report and for programs."""

import dataclasses
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass

import pydantic

from clickwright.experiments.off_policy.off_policy_report import OffPolicyReport
from clickwright.schemas.errors import DataError

FILE_NAME = "evaluation.json"


@dataclass(frozen=True)
class SliceMetrics:
    """Metrics of the rows that share a feature's value.

    Attributes:
        slice: pairs of feature and value, one for each feature of the slice.
        metrics: by name, as in `SplitResult.overall`.
    """

    slice: tuple[tuple[str, str], ...]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class CalibrationBin:
    """Rows with neighbouring scores.

    Attributes:
        lower: lowest score in the bin.
        upper: highest score in the bin.
        rows: sum of the rows' weights; their number where the data have none.
        mean_prediction: weighted mean of the scores.
        mean_label: weighted mean of the labels.
    """

    lower: float
    upper: float
    rows: float
    mean_prediction: float
    mean_label: float


@dataclass(frozen=True)
class SplitResult:
    """Metrics of one split.

    Attributes:
        overall: `auc`, `logloss`, `gauc`, `ne`, `ece`, `pcoc` and `rows`, all of them
            present, NaN where unknown; `gauc_groups_used` and `gauc_groups_skipped`
            where the spec names a group key. Of retrieval models: `hr@K`, `ndcg@K`,
            `mrr@K`, `recall@K`, `queries` and `rows`.
        slices: the largest slices of each slicing of the spec, largest first.
        calibration: bins in the order of the scores.
    """

    overall: Mapping[str, float]
    slices: tuple[SliceMetrics, ...]
    calibration: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class EvaluationResult:
    """Metrics of a model, and the decision about it.

    Attributes:
        splits: by name, `valid` and `test`.
        blessed: whether the test split's metrics keep all rules.
        failures: why the model is not blessed, one sentence a rule.
        baseline: metrics of the blessed model on the same test rows.
        baseline_problem: why there is a blessed model but no metrics of it.
        ablations: `auc`, `logloss` and `gauc` of the model on the test split with a part
            of its input taken away, by what was; empty where it was not asked for.
        off_policy: what the model would have earned on logged choices; None where it
            was not asked for.
    """

    splits: Mapping[str, SplitResult]
    blessed: bool
    failures: tuple[str, ...] = ()
    baseline: Mapping[str, float] | None = None
    baseline_problem: str | None = None
    ablations: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )
    off_policy: OffPolicyReport | None = None

    def write(self, uri: str) -> None:
        """Writes the result into the folder of a `ModelEvaluation`."""
        text = _File(self).model_dump_json(indent=1)
        pathlib.Path(uri, FILE_NAME).write_text(text, encoding="utf-8")


class _File(pydantic.RootModel[EvaluationResult]):
    # JSON has no NaN; it is written as a string and read back as a number.
    model_config = pydantic.ConfigDict(ser_json_inf_nan="strings")


def read_evaluation(uri: str) -> EvaluationResult:
    """Reads the result from the folder of a `ModelEvaluation`.

    It needs no TFMA, whose import takes many seconds.

    Raises:
        DataError: the folder holds no evaluation, or one that is damaged.
    """
    path = pathlib.Path(uri, FILE_NAME)
    try:
        return _File.model_validate_json(path.read_bytes()).root
    except (OSError, pydantic.ValidationError) as error:
        raise DataError(
            f"The evaluation cannot be read: {error}",
            where=str(path),
            fix="run the evaluation again",
        ) from error
