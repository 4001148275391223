"""Trains the configured model with the encoders of a trial."""

import gc
import logging
import math
from collections.abc import Callable, Sequence

import keras

from clickwright.components.encoder_search.trial import (
    Assignment,
    Trial,
    TrialResult,
)
from clickwright.models import registry
from clickwright.models.params import ModelParams
from clickwright.models.training.examples import Examples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.placement import placement
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

logger = logging.getLogger(__name__)


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
        # The models of earlier trials; else memory grows from trial to trial.
        keras.utils.clear_session()
        gc.collect()
        with placement(params):
            keras.utils.set_random_seed(trial.seed)
            inputs = self._inputs(trial.encoders)
            model = registry.build(self._model, inputs, self._model_params)
            loss = registry.loss(self._model, self._model_params)
            trainer = Trainer(model, params, loss)
            log = TrainingLog(None, params, self._train.rows, title)
            try:
                records = trainer.train(self._train, self._valid, log=log)
            except ConfigError as error:
                logger.warning("%s diverged: %s", trial, error)
                return TrialResult(math.inf, trial.epochs)
        plateau = Plateau(params)
        for record in records:
            plateau.update(record)
        kept = plateau.best_epoch or records[0]
        logloss = math.inf if kept.valid_logloss is None else kept.valid_logloss
        return TrialResult(logloss, len(records))
