"""What a Trainer component is to do, whatever the model is for."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import keras
import tensorflow_transform as tft

from clickwright.models.incremental.warm_start import WarmStart
from clickwright.models.training.fit_params import FitParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class Work:
    """One training.

    Attributes:
        name: the registered model.
        spec: the feature spec.
        inputs: what the model reads.
        transform: the transform graph.
        build: makes a fresh model, its item tables filled.
        train_files: transformed examples to learn from.
        valid_files: transformed examples that decide.
        state: folder of what a killed run goes on from; None for nothing.
        log_directory: folder of logs and reports.
        serving_directory: folder of the SavedModel.
        golden_rows: raw rows to make requests of; None for no requests.
        start: what training goes on from; None to start from scratch.
    """

    name: str
    spec: FeatureSpec
    inputs: Sequence[ModelInput]
    transform: tft.TFTransformOutput
    build: Callable[[], keras.Model]
    train_files: Sequence[pathlib.Path]
    valid_files: Sequence[pathlib.Path]
    state: pathlib.Path | None
    log_directory: pathlib.Path
    serving_directory: pathlib.Path
    golden_rows: pathlib.Path | None = None
    start: WarmStart | None = None


def check_batch_size(params: FitParams, rows: int) -> None:
    """Refuses batches that no epoch can fill.

    Raises:
        ConfigError: a batch is larger than the training split.
    """
    if params.batch_size > rows:
        raise ConfigError(
            f"A batch of {params.batch_size} rows is larger than the training split, "
            f"of which an epoch sees {rows} rows.",
            where="training.batch_size",
            fix=f"set `batch_size` to {rows} or less",
        )
