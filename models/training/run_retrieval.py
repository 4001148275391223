"""Trains and exports a retrieval model."""

from clickwright.models.export_params import ExportParams
from clickwright.models.export_retrieval import export_retrieval
from clickwright.models.item_vocabulary import vocabulary_values
from clickwright.models.request_rows import RequestRows
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.retrieval_requests import write_retrieval_requests
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.repeat import Fitted, SeedRuns, repeat
from clickwright.models.training.retrieval_data import read_retrieval_examples
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.retrieval_trainer import RetrievalTrainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.models.training.work import Work, check_batch_size


def run_retrieval(
    work: Work, params: RetrievalTrainingParams, export_params: ExportParams
) -> tuple[SeedRuns, int]:
    """Trains the model on what users took, and exports how it finds items.

    Args:
        work: what to do; `build` makes retrieval models.
        params: how to train.
        export_params: which requests go with the model.

    Returns:
        The trainings, and the rows of the training split.
    """
    inputs = RetrievalInputs.of(work.inputs)
    # Before any work: without values there is nothing that could be recommended.
    values = vocabulary_values(work.spec, work.transform, inputs.item.name)
    train, valid = (
        read_retrieval_examples(files, inputs, work.spec, split)
        for files, split in ((work.train_files, "train"), (work.valid_files, "valid"))
    )
    check_batch_size(params, train.rows)

    def fit(
        own: RetrievalTrainingParams, checkpoint: Checkpoint | None, log: TrainingLog
    ) -> Fitted:
        trainer = RetrievalTrainer(work.build(), own)
        if work.start is not None:
            trainer.start_from(work.start)
        records = trainer.train(train, valid, checkpoint, log)
        return Fitted(trainer.model, records, {}, trainer.optimizer_state())

    runs = repeat(
        fit,
        params,
        train.rows,
        checkpoints=work.state,
        log_directory=work.log_directory,
    )
    export_retrieval(
        runs.model,
        work.transform,
        work.spec,
        inputs,
        values,
        work.serving_directory,
    )
    if work.golden_rows is not None:
        write_retrieval_requests(
            runs.model,
            work.transform,
            work.spec,
            inputs,
            values,
            work.serving_directory,
            RequestRows.read(
                work.golden_rows, export_params.golden_rows, export_params.batch_sizes
            ),
        )
    return runs, train.rows
