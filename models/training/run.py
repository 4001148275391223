"""The Trainer component's `run_fn`.

TFX takes it by its dotted path and reloads this module, so no class lives here.
"""

import logging
import pathlib
import shutil
from typing import Any

import keras

from clickwright.models import registry
from clickwright.models.export_params import ExportParams
from clickwright.models.freeze_numeric import check_freezable
from clickwright.models.incremental.keep_state import keep_state
from clickwright.models.incremental.vocabularies import learned_vocabularies
from clickwright.models.incremental.warm_start import WarmStart
from clickwright.models.item_tables import fill_item_tables
from clickwright.models.training.data import example_files
from clickwright.models.training.data_span import read_data_span
from clickwright.models.training.fingerprint import fingerprint
from clickwright.models.training.params import INDIFFERENT, TrainingParams
from clickwright.models.training.placement import check_device
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.run_click import run_click
from clickwright.models.training.run_retrieval import run_retrieval
from clickwright.models.training.trainer_inputs import TrainerInputs
from clickwright.models.training.training_params import TRAINING_PARAMS
from clickwright.models.training.training_state import state_folder
from clickwright.models.training.tuned import with_tuned
from clickwright.models.training.work import Work
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE
from clickwright.schemas.spec import FeatureSpec

_WARM_SHARE = 0.1
"""Of the learning rate, in a warm start that names none."""

logger = logging.getLogger(__name__)


