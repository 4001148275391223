"""Execution properties, on this machine and in containers."""

import json
from typing import Any


def content_of(value: Any) -> Any:
    """A list or mapping that a component was given.

    ML Metadata keeps them as such; a compiled pipeline hands containers their JSON.
    """
    return json.loads(value) if isinstance(value, str) else value
