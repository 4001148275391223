"""The file that says what a model server loads, as TF Serving reads it."""

import pathlib

import grpc
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelServerConfig,
)

from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import ConfigError
from clickwright.serving.server.serving_error import ServingError

PLATFORM = "tensorflow"
"""The one `model_platform` there is."""


def read_model_config(path: pathlib.Path) -> ModelServerConfig:
    """Reads a `ModelServerConfig` in text format, and checks it.

    Raises:
        ConfigError: the file cannot be read or parsed, or breaks a rule of `check`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"The file cannot be read: {error}.",
            where=str(path),
            fix="give a file in the text format of `ModelServerConfig`",
        ) from error
    return parse_model_config(text, str(path))


def parse_model_config(text: str, where: str) -> ModelServerConfig:
    """Reads a config from its text; `where` names it in the error.

    Raises:
        ConfigError: the text cannot be parsed, or breaks a rule of `check`.
    """
    try:
        config = text_format.Parse(text, ModelServerConfig())
        check(config)
    except (text_format.ParseError, ServingError) as error:
        said = error.message if isinstance(error, ServingError) else str(error)
        raise ConfigError(
            f"Invalid protobuf file: {said}.",
            where=where,
            fix="write it in the text format of `ModelServerConfig`, as in "
            '`model_config_list { config { name: "m" base_path: "/models/m" '
            'model_platform: "tensorflow" } }`',
        ) from error
    return config


def write_model_config(path: pathlib.Path, config: ModelServerConfig) -> None:
    """Writes the config whole: a server reads the file before or the file after.

    Raises:
        ServingError: the config breaks a rule of `check`.
        MachineError: the folder cannot be written to, or the disk is full.
    """
    write_text(path, format_model_config(config))


def format_model_config(config: ModelServerConfig) -> str:
    """Returns the config as text.

    Raises:
        ServingError: the config breaks a rule of `check`.
    """
    check(config)
    return text_format.MessageToString(config)


def single_model(name: str, base_path: pathlib.Path) -> ModelServerConfig:
    """Returns the config of one model, its latest version served.

    Args:
        name: the model's.
        base_path: folder with one folder a version.
    """
    config = ModelServerConfig()
    config.model_config_list.config.add(
        name=name, base_path=str(base_path), model_platform=PLATFORM
    )
    return config


def models(config: ModelServerConfig) -> dict[str, ModelConfig]:
    """Returns the config of each model, by name."""
    return {model.name: model for model in config.model_config_list.config}


def check(config: ModelServerConfig) -> None:
    """Refuses a config that no server could follow.

    Raises:
        ServingError: a model has no name, is listed twice, has a base path that is
            neither absolute nor a URI, or asks for another platform than TensorFlow's;
            the config is of the custom kind.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise _invalid("custom_model_config is not supported; use model_config_list")
    names: set[str] = set()
    for model in config.model_config_list.config:
        if not model.name:
            raise _invalid("A model in the config list has no name")
        if model.name in names:
            raise _invalid(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        names.add(model.name)
        if not model.base_path.startswith("/") and "://" not in model.base_path:
            raise _invalid(
                f"Expected model {model.name} to have an absolute path or URI; got "
                f"base_path()={model.base_path}"
            )
        if not model.model_platform and not model.model_type:
            raise _invalid(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) "
                "nor ModelServerConfig::model_platform, model name is "
                f"{model.name}"
            )
        if model.model_platform not in ("", PLATFORM):
            raise _invalid(
                f"Model {model.name} requests unsupported platform "
                f"{model.model_platform}"
            )


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
