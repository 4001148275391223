"""What of the inputs is the target, and what its history."""

import dataclasses

from clickwright.schemas.model_input import ModelInput


@dataclasses.dataclass(frozen=True)
class SequenceInputs:
    """The inputs of a model of a history, sorted by what they describe.

    Attributes:
        history: the `sequence` of earlier items.
        target: the `id` of the item that is judged; the history's ids are of its table.
        sides: side sequences of the history, each with the `id` input that says the
            same of the target, or None, as for the age of an event.
        attributes: the target's attributes; the history's items have them too.
        vectors: the target's vectors; the history's items have them too.
        context: all other inputs.
    """

    history: ModelInput
    target: ModelInput
    sides: tuple[tuple[ModelInput, ModelInput | None], ...]
    attributes: tuple[ModelInput, ...]
    vectors: tuple[ModelInput, ...]
    context: tuple[ModelInput, ...]

    @property
    def fields(self) -> tuple[ModelInput, ...]:
        """What an item is embedded by, in this order; `D` values each."""
        counterparts = (own for _, own in self.sides if own is not None)
        return (self.target, *counterparts, *self.attributes, *self.vectors)

    @property
    def extra(self) -> tuple[ModelInput, ...]:
        """Sides that say of the history's items what the target does not have."""
        return tuple(side for side, own in self.sides if own is None)
