"""Settings of a training with the values that a search has found."""

from collections.abc import Mapping
from typing import Any

TUNED = "tuned"
"""Key of the Trainer's hyperparameters that holds the values found: `model` and
`training`, each by parameter."""


def with_tuned(
    config: Mapping[str, Any], hyperparameters: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The `custom_config` of a Trainer, the values found in place of its own.

    Args:
        config: `model`, with its `params`, and `training`, among others.
        hyperparameters: what the Trainer was given; None for nothing.
    """
    found = (hyperparameters or {}).get(TUNED, {})
    model = config["model"]
    params = {**(model.get("params") or {}), **found.get("model", {})}
    return {
        **config,
        "model": {**model, "params": params},
        "training": {**config["training"], **found.get("training", {})},
    }
