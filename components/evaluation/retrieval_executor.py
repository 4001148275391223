"""The work of the evaluator of retrieval models."""

import logging
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor

from clickwright.components.evaluation import spec as keys
from clickwright.components.evaluation.evaluator_artifacts import EvaluatorArtifacts
from clickwright.components.evaluation.executor import (
    DECIDING,
    SPLITS,
    bless,
    saved_model,
)
from clickwright.components.evaluation.found_items import FoundItems
from clickwright.components.evaluation.result import EvaluationResult, SplitResult
from clickwright.components.evaluation.retrieval_thresholds import RetrievalThresholds
from clickwright.components.split_files import split_files
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

progress = logging.getLogger("clickwright.progress")


class RetrievalExecutor(base_executor.BaseExecutor):
    """Measures what a model finds, compares it with the blessed one, and decides."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the model on the splits `valid` and `test`.

        Args:
            input_dict: as of the evaluator of click models.
            output_dict: likewise.
            exec_properties: as in `ModelEvaluatorSpec`; no ablations.

        Raises:
            DataError: the examples do not fit the spec or the model, are damaged, or a
                split holds nothing to find.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        spec = FeatureSpec.model_validate_json(exec_properties[keys.FEATURE_SPEC_KEY])
        thresholds = RetrievalThresholds.model_validate_json(
            exec_properties[keys.THRESHOLDS_KEY]
        )
        a = EvaluatorArtifacts.of(input_dict, output_dict)

        files = {split: split_files(a.examples, split) for split in SPLITS}
        found = FoundItems(saved_model(a.model))
        splits = {
            split: found.measure(files[split], spec, thresholds.cutoffs)
            for split in SPLITS
        }
        baseline: dict[str, float] | None = None
        problem: str | None = None
        if a.baselines:
            try:
                champion = FoundItems(saved_model(a.baselines[0]))
                baseline = champion.measure(files[DECIDING], spec, thresholds.cutoffs)
            except DataError as error:
                problem = error.what
        broken = thresholds.failures(splits[DECIDING], baseline, DECIDING)
        if not thresholds.rules():
            broken += ("no threshold is configured, so nothing can be blessed",)
        if problem is not None and thresholds.compares:
            broken += (f"the comparison with the blessed model fails: {problem}",)
        result = EvaluationResult(
            {n: SplitResult(m, (), ()) for n, m in splits.items()},
            not broken,
            broken,
            baseline,
            problem,
        )
        result.write(a.evaluation.uri)
        bless(a.blessing, a.model, a.baselines, result.blessed)
        progress.info(
            "evaluated",
            extra={
                "rows": int(sum(metrics["rows"] for metrics in splits.values())),
                "detail": f"test ndcg@10 {splits[DECIDING]['ndcg@10']:.4f}, "
                + ("blessed" if result.blessed else "not blessed"),
            },
        )
