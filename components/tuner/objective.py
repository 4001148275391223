"""What trials are compared by."""

from typing import Literal

from clickwright.components.tuner.params import TunerParams
from clickwright.models.metrics.ranking_metrics import NAMES
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.schemas.errors import ConfigError, did_you_mean


def objective_of(
    params: TunerParams, training: FitParams, where: str = "tuner"
) -> tuple[str, Literal["max", "min"]]:
    """Name and direction of the objective.

    Args:
        params: the search's parameters.
        training: the training's, which say what is monitored and measured.
        where: names the section in messages.

    Raises:
        ConfigError: the training does not measure it.
    """
    known: tuple[str, ...] = ("auc", "logloss")
    monitor = "objective"
    if isinstance(training, TrainingParams | RetrievalTrainingParams):
        monitor = training.monitor
    if isinstance(training, RetrievalTrainingParams):
        known = tuple(f"{n}@{k}" for n in NAMES for k in training.measured_cutoffs)
    name = params.objective
    if name is None:
        return monitor, "max"
    if name not in known:
        raise ConfigError(
            f"The validation does not measure `{name}`.{did_you_mean(name, known)}",
            where=f"{where}.objective",
            fix=f"use one of {', '.join(known)}, or leave it out for `{monitor}`",
        )
    return name, "min" if name == "logloss" else "max"
