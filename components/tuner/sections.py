"""Values by the section of the configuration that they belong to."""

from collections.abc import Mapping
from typing import Any

from clickwright.components.tuner.params import Section


def by_section(values: Mapping[str, Any]) -> dict[Section, dict[str, Any]]:
    """Values by section and field.

    Args:
        values: by name: `model.dropout`.
    """
    made: dict[Section, dict[str, Any]] = {"model": {}, "training": {}}
    for name, value in values.items():
        section, _, field = name.partition(".")
        made["model" if section == "model" else "training"][field] = value
    return made
