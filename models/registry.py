"""The models that a configuration can name.

Importing this module imports no Keras: configurations are checked in milliseconds.
"""

import dataclasses
import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from clickwright.models.params import ModelParams
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.model_input import ModelInput

if TYPE_CHECKING:
    import keras

    from clickwright.models.losses.loss import Loss

_CTR = "clickwright.models.ctr"
_RETRIEVAL = "clickwright.models.retrieval"
_SEQUENTIAL = "clickwright.models.sequential"
_CROSS_ENTROPY = "clickwright.models.losses.cross_entropy:CrossEntropy"


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A registered model; all names are `module:name`.

    Attributes:
        params_class: its parameters, with their defaults and where these come from.
        builder: builds it from inputs and parameters.
        loss: makes its loss from its parameters; None for cross-entropy.
        task: `click` for a model of `probability`, `retrieval` for one that ranks all
            items.
        folded: makes an equal but cheaper model of a trained one, for serving; None
            where there is nothing to fold.
    """

    params_class: str
    builder: str
    loss: str | None = None
    task: Literal["click", "retrieval"] = "click"
    folded: str | None = None

    @functools.cached_property
    def params(self) -> type[ModelParams]:
        """The class of its parameters."""
        return _load(self.params_class)


def _ctr(
    module: str, params: str, own_loss: bool = False, package: str = _CTR
) -> ModelEntry:
    return ModelEntry(
        f"{package}.{module}_params:{params}",
        f"{package}.{module}:build_{module}",
        f"{package}.{module}:{module}_loss" if own_loss else None,
    )


def _sequential(module: str, params: str, own_loss: bool = False) -> ModelEntry:
    return _ctr(module, params, own_loss, _SEQUENTIAL)


def _next_item(module: str, params: str) -> ModelEntry:
    return dataclasses.replace(_sequential(module, params), task="retrieval")


def _retrieval(module: str, params: str) -> ModelEntry:
    return dataclasses.replace(
        _ctr(module, params, False, _RETRIEVAL), task="retrieval"
    )


MODELS: Mapping[str, ModelEntry] = {
    "autoint_plus": _ctr("autoint_plus", "AutoIntPlusParams"),
    "bert4rec": _next_item("bert4rec", "BERT4RecParams"),
    "bst": _sequential("bst", "BSTParams"),
    "dcn": _ctr("dcn", "DCNParams"),
    "dcnv2": _ctr("dcnv2", "DCNv2Params"),
    "dcnv3": _ctr("dcnv3", "DCNv3Params", own_loss=True),
    "deepfm": _ctr("deepfm", "DeepFMParams"),
    "deepfm_p": _ctr("deepfm_p", "DeepFMPParams"),
    "dien": _sequential("dien", "DIENParams"),
    "din": _sequential("din", "DINParams"),
    "dnn": _ctr("dnn", "DNNParams"),
    "ektf": _ctr("ektf", "EKTFParams", own_loss=True),
    "eta": _sequential("eta", "ETAParams"),
    "eulernet": _ctr("eulernet", "EulerNetParams"),
    "ffm": _ctr("ffm", "FFMParams"),
    "fgcnn": _ctr("fgcnn", "FGCNNParams"),
    "fibinet": _ctr("fibinet", "FiBiNETParams"),
    "finalmlp": _ctr("finalmlp", "FinalMLPParams"),
    "fm": _ctr("fm", "FMParams"),
    "fsdnet": _ctr("fsdnet", "FSDNetParams", own_loss=True),
    "fwfm": _ctr("fwfm", "FwFMParams"),
    "gdcn": _ctr("gdcn", "GDCNParams"),
    "gru4rec": _next_item("gru4rec", "GRU4RecParams"),
    "hstu": _next_item("hstu", "HSTUParams"),
    "ipnn": _ctr("ipnn", "IPNNParams"),
    "kpnn": _ctr("kpnn", "KPNNParams"),
    "logistic_regression": _ctr("logistic_regression", "LogisticRegressionParams"),
    "masknet": _ctr("masknet", "MaskNetParams"),
    "miss": _sequential("miss", "MISSParams", own_loss=True),
    "opnn": _ctr("opnn", "OPNNParams"),
    "pin": _ctr("pin", "PINParams"),
    "qin": ModelEntry(
        "clickwright.models.multimodal.qin_params:QINParams",
        "clickwright.models.multimodal.qin:build_qin",
        folded="clickwright.models.multimodal.fold_qin:fold",
    ),
    "qnn_alpha": _ctr("qnn_alpha", "QNNAlphaParams", own_loss=True),
    "s3rec": _next_item("s3rec", "S3RecParams"),
    "sasrec": _next_item("sasrec", "SASRecParams"),
    "sdim": _sequential("sdim", "SDIMParams"),
    "search_query": _sequential("search_query", "SearchQueryParams", own_loss=True),
    "sim": _sequential("sim", "SIMParams", own_loss=True),
    "twin": _sequential("twin", "TWINParams"),
    "two_tower": _retrieval("two_tower", "TwoTowerParams"),
    "wide_deep": _ctr("wide_deep", "WideDeepParams"),
    "xdeepfm": _ctr("xdeepfm", "XDeepFMParams"),
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
        inputs: what the model reads, by name.
        params: its parameters; defaults when None.

    Returns:
        A model of a dict of named tensors, giving a dict with `probability`,
        `[batch]`. That output comes from a layer called `probability` whose input is
        the logit, `[batch, 1]`: training takes its loss from there, or from a second
        output, `logits`, `[batch, K]`, where there is one.

    Raises:
        ConfigError: the name or a parameter is not valid, there are no inputs, or one
            has the name of a part of the model.
    """
    if not inputs:
        raise ConfigError(
            f"The model `{name}` has no inputs.",
            where="features",
            fix="give the feature spec at least one feature that models read",
        )
    try:
        return _load(entry(name).builder)(inputs, _parsed(name, params))
    except ValueError as error:
        taken = [i.name for i in inputs if f'The name "{i.name}" is used' in str(error)]
        if not taken:
            raise
        raise ConfigError(
            f"A part of the model `{name}` has the name of the feature `{taken[0]}`.",
            where=f"features.{taken[0]}",
            fix="give the feature another name; its `column` can stay",
        ) from error


def loss(name: str, params: ModelParams | Mapping[str, Any] | None = None) -> "Loss":
    """Returns the loss that the model called `name` is trained with.

    Raises:
        ConfigError: the name or a parameter is not valid.
    """
    maker = entry(name).loss
    if maker is None:
        return _load(_CROSS_ENTROPY)()
    return _load(maker)(_parsed(name, params))


def fold(name: str, model: "keras.Model") -> "keras.Model":
    """Returns the cheaper model that scores as the trained `model` does.

    Where the model called `name` has nothing to fold, that is the model itself.
    """
    folder = entry(name).folded
    return model if folder is None else _load(folder)(model)


def _parsed(name: str, params: ModelParams | Mapping[str, Any] | None) -> ModelParams:
    if isinstance(params, entry(name).params):
        return params
    if isinstance(params, ModelParams):
        params = params.model_dump()
    return parse_params(name, params or {})


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)
