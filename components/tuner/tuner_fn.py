"""The Tuner component's `tuner_fn`.

TFX takes it by its dotted path and reloads this module, so no class lives here.
"""

import pathlib
import tempfile
from typing import Any

import tensorflow as tf
from tfx.components.tuner.component import TunerFnResult

from clickwright.components.tuner.keras_space import from_keras, to_keras
from clickwright.components.tuner.objective import objective_of
from clickwright.components.tuner.oracles import make_oracle
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.sections import by_section
from clickwright.components.tuner.space import accepts, search_space
from clickwright.components.tuner.trial_runner import TrialRunner
from clickwright.components.tuner.trial_search import Runner, TrialSearch
from clickwright.components.tuner.trial_setting import TrialSetting
from clickwright.components.tuner.worker_process import WorkerProcess
from clickwright.models import registry
from clickwright.models.training.data import example_files
from clickwright.models.training.fingerprint import fingerprint
from clickwright.models.training.params import INDIFFERENT
from clickwright.models.training.placement import check_device
from clickwright.models.training.trainer_inputs import TrainerInputs
from clickwright.models.training.training_params import TRAINING_PARAMS
from clickwright.schemas import strict_yaml
from clickwright.schemas.spec import FeatureSpec


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """The search that the configuration describes.

    Args:
        fn_args: TFX's `FnArgs`. Of `custom_config`: `spec`, `model`, `training` and
            `checkpoint_dir` as `run_fn` takes them; `tuner`, fields of `TunerParams`;
            `hyperparameters`, what the Trainer will be given besides.

    Raises:
        ConfigError: a parameter is not valid, or plan or item tables are not there.
        DataError: a file is damaged.
    """
    config = fn_args.custom_config
    spec = FeatureSpec.model_validate_json(config["spec"])
    params = strict_yaml.parse(TunerParams, config["tuner"], "tuner")
    model, given = config["model"]["name"], config["model"].get("params") or {}
    task = registry.entry(model).task
    training = strict_yaml.parse(TRAINING_PARAMS[task], config["training"], "training")
    devices = check_device(training)
    space = search_space(model, given, config["training"], params)
    objective, direction = objective_of(params, training)
    epochs = min(params.epochs, training.epochs)
    graph = fn_args.transform_graph_path
    read = TrainerInputs.of(spec, graph, config.get("hyperparameters"))
    files = [
        example_files(patterns)
        for patterns in (fn_args.train_files, fn_args.eval_files)
    ]
    settings = {
        "spec": spec.model_dump(mode="json"),
        "model": registry.parse_params(model, given).model_dump(mode="json"),
        "name": model,
        "training": training.model_dump(mode="json", exclude=set(INDIFFERENT)),
        "tuner": params.model_dump(mode="json", exclude={"trials", "parallel"}),
        "inputs": [i.to_dict() for i in read.inputs],
        "item_tables": {entity: str(folder) for entity, folder in read.tables.items()},
    }
    kept = config.get("checkpoint_dir")
    if kept is None:
        # Not TFX's working folder: in a container that may be a bucket.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tuner-"))
    else:
        digest = fingerprint(settings, [*files[0], *files[1]], pathlib.Path(graph))
        folder = pathlib.Path(kept) / f"tuner-{digest}"
    setting = TrialSetting(
        model=model,
        model_params=given,
        training=config["training"],
        spec=config["spec"],
        inputs=tuple(i.to_dict() for i in read.inputs),
        item_tables={entity: str(path) for entity, path in read.tables.items()},
        digests=dict(read.digests),
        train_files=tuple(map(str, files[0])),
        valid_files=tuple(map(str, files[1])),
        max_rows=params.max_rows,
        objective=params.objective,
        rows_folder=str(folder / "rows"),
        processes=params.parallel,
    )
    runners: list[Runner]
    if params.parallel == 1:
        runners = [TrialRunner(setting)]
    else:
        gpus = len(tf.config.list_physical_devices("GPU")) if devices else 0
        runners = [WorkerProcess(setting, n, gpus) for n in range(params.parallel)]

    def accept(values: Any) -> bool:
        chosen = by_section(from_keras(space, values))
        return accepts(
            model,
            {**given, **chosen["model"]},
            {**config["training"], **chosen["training"]},
        )

    search = TrialSearch(
        make_oracle(
            params,
            to_keras(space),
            accept,
            direction=direction,
            seed=training.seed,
            epochs=epochs,
        ),
        space,
        params,
        runners,
        model=model,
        objective=objective,
        epochs=epochs,
        folder=folder,
    )
    return TunerFnResult(tuner=search, fit_kwargs={})
