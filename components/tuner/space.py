"""The parameters that a search is over.

Imports no Keras: configurations are checked in milliseconds.
"""

import json
import typing
from collections.abc import Mapping
from typing import Any

import pydantic

from clickwright.components.tuner.params import Section, TunerParams
from clickwright.components.tuner.searched import Searched
from clickwright.models import registry
from clickwright.models.training.training_params import TRAINING_PARAMS
from clickwright.models.value_range import Dimension, ValueRange, declared_space
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.strict_yaml import StrictModel

_OF_TRAINING = frozenset(
    {
        "batch_size",
        "epsilon",
        "global_clipnorm",
        "l1",
        "learning_rate",
        "learning_rate_decay",
        "optimizer",
        "positive_weight",
        "table_updates",
        "weight_decay",
    }
)
"""Parameters of training that change neither the rows nor what is measured."""


def search_space(
    model: str,
    model_params: Mapping[str, Any],
    training: Mapping[str, Any],
    params: TunerParams,
    where: str = "tuner",
) -> tuple[Searched, ...]:
    """The parameters to search: what the model declares, as the configuration bends it.

    The values of the configuration always belong to what is tried.

    Args:
        model: a registered model.
        model_params: its parameters, as they stand in a configuration.
        training: parameters of its training, likewise.
        params: the search's own.
        where: names the section in messages.

    Raises:
        ConfigError: a parameter is not known or cannot be searched, a value is not
            valid, or nothing is left to search.
    """
    classes: dict[Section, type[StrictModel]] = {
        "model": registry.entry(model).params,
        "training": TRAINING_PARAMS[registry.entry(model).task],
    }
    given: dict[Section, Mapping[str, Any]] = {
        "model": model_params,
        "training": training,
    }
    found: dict[str, Searched] = {}
    for section, cls in classes.items():
        known = strict_yaml.parse(cls, dict(given[section]), section)
        configured = known.model_dump(mode="json")
        space: dict[str, Dimension | None] = {**declared_space(cls)}
        own = params.space.get(section, {})
        for field in own:
            _check_field(section, field, cls, f"{where}.space.{section}")
        for field, dimension in (space | own).items():
            if dimension is None:
                continue
            searched = Searched(
                section,
                field,
                dimension,
                not _takes_fractions(cls.model_fields[field].annotation),
                configured[field],
            )
            place = f"{where}.space.{section}.{field}"
            _check_values(searched, cls, configured, place)
            found[searched.name] = _with_configured(searched, place)
    for name in params.only:
        if name not in found:
            raise ConfigError(
                f"`only` names `{name}`, for which nothing is there to try."
                f"{did_you_mean(name, found)}",
                where=f"{where}.only",
                fix=f"use some of {', '.join(found) or 'nothing'}, or say under `space` "
                "what to try",
            )
    chosen = tuple(
        s for s in found.values() if not params.only or s.name in params.only
    )
    if not chosen:
        raise ConfigError(
            f"Nothing is left to search for `{model}`.",
            where=where,
            fix="name a parameter and what to try under `space`",
        )
    return chosen


def accepts(
    model: str,
    model_params: Mapping[str, Any],
    training: Mapping[str, Any],
) -> bool:
    """Whether values fit together."""
    task = registry.entry(model).task
    try:
        registry.parse_params(model, model_params)
        strict_yaml.parse(TRAINING_PARAMS[task], dict(training), "training")
    except ConfigError:
        return False
    return True


def _check_field(
    section: Section, field: str, cls: type[StrictModel], where: str
) -> None:
    known = set(cls.model_fields)
    if section == "training":
        known &= _OF_TRAINING
    if field in known:
        return
    rule = f"`{field}` is no parameter of the {section} that can be searched."
    raise ConfigError(
        f"{rule}{did_you_mean(field, known)}",
        where=where,
        fix=f"use one of {', '.join(sorted(known))}",
    )


def _takes_fractions(annotation: Any) -> bool:
    parts = typing.get_args(annotation)
    return annotation is float or any(map(_takes_fractions, parts))


def _check_values(
    searched: Searched,
    cls: type[StrictModel],
    configured: Mapping[str, Any],
    where: str,
) -> None:
    """Refuses values that the parameter does not take, whatever the others are."""
    dimension = searched.dimension
    if isinstance(dimension, ValueRange):
        ends = (dimension.min, dimension.max)
        if searched.whole and not all(end.is_integer() for end in ends):
            raise ConfigError(
                f"`{searched.field}` takes whole numbers. Received: {ends[0]:g} to "
                f"{ends[1]:g}.",
                where=where,
                fix="give whole numbers as `min` and `max`, or a list of values",
            )
        values: tuple[Any, ...] = tuple(int(e) if searched.whole else e for e in ends)
    elif not dimension:
        raise ConfigError(
            "The list of values is empty.", where=where, fix="give a value or more"
        )
    else:
        values = dimension
    for value in values:
        content = json.dumps({**configured, searched.field: value})
        try:
            cls.model_validate_json(content)
        except pydantic.ValidationError as error:
            # Rules between parameters depend on what the others become.
            broken = [e for e in error.errors() if e["loc"][:1] == (searched.field,)]
            if broken:
                raise ConfigError(
                    f"`{searched.field}` does not take {value!r}: {broken[0]['msg']}.",
                    where=where,
                    fix="change that value",
                ) from error


def _with_configured(searched: Searched, where: str) -> Searched:
    dimension, own = searched.dimension, searched.configured
    if isinstance(dimension, ValueRange):
        if not is_number(own) or (dimension.log and own <= 0):
            raise ConfigError(
                f"`{searched.field}` is {json.dumps(own)} in the configuration, which "
                f"no range {'of magnitudes ' if dimension.log else ''}can hold.",
                where=where,
                fix="give a list of values in place of the range",
            )
        bounds = {"min": min(dimension.min, own), "max": max(dimension.max, own)}
        widened: Dimension = dimension.model_copy(update=bounds)
    else:
        texts = {json.dumps(value): value for value in dimension}
        texts.setdefault(json.dumps(own), own)
        values = list(texts.values())
        if all(map(is_number, values)):
            values = sorted(set(values))
        widened = tuple(values)
    return Searched(
        searched.section, searched.field, widened, searched.whole, searched.configured
    )


def is_number(value: Any) -> bool:
    """Whether it can be compared with others; truth values cannot."""
    return isinstance(value, int | float) and not isinstance(value, bool)
