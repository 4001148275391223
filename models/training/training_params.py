"""The training parameters of each task."""

from collections.abc import Mapping

from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.retrieval_params import RetrievalTrainingParams

TRAINING_PARAMS: Mapping[str, type[FitParams]] = {
    "click": TrainingParams,
    "retrieval": RetrievalTrainingParams,
}
"""By the `task` of a model's registry entry."""
