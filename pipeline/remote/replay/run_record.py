"""What is remembered of one replay."""

from typing import Literal

from clickwright.schemas.strict_yaml import StrictModel


class RunRecord(StrictModel):
    """One replay: begun once, resumed until it has ended well."""

    id: str
    state: Literal["running", "complete"]
    spec: str
    """File that was replayed."""
    parameters: dict[str, str | int | float | bool]
