"""A request on its way, whichever protocol it speaks."""

from typing import Any, Protocol

from clickwright.schemas.experiment import Target
from clickwright.serving.router.answer import Answer


class Call(Protocol):
    """What routing asks of a request.

    Attributes:
        api: its name in the metrics, such as `Predict`.
        model: the model that it asks for.
        label: the version's label that it asks for; empty: none.
        version: the version's number that it asks for.
        exposed: whether its answer is one that a unit gets to see.
    """

    api: str
    model: str
    label: str
    version: int | None
    exposed: bool

    def unit(self, name: str) -> str | None:
        """Returns the unit's id in the named input; None where there is none.

        Raises:
            ServingError: it is no id.
        """

    async def send(self, target: Target | None, seconds: float) -> Any:
        """Asks a model server and returns its reply.

        Args:
            target: who answers; None: whoever the request names.
            seconds: at most.

        Raises:
            ServingError: it refused, failed, or took too long.
        """

    def read(self, reply: Any) -> Answer:
        """Returns what a reply says.

        Raises:
            ServingError: it cannot be read.
        """
