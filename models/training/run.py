"""The Trainer component's `run_fn`.

TFX takes it by its dotted path and reloads this module, so no class lives here.
"""

import functools
import logging
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow_transform as tft

from clickwright.models import registry
from clickwright.models.export import export
from clickwright.models.preprocessing import SAMPLE_WEIGHT
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.data import example_files, read_examples
from clickwright.models.training.examples import Examples
from clickwright.models.training.fingerprint import fingerprint
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import FeatureSpec, LearnedVocabulary

logger = logging.getLogger(__name__)


def run_fn(fn_args: Any) -> None:
    """Trains the model that the configuration names and exports the best epoch.

    After each epoch the whole state is kept below `checkpoint_dir`, under a name that
    depends on spec, model, training parameters and data; so are rows that do not fit
    into memory. A run that was killed goes on from there; a successful one removes
    its state, since the exported model makes it worthless.

    Args:
        fn_args: TFX's `FnArgs`. Of `custom_config`:

            * `spec`: the feature spec as JSON;
            * `model`: `{"name": ..., "params": {...}}`;
            * `training`: fields of `TrainingParams`;
            * `checkpoint_dir`: folder of checkpoints, or null for none.

    Raises:
        ConfigError: model or training parameters are not valid, a batch is larger
            than the training split, or training diverged.
        DataError: a split cannot be learned from, or a file is damaged.
        MachineError: checkpoint or model cannot be written.
    """
    config = fn_args.custom_config
    spec = FeatureSpec.model_validate_json(config["spec"])
    params = strict_yaml.parse(TrainingParams, config["training"], "training")
    name = config["model"]["name"]
    model_params = registry.parse_params(name, config["model"].get("params") or {})
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    inputs = spec.model_inputs(vocabulary_sizes(spec, transform))

    train_files = example_files(fn_args.train_files)
    valid_files = example_files(fn_args.eval_files)
    settings = {
        "spec": spec.model_dump(mode="json"),
        "model": {"name": name, "params": model_params.model_dump(mode="json")},
        "training": params.model_dump(mode="json"),
    }
    checkpoint = _checkpoint(
        config.get("checkpoint_dir"),
        settings,
        [*train_files, *valid_files],
        pathlib.Path(fn_args.transform_graph_path),
    )
    read = functools.partial(
        read_examples,
        inputs=inputs,
        label=spec.label,
        weight=SAMPLE_WEIGHT if spec.weight else None,
        cache=params.cache,
        cache_directory=checkpoint.directory / "rows" if checkpoint else None,
    )
    train = read(
        train_files,
        split="train",
        max_rows=params.max_train_rows,
        negative_sampling_rate=params.negative_sampling_rate,
    )
    _check_batch_size(params, train)
    valid = read(valid_files, split="valid")

    keras.utils.set_random_seed(params.seed)
    trainer = Trainer(
        registry.build(name, inputs, model_params),
        params,
        registry.loss(name, model_params),
    )
    log = TrainingLog(pathlib.Path(fn_args.model_run_dir), params, train.rows)
    records = trainer.train(train, valid, checkpoint, log)
    best = max(record.valid_auc or 0.0 for record in records)
    logger.info("best valid AUC %.6f of %d epochs", best, len(records))
    export(
        trainer.model,
        transform,
        spec,
        pathlib.Path(fn_args.serving_model_dir),
        params.negative_sampling_rate,
    )
    if checkpoint is not None:
        checkpoint.delete()


def vocabulary_sizes(
    spec: FeatureSpec, transform: tft.TFTransformOutput
) -> dict[str, int]:
    """Values in each vocabulary that Transform learned, by feature."""
    return {
        name: transform.vocabulary_size_by_name(name)
        for name, feature in spec.vocabulary_features().items()
        if isinstance(feature.vocabulary, LearnedVocabulary)
    }


def _check_batch_size(params: TrainingParams, train: Examples) -> None:
    if params.batch_size > train.rows:
        raise ConfigError(
            f"A batch of {params.batch_size} rows is larger than the training split, "
            f"of which an epoch sees {train.rows} rows.",
            where="training.batch_size",
            fix=f"set `batch_size` to {train.rows} or less",
        )


def _checkpoint(
    directory: str | None,
    settings: Mapping[str, Any],
    examples: list[pathlib.Path],
    transform_graph: pathlib.Path,
) -> Checkpoint | None:
    if directory is None:
        return None
    name = fingerprint(settings, examples, transform_graph)
    return Checkpoint(pathlib.Path(directory) / name)
