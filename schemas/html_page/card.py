"""A big figure of a page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A figure, what it is, and a note below it."""

    label: str
    value: str
    note: str
    tone: str = ""
    """`good` or `bad` colours the figure."""
