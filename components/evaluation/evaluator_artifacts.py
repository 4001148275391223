"""What evaluators read and write."""

import dataclasses
from typing import Self

from tfx import types
from tfx.types import artifact_utils

from clickwright.components.evaluation import spec as keys


@dataclasses.dataclass(frozen=True)
class EvaluatorArtifacts:
    """The artifacts of one evaluation.

    Attributes:
        examples: hold all splits.
        model: the model that is judged.
        baselines: the blessed model, or none.
        evaluation: where the results go.
        blessing: where the decision goes.
    """

    examples: types.Artifact
    model: types.Artifact
    baselines: list[types.Artifact]
    evaluation: types.Artifact
    blessing: types.Artifact

    @classmethod
    def of(
        cls,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
    ) -> Self:
        """The artifacts as TFX hands them to an executor."""
        one = artifact_utils.get_single_instance
        return cls(
            examples=one(input_dict[keys.EXAMPLES_KEY]),
            model=one(input_dict[keys.MODEL_KEY]),
            baselines=input_dict.get(keys.BASELINE_MODEL_KEY) or [],
            evaluation=one(output_dict[keys.EVALUATION_KEY]),
            blessing=one(output_dict[keys.BLESSING_KEY]),
        )
