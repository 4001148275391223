"""Trains one trial and measures it on the test split."""

import gc
import math
import statistics

import keras

from clickwright.models import registry
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.metrics.log_loss import log_loss
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.placement import placement
from clickwright.models.training.trainer import Trainer
from clickwright.pipeline.bench.board_data import BoardData
from clickwright.pipeline.bench.machine import peak_memory, start_peak, this_machine
from clickwright.pipeline.bench.records import CurvePoint, TrialResult
from clickwright.pipeline.bench.trial import Trial


def train(trial: Trial, data: BoardData, checkpoint: Checkpoint) -> TrialResult:
    """Trains as published, from the checkpoint on where there is one.

    Raises:
        ConfigError: the training diverged.
        MachineError: the checkpoint cannot be written.
    """
    rows = data.rows(trial.min_count)
    keras.backend.clear_session()
    gc.collect()
    start_peak()
    with placement(trial.training):
        keras.utils.set_random_seed(trial.seed)
        trainer = Trainer(
            registry.build(trial.model, rows.inputs, trial.params),
            trial.training,
            registry.loss(trial.model, trial.params),
        )
        records = trainer.train(rows.train, rows.valid, checkpoint)
        labels, probabilities, weights = trainer.predict(rows.test)
    shapes = [tuple(v.shape) for v in trainer.model.trainable_variables]
    curve = tuple(
        CurvePoint.model_validate(
            {name: getattr(record, name) for name in CurvePoint.model_fields}
        )
        for record in records
    )
    return TrialResult(
        key=trial.key,
        seed=trial.seed,
        digest=trial.digest,
        model=trial.model,
        params=trial.params.model_dump(mode="json"),
        training=trial.training.model_dump(mode="json"),
        min_count=trial.min_count,
        train_file=data.train_file,
        table_rows=rows.table_rows,
        row_width=sum(math.prod(s[1:]) for s in shapes if s[0] == rows.table_rows),
        parameters=sum(math.prod(shape) for shape in shapes),
        test_auc=area_under_roc(labels, probabilities, weights),
        test_logloss=log_loss(labels, probabilities, weights),
        examples_per_second=statistics.median(
            point.examples_per_second or 0.0 for point in curve
        ),
        seconds=curve[-1].seconds,
        peak_memory_bytes=peak_memory(),
        curve=curve,
        machine=this_machine(),
    )
