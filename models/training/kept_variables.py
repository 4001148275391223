"""The variables that the state of a training consists of."""

import itertools
import re
from typing import Any

import keras

from clickwright.models.item_tables import frozen_variables
from clickwright.models.training.checkpoint import Arrays, Checkpoint, State
from clickwright.models.training.epoch_part import EpochPart
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.schemas.errors import DataError


class KeptVariables:
    """Copies a training's variables out, and back in.

    What item tables fill is left out: it stays as it is, and whoever builds the model
    for a resumed training fills it again.

    Args:
        model: the model that is trained.
        optimizer: its optimizer, built.

    Attributes:
        of_model: the model's variables that may change.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        frozen = {id(v) for v in frozen_variables(model)}
        self.of_model = [v for v in model.variables if id(v) not in frozen]
        self._optimizer = optimizer

    def values(self) -> Arrays:
        """Copies of the model's."""
        return [v.numpy() for v in self.of_model]

    def assign(self, values: Arrays) -> None:
        """Puts values back into the model."""
        _assign(self.of_model, values)

    def optimizer_values(self) -> Arrays:
        """Copies of the optimizer's."""
        return [v.numpy() for v in self._optimizer.variables]

    def assign_optimizer(self, values: Arrays) -> None:
        """Puts values back into the optimizer."""
        _assign(self._optimizer.variables, values)

    def state(
        self, best: Arrays, records: tuple[EpochRecord, ...], part: EpochPart
    ) -> State:
        """Everything that the rest of the training depends on."""
        names = tuple(v.path for v in self._variables())
        return State(names, self.values(), self.optimizer_values(), best, records, part)

    def restore(self, state: State, checkpoint: Checkpoint) -> None:
        """Puts back what `state` gave.

        Raises:
            DataError: the state is of another model or optimizer.
        """
        stored = zip(state.names, [*state.model, *state.optimizer], strict=True)
        for kept, variable in itertools.zip_longest(stored, self._variables()):
            found = "nothing" if kept is None else _described(kept[0], kept[1].shape)
            wanted = (
                "nothing"
                if variable is None
                else _described(variable.path, variable.shape)
            )
            if _canonical(found) != _canonical(wanted):
                raise DataError(
                    "The training checkpoint is of another model or optimizer: it "
                    f"holds {found} where {wanted} is wanted.",
                    where=str(checkpoint.file),
                    fix="choose another folder, or delete this one to train from the "
                    "beginning",
                )
        self.assign(state.model)
        self.assign_optimizer(state.optimizer)

    def _variables(self) -> list[Any]:
        return [*self.of_model, *self._optimizer.variables]


def _assign(variables: Any, values: Any) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _described(name: str, shape: Any) -> str:
    return f"`{name}` {list(shape)}"


def _canonical(described: str) -> str:
    """Without the numbers that Keras gives to layers, which differ by the process."""
    return re.sub(r"_\d+(?=[/_`])", "", described)
