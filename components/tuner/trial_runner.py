"""Trains trials in this process."""

import functools
import logging
import pathlib
import time
from typing import Any, cast

import keras
import psutil

from clickwright.components.tuner.reporting_log import Pruned, Report, ReportingLog
from clickwright.components.tuner.sections import by_section
from clickwright.components.tuner.trial_job import TrialJob
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.components.tuner.trial_setting import TrialSetting
from clickwright.models import registry
from clickwright.models.item_tables import fill_item_tables
from clickwright.models.preprocessing import SAMPLE_WEIGHT
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.training.brief_training import train_briefly
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.data import MEMORY_SHARE, read_examples
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.placement import check_device
from clickwright.models.training.retrieval_data import read_retrieval_examples
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.retrieval_trainer import RetrievalTrainer
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_loop import TrainingLoop
from clickwright.models.training.training_params import TRAINING_PARAMS
from clickwright.models.training.work import check_batch_size
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import DataError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import SPLITS, FeatureSpec

logger = logging.getLogger(__name__)


class TrialRunner:
    """Trains as the Trainer would, with fewer epochs and rows, and keeps no model.

    Rows are read with the first trial, and stay.

    Args:
        setting: what all trials have in common.
        number: of this process, among those that share the machine.
    """

    def __init__(self, setting: TrialSetting, number: int = 0) -> None:
        self._setting = setting
        self._spec = FeatureSpec.model_validate_json(setting.spec)
        self._inputs = tuple(ModelInput.of(given) for given in setting.inputs)
        self._tables = {e: pathlib.Path(f) for e, f in setting.item_tables.items()}
        self._task = registry.entry(setting.model).task
        self._number = number
        self._rows: tuple[Any, Any] | None = None

    def run(self, job: TrialJob, report: Report) -> TrialOutcome:
        """Trains.

        Args:
            job: what to train.
            report: told the scores after each validation; False ends the trial.

        Raises:
            ClickwrightError: the rows cannot be learned from, a value is not valid, or
                a file cannot be written.
        """
        began = time.monotonic()
        values = by_section(job.values)
        given = {**self._setting.training, **values["training"]}
        params = strict_yaml.parse(TRAINING_PARAMS[self._task], given, "training")
        epochs = min(job.epochs, params.epochs)
        params = params.model_copy(update={"epochs": epochs, "seeds": 1})
        check_device(params)
        train, valid = self._rows = self._rows or self._read(params)
        check_batch_size(params, train.rows)
        objective = self._setting.objective
        log = ReportingLog(params, train.rows, job.title, objective, report)
        checkpoint = (
            Checkpoint(pathlib.Path(job.checkpoint)) if job.checkpoint else None
        )
        make = functools.partial(self._make, params, values["model"])
        ended = functools.partial(TrialOutcome, trial=job.trial, values=job.values)
        try:
            brief = train_briefly(make, params, train, valid, log, checkpoint)
        except Pruned:
            return ended(
                state="pruned",
                score=log.curve[-1],
                curve=log.curve,
                epochs=log.seen,
                seconds=time.monotonic() - began,
            )
        seconds = time.monotonic() - began
        if brief.kept is None:
            return ended(
                state="diverged", epochs=log.seen, seconds=seconds, message=brief.why
            )
        if not log.curve:
            raise DataError(
                f"The validation split gives no `{objective or 'value to compare'}`.",
                where=f"split `{SPLITS[1]}`",
                fix="give that split rows with a click and rows without, or compare "
                "something else by `tuner.objective`",
            )
        return ended(
            state="complete",
            score=log.curve[-1],
            curve=log.curve,
            epochs=brief.epochs,
            seconds=seconds,
        )

    def close(self) -> None:
        """Does nothing: there is no other process."""

    def _make(
        self, params: FitParams, values: dict[str, Any]
    ) -> TrainingLoop[Any, Any, Any]:
        name = self._setting.model
        given = {**self._setting.model_params, **values}
        model_params = registry.parse_params(name, given)
        model: keras.Model = registry.build(name, self._inputs, model_params)
        fill_item_tables(model, self._tables, self._setting.digests)
        if not isinstance(params, TrainingParams):
            return RetrievalTrainer(model, cast(RetrievalTrainingParams, params))
        return Trainer(model, params, registry.loss(name, model_params))

    def _read(self, params: FitParams) -> tuple[Any, Any]:
        """The rows of both splits."""
        files = [
            [pathlib.Path(file) for file in names]
            for names in (self._setting.train_files, self._setting.valid_files)
        ]
        if not isinstance(params, TrainingParams):
            inputs = RetrievalInputs.of(self._inputs)
            train, valid = (
                read_retrieval_examples(some, inputs, self._spec, split)
                for some, split in zip(files, SPLITS[:2], strict=True)
            )
            return train, valid
        folder = self._setting.rows_folder
        free = psutil.virtual_memory().available * MEMORY_SHARE
        read = functools.partial(
            read_examples,
            inputs=self._inputs,
            label=self._spec.label,
            weight=SAMPLE_WEIGHT if self._spec.weight else None,
            cache=params.cache,
            cache_directory=pathlib.Path(folder, str(self._number)) if folder else None,
            memory_limit=int(free / self._setting.processes),
        )
        limits = [n for n in (self._setting.max_rows, params.max_train_rows) if n]
        return (
            read(
                files[0],
                split=SPLITS[0],
                max_rows=min(limits, default=None),
                negative_sampling_rate=params.negative_sampling_rate,
            ),
            read(files[1], split=SPLITS[1]),
        )
