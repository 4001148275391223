"""How far a run at a service has come."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

Phase = Literal["running", "succeeded", "failed", "cancelled"]


@dataclasses.dataclass(frozen=True)
class RunState:
    """A run at one moment.

    Attributes:
        phase: whether it is under way, or how it ended.
        tasks: phase of each task that the service tells of, by name.
        problem: the first task that failed and what the service says of it.
    """

    phase: Phase
    tasks: Mapping[str, Phase]
    problem: str = ""

    @property
    def ended(self) -> int:
        """How many tasks are through."""
        return sum(phase != "running" for phase in self.tasks.values())

    @property
    def at_work(self) -> str:
        """The tasks under way, by name."""
        return ", ".join(n for n, phase in self.tasks.items() if phase == "running")
