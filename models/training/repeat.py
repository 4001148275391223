"""Several trainings that differ in their seed alone."""

import dataclasses
import json
import logging
import pathlib
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras

from clickwright.models.incremental.warm_start import WarmStart
from clickwright.models.losses.loss import Loss
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.examples import Examples
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.optimizer_state import OptimizerState
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.placement import placement
from clickwright.models.training.plateau import Plateau
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_log import LOG_FILE_NAME, TrainingLog

SUMMARY_FILE_NAME = "training_summary.json"

logger = logging.getLogger(__name__)


P = TypeVar("P", bound=FitParams)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        model: it, with the weights of its best epoch.
        records: what is known of each epoch.
        measured: further metrics.
        optimizer: what the optimizer knows after that epoch.
    """

    model: keras.Model
    records: tuple[EpochRecord, ...]
    measured: Mapping[str, float]
    optimizer: OptimizerState


@dataclasses.dataclass(frozen=True)
class SeedRun:
    """One of the trainings.

    Attributes:
        seed: its seed.
        records: what is known of each epoch.
        best_epoch: number of the epoch whose weights it left.
        metrics: what the validation split said of that epoch, such as `valid_auc`, and
            what was measured beside.
    """

    seed: int
    records: tuple[EpochRecord, ...]
    best_epoch: int
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class SeedRuns:
    """All trainings.

    Attributes:
        runs: one a seed.
        best: the one with the best validation.
        model: its model, with the best epoch's weights.
        optimizer: what its optimizer knew after that epoch.
    """

    runs: tuple[SeedRun, ...]
    best: SeedRun
    model: keras.Model
    optimizer: OptimizerState

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the seeds."""
        return {name: statistics.fmean(values) for name, values in self._columns()}

    @property
    def deviation(self) -> dict[str, float | None]:
        """Sample standard deviation of each metric; None with a single seed."""
        return {
            name: statistics.stdev(values) if len(values) > 1 else None
            for name, values in self._columns()
        }

    def summary(self) -> dict[str, Any]:
        """All of it but the model, ready for JSON."""
        return {
            "exported_seed": self.best.seed,
            "mean": self.mean,
            "deviation": self.deviation,
            "seeds": [
                {
                    "seed": run.seed,
                    "best_epoch": run.best_epoch,
                    "metrics": dict(run.metrics),
                    "records": [record.model_dump() for record in run.records],
                }
                for run in self.runs
            ],
        }

    def _columns(self) -> Sequence[tuple[str, list[float]]]:
        return [
            (name, [run.metrics[name] for run in self.runs])
            for name in self.best.metrics
        ]


def train_seeds(
    build: Callable[[], keras.Model],
    params: TrainingParams,
    train: Examples,
    valid: Examples,
    *,
    loss: Loss | None = None,
    checkpoints: pathlib.Path | None = None,
    log_directory: pathlib.Path | None = None,
    measure: Callable[[Trainer], Mapping[str, float]] | None = None,
    start: WarmStart | None = None,
) -> SeedRuns:
    """Trains `params.seeds` models, with `params.seed`, `params.seed` + 1 ...

    Call it again with the same `checkpoints` after a kill: finished seeds are read
    back, the one that was cut off goes on. Device, strategy and precision of the
    parameters are set for every build and training.

    Args:
        build: makes a fresh model.
        params: how to train.
        train: rows to learn from.
        valid: rows that decide.
        loss: of labels, logits and weights; cross-entropy when None.
        checkpoints: folder of the states, one folder a seed; None for none.
        log_directory: folder of `training_log.jsonl` (of the best seed),
            `training_summary.json` and TensorBoard's events; with several seeds each
            has a folder of its own in it. None for none.
        measure: further metrics of a trained model, such as those of a test split.
        start: what each of them goes on from; None to start from scratch.

    Raises:
        ConfigError: the device asked for is not there, a loss is not finite, or
            `start` is of another model.
        DataError: an input holds infinite values or NaN, or a state belongs to
            another model.
        MachineError: a state cannot be written.
    """

    def fit(
        own: TrainingParams, checkpoint: Checkpoint | None, log: TrainingLog
    ) -> Fitted:
        distillation = start.distillation(build) if start else None
        trainer = Trainer(build(), own, loss, distillation)
        if start is not None:
            trainer.start_from(start)
        records = trainer.train(train, valid, checkpoint, log)
        measured = measure(trainer) if measure else {}
        return Fitted(trainer.model, records, measured, trainer.optimizer_state())

    runs = repeat(
        fit, params, train.rows, checkpoints=checkpoints, log_directory=log_directory
    )
    return dataclasses.replace(runs, model=_plain(runs.model, build, params))


def repeat(
    fit: Callable[[P, Checkpoint | None, TrainingLog], Fitted],
    params: P,
    rows: int,
    *,
    checkpoints: pathlib.Path | None = None,
    log_directory: pathlib.Path | None = None,
) -> SeedRuns:
    """Calls `fit` for `params.seed`, `params.seed` + 1 ..., `params.seeds` times.

    Args:
        fit: trains a model with these parameters, kept and logged there, and finds
            seed, device, strategy and precision set.
        params: how to train.
        rows: rows of the training split.
        checkpoints: see `train_seeds`.
        log_directory: see `train_seeds`.
    """
    runs: list[SeedRun] = []
    best: tuple[float, SeedRun, Fitted] | None = None
    for n in range(params.seeds):
        own = params.model_copy(update={"seed": params.seed + n, "seeds": 1})
        folder = f"seed-{own.seed}"
        checkpoint = Checkpoint(checkpoints / folder) if checkpoints else None
        logs, title = log_directory, ""
        if params.seeds > 1:
            logs = log_directory / folder if log_directory else None
            title = f"seed {n + 1}/{params.seeds}"
        with placement(own):
            keras.utils.set_random_seed(own.seed)
            fitted = fit(own, checkpoint, TrainingLog(logs, own, rows, title))
        run, value = _run(own, fitted)
        logger.info("seed %d, epoch %d: %s", run.seed, run.best_epoch, run.metrics)
        runs.append(run)
        if best is None or value > best[0]:
            best = value, run, fitted
    if best is None:
        raise ValueError(f"`seeds` must be 1 or more. Received: {params.seeds}")
    _, chosen, fitted = best
    result = SeedRuns(tuple(runs), chosen, fitted.model, fitted.optimizer)
    if log_directory is not None:
        if params.seeds > 1:
            log_file = log_directory / f"seed-{chosen.seed}" / LOG_FILE_NAME
            shutil.copyfile(log_file, log_directory / LOG_FILE_NAME)
        summary = json.dumps(result.summary(), indent=2) + "\n"
        (log_directory / SUMMARY_FILE_NAME).write_text(summary)
    return result


def _plain(
    model: keras.Model, build: Callable[[], keras.Model], params: TrainingParams
) -> keras.Model:
    """The model outside its strategy, whose variables cannot be exported."""
    if params.strategy == "none":
        return model
    with placement(params.model_copy(update={"strategy": "none"})):
        plain = build()
    for variable, trained in zip(plain.variables, model.variables, strict=True):
        variable.assign(trained.numpy())
    return plain


def _run(params: FitParams, fitted: Fitted) -> tuple[SeedRun, float]:
    """The run, and its value of the monitor."""
    plateau = Plateau(params)
    for record in fitted.records:
        plateau.update(record)
    chosen = plateau.best_epoch or fitted.records[0]
    metrics = {**chosen.metrics, **fitted.measured}
    run = SeedRun(params.seed, fitted.records, chosen.epoch, metrics)
    return run, plateau.best
