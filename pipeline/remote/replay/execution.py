"""What is remembered of one task's execution."""

from typing import Any, Literal

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

State = Literal["running", "complete", "cached", "skipped", "failed"]


class Execution(StrictModel):
    """One execution of one task.

    It is written when the task starts and again when it ends; one that still runs when
    the next replay looks was killed.
    """

    task: str
    """Name in the spec; those of an inner DAG follow its own name and a slash."""
    run: str
    attempt: int
    """Counted within the run, from 1."""
    state: State
    fingerprint: str = ""
    """Digest of the container and of all that it was given."""
    ended: float = 0.0
    """Seconds since 1970."""
    seconds: float = 0.0
    exit_code: int | None = None
    artifacts: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    """Outputs, each a `RuntimeArtifact` as JSON with the address of the cluster."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Output parameters."""

    @property
    def good(self) -> bool:
        """Whether its outputs are there."""
        return self.state in ("complete", "cached")
