"""What a service made of a call."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RemoteRun:
    """A run, or a schedule, as a service knows it.

    Attributes:
        name: the service's own name of it.
        page: address of its page for people.
    """

    name: str
    page: str
