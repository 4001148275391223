"""The Trainer component's `run_fn`.

TFX takes it by its dotted path and reloads this module, so no class lives here.
"""

import logging
import pathlib
import shutil
from typing import Any

import keras
import tensorflow_transform as tft

from clickwright.models import registry
from clickwright.models.export_params import ExportParams
from clickwright.models.freeze_numeric import check_freezable
from clickwright.models.item_tables import fill_item_tables
from clickwright.models.item_vocabulary import vocabulary_values
from clickwright.models.training.data import example_files
from clickwright.models.training.fingerprint import fingerprint
from clickwright.models.training.params import INDIFFERENT, TrainingParams
from clickwright.models.training.placement import check_device
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.training.run_click import run_click
from clickwright.models.training.run_retrieval import run_retrieval
from clickwright.models.training.training_params import TRAINING_PARAMS
from clickwright.models.training.work import Work
from clickwright.schemas import strict_yaml
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.item_table import ItemTable, vocabulary_digest
from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE
from clickwright.schemas.spec import FeatureSpec, LearnedVocabulary

HYPERPARAMETER = "discretization_plan"
"""Key of the Trainer's hyperparameters that holds a plan, as a dict."""
ITEM_TABLES = "item_tables"
"""Key of the Trainer's hyperparameters that holds item tables: a folder an entity."""

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
    `freeze_report.json`, where they are frozen.

    Args:
        fn_args: TFX's `FnArgs`. Of `custom_config`:

            * `spec`: the feature spec as JSON;
            * `model`: `{"name": ..., "params": {...}}`;
            * `training`: fields of `TrainingParams`, or of `RetrievalTrainingParams`
              where the model is for retrieval;
            * `checkpoint_dir`: folder of checkpoints, or null for none;
            * `export`: fields of `ExportParams`; absent for none.

            The plan of the numeric features is the one that `hyperparameters` hold
            as `discretization_plan`, else the one beside the transform graph. The
            item tables are those of `hyperparameters`' `item_tables`, `{entity:
            folder}`; they fill the model's frozen tables.

    Raises:
        ConfigError: model or training parameters are not valid, the plan is not
            there or of another spec, an item table is not there or of another
            vocabulary, the device asked for is not there, a batch is larger than the
            training split, or training diverged.
        DataError: a split cannot be learned from, or a file is damaged.
        MachineError: checkpoint or model cannot be written.
    """
    config = fn_args.custom_config
    spec = FeatureSpec.model_validate_json(config["spec"])
    name = config["model"]["name"]
    task = registry.entry(name).task
    params = strict_yaml.parse(TRAINING_PARAMS[task], config["training"], "training")
    check_device(params)
    model_params = registry.parse_params(name, config["model"].get("params") or {})
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    plan = _plan(spec, fn_args)
    tables = _item_tables(spec, fn_args)
    sizes = vocabulary_sizes(spec, transform)
    for folder in tables.values():
        attributes = ItemTable.read(folder).attributes
        sizes |= {name: column.values for name, column in attributes.items()}
    inputs = spec.model_inputs(sizes, plan.encodings() if plan else None)

    export_params = strict_yaml.parse(
        ExportParams, config.get("export") or {}, "export"
    )
    if export_params.freeze_numeric is not None:
        check_freezable(inputs)

    train_files = example_files(fn_args.train_files)
    valid_files = example_files(fn_args.eval_files)
    settings = {
        "spec": spec.model_dump(mode="json"),
        "model": {"name": name, "params": model_params.model_dump(mode="json")},
        "training": params.model_dump(mode="json", exclude=set(INDIFFERENT)),
        "inputs": [i.to_dict() for i in inputs],
        "item_tables": {entity: str(folder) for entity, folder in tables.items()},
    }
    state: pathlib.Path | None = None
    if config.get("checkpoint_dir") is not None:
        files = [*train_files, *valid_files]
        graph = pathlib.Path(fn_args.transform_graph_path)
        state = pathlib.Path(config["checkpoint_dir"]) / fingerprint(
            settings, files, graph
        )
    digests = {
        entity: vocabulary_digest(vocabulary_values(spec, transform, entity))
        for entity in tables
    }

    def build() -> keras.Model:
        model = registry.build(name, inputs, model_params)
        fill_item_tables(model, tables, digests)
        return model

    # Transform graphs of older versions have none.
    golden_rows = pathlib.Path(fn_args.transform_graph_path) / GOLDEN_ROWS_FILE
    work = Work(
        name=name,
        spec=spec,
        inputs=inputs,
        transform=transform,
        build=build,
        train_files=train_files,
        valid_files=valid_files,
        state=state,
        log_directory=pathlib.Path(fn_args.model_run_dir),
        serving_directory=pathlib.Path(fn_args.serving_model_dir),
        golden_rows=golden_rows if golden_rows.is_file() else None,
    )
    if isinstance(params, TrainingParams):
        loss = registry.loss(name, model_params)
        run_click(work, params, loss, plan, export_params)
    elif isinstance(params, RetrievalTrainingParams):
        run_retrieval(work, params, export_params)
    if state is not None:
        shutil.rmtree(state, ignore_errors=True)


def vocabulary_sizes(
    spec: FeatureSpec, transform: tft.TFTransformOutput
) -> dict[str, int]:
    """Values in each vocabulary that Transform learned, by feature."""
    return {
        name: transform.vocabulary_size_by_name(name)
        for name, feature in spec.vocabulary_features().items()
        if isinstance(feature.vocabulary, LearnedVocabulary)
    }


def _item_tables(spec: FeatureSpec, fn_args: Any) -> dict[str, pathlib.Path]:
    """The folder of each entity's item table."""
    given = (getattr(fn_args, "hyperparameters", None) or {}).get(ITEM_TABLES, {})
    for entity in spec.item_entities():
        if entity not in given:
            raise ConfigError(
                f"The spec has item features of `{entity}`, and there is no item table.",
                where=f"hyperparameters, `{ITEM_TABLES}`",
                fix=f"give the folder that ItemTableGen wrote for `{entity}`",
            )
    return {entity: pathlib.Path(given[entity]) for entity in spec.item_entities()}


def _plan(spec: FeatureSpec, fn_args: Any) -> DiscretizationPlan | None:
    """The plan of the spec's numeric features; None where it has none."""
    if not spec.numeric_features():
        return None
    given = (getattr(fn_args, "hyperparameters", None) or {}).get(HYPERPARAMETER)
    if given is None:
        plan = DiscretizationPlan.read(pathlib.Path(fn_args.transform_graph_path))
    else:
        plan = DiscretizationPlan.model_validate(given, strict=False)
    plan.check(spec)
    return plan
