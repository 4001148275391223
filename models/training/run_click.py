"""Trains and exports a click model."""

import functools

from clickwright.models import registry
from clickwright.models.click_requests import write_click_requests
from clickwright.models.export import export
from clickwright.models.export_params import ExportParams
from clickwright.models.freeze_numeric import freeze_numeric, scaled_ranges
from clickwright.models.losses.loss import Loss
from clickwright.models.preprocessing import SAMPLE_WEIGHT
from clickwright.models.request_rows import RequestRows
from clickwright.models.training.data import read_examples
from clickwright.models.training.numeric_fields import write_numeric_fields
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.repeat import SeedRuns, train_seeds
from clickwright.models.training.work import Work, check_batch_size
from clickwright.schemas.discretization_plan import DiscretizationPlan


def run_click(
    work: Work,
    params: TrainingParams,
    loss: Loss,
    plan: DiscretizationPlan | None,
    export_params: ExportParams,
) -> tuple[SeedRuns, int]:
    """Trains the model on the rows' labels, and exports its probability.

    Args:
        work: what to do.
        params: how to train.
        loss: the model's.
        plan: of the numeric features; None where there are none.
        export_params: what is done to the model before it is exported.

    Returns:
        The trainings, and the rows of the training split.
    """
    read = functools.partial(
        read_examples,
        inputs=work.inputs,
        label=work.spec.label,
        weight=SAMPLE_WEIGHT if work.spec.weight else None,
        cache=params.cache,
        cache_directory=work.state / "rows" if work.state else None,
    )
    train = read(
        work.train_files,
        split="train",
        max_rows=params.max_train_rows,
        negative_sampling_rate=params.negative_sampling_rate,
    )
    check_batch_size(params, train.rows)
    valid = read(work.valid_files, split="valid")
    runs = train_seeds(
        work.build,
        params,
        train,
        valid,
        loss=loss,
        checkpoints=work.state,
        log_directory=work.log_directory,
        start=work.start,
    )
    model = runs.model
    write_numeric_fields(model, work.log_directory)
    freeze = export_params.freeze_numeric
    if plan is not None and freeze is not None:
        model, report = freeze_numeric(model, scaled_ranges(plan), freeze.max_error)
        report.write(work.log_directory)
    export(
        registry.fold(work.name, model),
        work.transform,
        work.spec,
        work.serving_directory,
        params.negative_sampling_rate,
        plan,
    )
    if work.golden_rows is not None:
        write_click_requests(
            model,
            work.transform,
            work.spec,
            work.serving_directory,
            RequestRows.read(
                work.golden_rows, export_params.golden_rows, export_params.batch_sizes
            ),
            params.negative_sampling_rate,
            health=plan is not None and bool(plan.fields),
        )
    return runs, train.rows
