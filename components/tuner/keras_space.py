"""A search's parameters as Keras Tuner has them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner

from clickwright.components.tuner.searched import Searched
from clickwright.components.tuner.space import is_number
from clickwright.models.value_range import ValueRange

_DIGITS = 4
"""Digits that a value from a range keeps: a person may copy it."""


def to_keras(space: Sequence[Searched]) -> keras_tuner.HyperParameters:
    """The space; the configured values are its defaults.

    Values that are no numbers become JSON texts: Keras Tuner knows no lists.
    """
    made = keras_tuner.HyperParameters()
    for searched in space:
        name, dimension = searched.name, searched.dimension
        if isinstance(dimension, ValueRange):
            sampling = "log" if dimension.log else "linear"
            ends, own = (dimension.min, dimension.max), searched.configured
            if searched.whole:
                ends = (int(ends[0]), int(ends[1]))
                made.Int(name, *ends, sampling=sampling, default=own)
            else:
                made.Float(name, *ends, sampling=sampling, default=float(own))
        elif all(map(is_number, dimension)):
            kind = int if all(isinstance(v, int) for v in dimension) else float
            values = [kind(value) for value in dimension]
            made.Choice(name, values, default=kind(searched.configured))
        else:
            made.Choice(
                name,
                [json.dumps(value) for value in dimension],
                default=json.dumps(searched.configured),
            )
    return made


def from_keras(space: Sequence[Searched], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a trial, as JSON has them, by name."""
    return {s.name: _value(s, values[s.name]) for s in space}


def _value(searched: Searched, value: Any) -> Any:
    if isinstance(value, str):
        return json.loads(value)
    if searched.whole:
        return int(value)
    if isinstance(searched.dimension, ValueRange) and value != searched.configured:
        return float(f"{value:.{_DIGITS}g}")
    return value
