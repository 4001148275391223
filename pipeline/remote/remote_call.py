"""The one request that starts a run or a schedule."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class RemoteCall:
    """What is sent to a service, and what `--dry-run` prints.

    Attributes:
        url: where it is sent.
        body: its JSON.
        name: the run's name at the service, or the schedule's.
        scheduled: whether it makes a schedule instead of a run.
        note: what the user should know before it is sent; empty for nothing.
    """

    url: str
    body: dict[str, Any]
    name: str
    scheduled: bool
    note: str = ""

    def content(self) -> dict[str, Any]:
        """The request as JSON."""
        return {"method": "POST", "url": self.url, "body": self.body}
