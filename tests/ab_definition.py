"""A small definition of an experiment, and changes to it."""

import copy
import datetime
from typing import Any

from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse

START = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
END = START + datetime.timedelta(days=14)

CTR: dict[str, Any] = {
    "name": "ctr",
    "kind": "ratio",
    "numerator": "click",
    "denominator": "exposures",
    "role": "primary",
    "minimum_effect": 0.02,
}
LATENCY: dict[str, Any] = {
    "name": "latency_ms",
    "kind": "ratio",
    "numerator": "latency_ms",
    "denominator": "exposures",
    "role": "guardrail",
    "direction": "decrease",
    "margin": 0.2,
}
"""A guardrail: a fifth slower is allowed."""
_CONTENT: dict[str, Any] = {
    "id": "crosses",
    "hypothesis": "Crosses of user and item raise clicks.",
    "model": "ctr",
    "arms": {
        "control": {"weight": 0.5, "target": {"model": "ctr", "label": "stable"}},
        "treatment": {"weight": 0.5, "target": {"model": "ctr", "label": "canary"}},
    },
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-15T00:00:00Z",
    "metrics": [CTR],
}


def definition_content(**changes: Any) -> dict[str, Any]:
    """What the YAML file holds."""
    return {**copy.deepcopy(_CONTENT), **changes}


def definition(**changes: Any) -> Experiment:
    """The validated definition."""
    return parse(Experiment, definition_content(**changes), "test.yaml")


def arms(**weights: float) -> dict[str, Any]:
    """Arms of these weights, each with a label of its own name."""
    return {
        name: {"weight": weight, "target": {"model": "ctr", "label": name}}
        for name, weight in weights.items()
    }
