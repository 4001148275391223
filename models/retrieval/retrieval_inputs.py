"""What of the inputs a retrieval model is about."""

import dataclasses
from collections.abc import Sequence
from typing import Self

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


@dataclasses.dataclass(frozen=True)
class RetrievalInputs:
    """The inputs that make a request, and what it should find.

    Attributes:
        item: the `id` that is to be found.
        history: the `sequence` of earlier items that models read, if there is one.
        user: the `id` of the user, if there is one.
        seen: all sequences of items: what must not be recommended again.
    """

    item: ModelInput
    history: ModelInput | None
    user: ModelInput | None
    seen: tuple[ModelInput, ...]

    @classmethod
    def of(cls, inputs: Sequence[ModelInput]) -> Self:
        """Finds them.

        The item is what the first sequence is made of; without sequences the only
        `id` on the side of the item.

        Raises:
            ConfigError: it is not clear which input is the item.
        """
        ids = {i.name: i for i in inputs if i.kind == "id"}
        histories = [
            i
            for i in inputs
            if i.kind == "sequence" and i.side_of is None and i.table in ids
        ]
        if histories:
            item = ids[histories[0].table or ""]
        else:
            items = [i for i in ids.values() if i.role == "item"]
            if len(items) != 1:
                names = ", ".join(f"`{i.name}`" for i in items) or "none"
                raise ConfigError(
                    "Which input a retrieval model should find is not clear: there is "
                    f"no sequence, and the ids on the side of the item are {names}.",
                    where="features",
                    fix="give the feature spec a sequence of the items, or one "
                    "categorical feature of `role: item`",
                )
            item = items[0]
        seen = tuple(i for i in histories if i.table == item.name)
        users = [i for i in ids.values() if i.role == "user" and i is not item]
        return cls(
            item=item,
            history=seen[0] if seen else None,
            user=users[0] if users else None,
            seen=seen,
        )

    @property
    def tensors(self) -> tuple[ModelInput, ...]:
        """All of them, each once."""
        user = () if self.user is None else (self.user,)
        return (self.item, *self.seen, *user)

    @property
    def query(self) -> dict[str, ModelInput]:
        """What a request is made of, by the name that retrieval models know it by."""
        found = {"history": self.history, "user": self.user}
        return {name: i for name, i in found.items() if i is not None}
