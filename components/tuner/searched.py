"""One parameter of a search."""

import dataclasses
from typing import Any

from clickwright.components.tuner.params import Section
from clickwright.models.value_range import Dimension


@dataclasses.dataclass(frozen=True)
class Searched:
    """What is tried for a parameter.

    Attributes:
        section: whose parameter it is.
        field: its name there.
        dimension: what to try; holds `configured`.
        whole: whether it takes whole numbers alone.
        configured: the value in the configuration, as JSON has it.
    """

    section: Section
    field: str
    dimension: Dimension
    whole: bool
    configured: Any

    @property
    def name(self) -> str:
        """Its name among all: `model.dropout`."""
        return f"{self.section}.{self.field}"
