"""A training that is made to compare, and keeps no model."""

import dataclasses
import gc
import logging
from collections.abc import Callable
from typing import Any

import keras

from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.placement import placement
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.training_log import TrainingLog
from clickwright.models.training.training_loop import TrainingLoop
from clickwright.schemas.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class BriefTraining:
    """What came of a training.

    Attributes:
        kept: the epoch whose weights it would leave; None where it diverged.
        epochs: epochs trained; those that the parameters allow where it diverged.
        why: what the divergence was; empty without one.
    """

    kept: EpochRecord | None
    epochs: int
    why: str = ""


def train_briefly(
    make: Callable[[], TrainingLoop[Any, Any, Any]],
    params: FitParams,
    train: Any,
    valid: Any,
    log: TrainingLog,
    checkpoint: Checkpoint | None = None,
) -> BriefTraining:
    """Trains with the first seed, and frees what earlier trainings left in memory.

    Args:
        make: builds the model and its trainer; finds seed, device, strategy and
            precision set.
        params: how to train.
        train: rows to learn from.
        valid: rows that decide.
        log: told about steps and epochs.
        checkpoint: where the state is kept; None for nowhere.

    Raises:
        ConfigError: the device asked for is not there, or the model cannot be built.
        DataError: the rows cannot be learned from.
        MachineError: the state cannot be written.
    """
    # The models of earlier trainings; else memory grows from one to the next.
    keras.utils.clear_session()
    gc.collect()
    with placement(params):
        keras.utils.set_random_seed(params.seed)
        trainer = make()
        try:
            records = trainer.train(train, valid, checkpoint=checkpoint, log=log)
        except ConfigError as error:
            logger.warning("diverged: %s", error)
            return BriefTraining(None, params.epochs, str(error))
    plateau = Plateau(params)
    for record in records:
        plateau.update(record)
    return BriefTraining(plateau.best_epoch or records[0], len(records))