def run_fn(fn_args: Any) -> None:
    """Trains the model that the configuration names and exports the best epoch.

    How a model is trained and exported follows from its task: see `run_click` and
    `run_retrieval`.

    After each epoch, and now and then within one, the whole state is kept below
    `checkpoint_dir`, under a name that depends on spec, model, training parameters
    and data; so are rows that do not fit into memory. A run that was killed goes on
    from there; a successful one removes its state, since the exported model makes it
    worthless. With several seeds the one with the best validation is exported.

    Where Transform kept raw rows, the exported model holds requests of them: golden
    ones with their answers, and those that warm a server up.

    Beside `training_log.jsonl` stands `training_summary.json`: every seed's records,
    and mean and deviation of the best epochs' validation metrics; and, where the
    model embeds numeric fields, `numeric_fields.keras`, what embeds them, and
    `freeze_report.json`, where they are frozen. Beside the exported model stands its
    training state, which a later run goes on from: given as `base_model`, its weights,
    grown with the vocabularies, are what training starts with.

    Args:
        fn_args: TFX's `FnArgs`. Of `custom_config`:

            * `spec`: the feature spec as JSON;
            * `model`: `{"name": ..., "params": {...}}`;
            * `training`: fields of `TrainingParams`, or of `RetrievalTrainingParams`
              where the model is for retrieval;
            * `checkpoint_dir`: folder of checkpoints, or null for none;
            * `export`: fields of `ExportParams`; absent for none;
            * `incremental`: fields of `Incremental`, how training goes on from
              `base_model`; absent for its defaults.

            The plan of the numeric features is the one that `hyperparameters` hold
            as `discretization_plan`, else the one beside the transform graph. The
            item tables are those of `hyperparameters`' `item_tables`, `{entity:
            folder}`; they fill the model's frozen tables. What their `tuned` says of
            model and training comes before `custom_config`.

    Raises:
        ConfigError: model or training parameters are not valid, the plan is not
            there or of another spec, an item table is not there or of another
            vocabulary, `base_model` is another model, the device asked for is not
            there, a batch is larger than the training split, or training diverged.
        DataError: a split cannot be learned from, or a file is damaged.
        MachineError: checkpoint or model cannot be written.
    """
    hyperparameters = getattr(fn_args, "hyperparameters", None)
    config = with_tuned(fn_args.custom_config, hyperparameters)
    spec = FeatureSpec.model_validate_json(config["spec"])
    name = config["model"]["name"]
    task = registry.entry(name).task
    params = strict_yaml.parse(TRAINING_PARAMS[task], config["training"], "training")
    check_device(params)
    model_params = registry.parse_params(name, config["model"].get("params") or {})
    read = TrainerInputs.of(spec, fn_args.transform_graph_path, hyperparameters)

    export_params = strict_yaml.parse(
        ExportParams, config.get("export") or {}, "export"
    )
    if export_params.freeze_numeric is not None:
        check_freezable(read.inputs)

    vocabularies = learned_vocabularies(spec, read.transform, read.tables)
    start: WarmStart | None = None
    going_on: Incremental | None = None
    if getattr(fn_args, "base_model", None):
        going_on = strict_yaml.parse(
            Incremental, config.get("incremental") or {}, "incremental"
        )
        start = WarmStart.of(
            state_folder(fn_args.base_model),
            going_on,
            name=name,
            params=model_params,
            spec=spec,
            plan=read.plan,
            vocabularies=vocabularies,
            inputs=read.inputs,
        )
        if going_on.distillation.weight and task != "click":
            raise ConfigError(
                f"Distillation is for click models; `{name}` is for {task}.",
                where="incremental.distillation",
                fix="leave out `distillation`",
            )
        update: dict[str, Any] = {
            "learning_rate": going_on.learning_rate
            or _WARM_SHARE * params.learning_rate
        }
        if going_on.epochs is not None:
            update["epochs"] = going_on.epochs
        params = params.model_copy(update=update)

    train_files = example_files(fn_args.train_files)
    valid_files = example_files(fn_args.eval_files)
    settings = {
        "spec": spec.model_dump(mode="json"),
        "model": {"name": name, "params": model_params.model_dump(mode="json")},
        "training": params.model_dump(mode="json", exclude=set(INDIFFERENT)),
        "inputs": [i.to_dict() for i in read.inputs],
        "item_tables": {entity: str(folder) for entity, folder in read.tables.items()},
        "parent": start.parent.state_sha256 if start else None,
        "incremental": going_on.model_dump(mode="json") if going_on else None,
    }
    state: pathlib.Path | None = None
    if config.get("checkpoint_dir") is not None:
        files = [*train_files, *valid_files]
        graph = pathlib.Path(fn_args.transform_graph_path)
        state = pathlib.Path(config["checkpoint_dir"]) / fingerprint(
            settings, files, graph
        )

    def build() -> keras.Model:
        model = registry.build(name, read.inputs, model_params)
        fill_item_tables(model, read.tables, read.digests)
        return model

    # Transform graphs of older versions have none.
    golden_rows = pathlib.Path(fn_args.transform_graph_path) / GOLDEN_ROWS_FILE
    work = Work(
        name=name,
        spec=spec,
        inputs=read.inputs,
        transform=read.transform,
        build=build,
        train_files=train_files,
        valid_files=valid_files,
        state=state,
        log_directory=pathlib.Path(fn_args.model_run_dir),
        serving_directory=pathlib.Path(fn_args.serving_model_dir),
        golden_rows=golden_rows if golden_rows.is_file() else None,
        start=start,
    )
    if isinstance(params, TrainingParams):
        loss = registry.loss(name, model_params)
        runs, rows = run_click(work, params, loss, read.plan, export_params)
    elif isinstance(params, RetrievalTrainingParams):
        runs, rows = run_retrieval(work, params, export_params)
    else:
        raise TypeError(f"Nothing trains by `{type(params).__name__}`.")
    keep_state(
        state_folder(fn_args.serving_model_dir),
        runs.model,
        runs.optimizer,
        name=name,
        params=model_params,
        training=params,
        spec=spec,
        plan=read.plan,
        vocabularies=vocabularies,
        rows=rows,
        span=read_data_span(pathlib.Path(fn_args.transform_graph_path)),
        start=start,
    )
    if state is not None:
        shutil.rmtree(state, ignore_errors=True)
