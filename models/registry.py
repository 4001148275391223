"""The models that a configuration can name.

Importing this module imports no Keras: configurations are checked in milliseconds.
"""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clickwright.models.ctr.deepfm_params import DeepFMParams
from clickwright.models.ctr.logistic_regression_params import LogisticRegressionParams
from clickwright.models.params import ModelParams
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.model_input import ModelInput

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A registered model.

    Attributes:
        params: its parameters, with their defaults and where these come from.
        builder: `module:function` that builds it from inputs and parameters.
    """

    params: type[ModelParams]
    builder: str


MODELS: Mapping[str, ModelEntry] = {
    "deepfm": ModelEntry(DeepFMParams, "clickwright.models.ctr.deepfm:build_deepfm"),
    "logistic_regression": ModelEntry(
        LogisticRegressionParams,
        "clickwright.models.ctr.logistic_regression:build_logistic_regression",
    ),
}


def entry(name: str, where: str = "") -> ModelEntry:
    """Returns the registered model of that name.

    Raises:
        ConfigError: no model has that name.
    """
    if name not in MODELS:
        raise ConfigError(
            f"Unknown model `{name}`.{did_you_mean(name, MODELS)}",
            where=where,
            fix=f"use one of {', '.join(sorted(MODELS))}",
        )
    return MODELS[name]


def parse_params(
    name: str, params: Mapping[str, Any], where: str = "model.params"
) -> ModelParams:
    """Validates the parameters of the model called `name`; defaults fill the rest.

    Args:
        name: a registered model.
        params: parameters as they stand in a configuration.
        where: names the file or field in error messages.

    Raises:
        ConfigError: no model has that name, or a parameter is unknown or out of its
            range.
    """
    return strict_yaml.parse(entry(name, where).params, dict(params), where)


def table_width(name: str, params: Mapping[str, Any]) -> int:
    """Floats that the model called `name` keeps for each embedding table row.

    Raises:
        ConfigError: the name or a parameter is not valid.
    """
    return parse_params(name, params).table_width


def build(
    name: str,
    inputs: Sequence[ModelInput],
    params: ModelParams | Mapping[str, Any] | None = None,
) -> "keras.Model":
    """Builds a registered model.

    Args:
        name: a registered model.
        inputs: named tensors that the model reads.
        params: its parameters; defaults when None.

    Returns:
        A model of a dict of named tensors, giving a dict with `probability`,
        `[batch]`. That output comes from a layer called `probability` whose input is
        the logit, `[batch, 1]`: training takes its loss from there.

    Raises:
        ConfigError: the name or a parameter is not valid, or there are no inputs.
    """
    found = entry(name)
    if not inputs:
        raise ConfigError(
            f"The model `{name}` has no inputs.",
            where="features",
            fix="give the feature spec at least one feature that models read",
        )
    if not isinstance(params, found.params):
        content = (
            params.model_dump()
            if isinstance(params, ModelParams)
            else dict(params or {})
        )
        params = parse_params(name, content)
    module, function = found.builder.split(":")
    return getattr(importlib.import_module(module), function)(inputs, params)
