"""Trains the configured model with the encoders of a trial."""

import math
from collections.abc import Callable, Sequence

from clickwright.components.encoder_search.trial import (
    Assignment,
    Trial,
    TrialResult,
)
from clickwright.models import registry
from clickwright.models.params import ModelParams
from clickwright.models.training.brief_training import train_briefly
from clickwright.models.training.examples import Examples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.model_input import ModelInput


class TrialTrainer:
    """Trains as the Trainer would, with fewer epochs and rows, and keeps no model.

    Args:
        model: name of a registered model.
        model_params: its parameters.
        params: how to train; seed and epochs are the trial's.
        inputs: the model's inputs with the encoders of an assignment.
        train: rows to learn from.
        valid: rows that decide.
    """

    def __init__(
        self,
        model: str,
        model_params: ModelParams,
        params: TrainingParams,
        inputs: Callable[[Assignment], Sequence[ModelInput]],
        train: Examples,
        valid: Examples,
    ) -> None:
        self._model = model
        self._model_params = model_params
        self._params = params
        self._inputs = inputs
        self._train = train
        self._valid = valid

    def __call__(self, trial: Trial, title: str = "") -> TrialResult:
        """Trains; a training that diverges has an infinite loss.

        Args:
            trial: what to train.
            title: stands before the epoch in progress messages.

        Raises:
            ConfigError: the device asked for is not there.
            DataError: the rows cannot be learned from.
        """
        params = self._params.model_copy(
            update={"seed": trial.seed, "seeds": 1, "epochs": trial.epochs}
        )

        def make() -> Trainer:
            inputs = self._inputs(trial.encoders)
            model = registry.build(self._model, inputs, self._model_params)
            return Trainer(
                model, params, registry.loss(self._model, self._model_params)
            )

        log = TrainingLog(None, params, self._train.rows, title)
        brief = train_briefly(make, params, self._train, self._valid, log)
        if brief.kept is None or brief.kept.valid_logloss is None:
            return TrialResult(math.inf, brief.epochs)
        return TrialResult(brief.kept.valid_logloss, brief.epochs)
