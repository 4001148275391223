"""The variables that the state of a training consists of."""

import itertools
from typing import Any, TypeAlias

import keras

from clickwright.models.item_tables import frozen_variables
from clickwright.models.training.checkpoint import Arrays, Checkpoint, State
from clickwright.models.training.epoch_part import EpochPart
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.optimizer_state import OptimizerState, Slot, slots
from clickwright.models.training.variable_names import canonical
from clickwright.schemas.errors import DataError

_Found: TypeAlias = tuple[str, tuple[int, ...]] | None
"""Path and shape of a variable."""


class KeptVariables:
    """Copies a training's variables out, and back in.

    What item tables fill is left out: it stays as it is, and whoever builds the model
    for a resumed training fills it again.

    Args:
        model: the model that is trained.
        optimizer: its optimizer, built.

    Attributes:
        of_model: the model's variables that may change.
        optimizer: the optimizer.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        self.of_model = changing_variables(model)
        self.optimizer = optimizer
        self._moved = model.trainable_variables

    def values(self) -> Arrays:
        """Copies of the model's."""
        return [v.numpy() for v in self.of_model]

    def assign(self, values: Arrays) -> None:
        """Puts values back into the model."""
        _assign(self.of_model, values)

    def optimizer_values(self) -> Arrays:
        """Copies of the optimizer's."""
        return [v.numpy() for v in self.optimizer.variables]

    def assign_optimizer(self, values: Arrays) -> None:
        """Puts values back into the optimizer."""
        _assign(self.optimizer.variables, values)

    def slots(self) -> list[Slot]:
        """What the optimizer keeps of each of the model's variables."""
        return slots(self.optimizer, self._moved)

    def optimizer_state(self) -> OptimizerState:
        """Copies of that, and the steps."""
        return OptimizerState.of(self.optimizer, self._moved)

    def state(
        self,
        best: Arrays,
        best_optimizer: Arrays,
        records: tuple[EpochRecord, ...],
        part: EpochPart,
    ) -> State:
        """Everything that the rest of the training depends on."""
        return State(
            tuple(v.path for v in self._variables()),
            self.values(),
            self.optimizer_values(),
            best,
            best_optimizer,
            records,
            part,
        )

    def restore(self, state: State, checkpoint: Checkpoint) -> None:
        """Puts back what `state` gave.

        Raises:
            DataError: the state is of another model or optimizer.
        """
        stored = zip(state.names, [*state.model, *state.optimizer], strict=True)
        for kept, variable in itertools.zip_longest(stored, self._variables()):
            found = None if kept is None else (kept[0], kept[1].shape)
            wanted = (
                None if variable is None else (variable.path, tuple(variable.shape))
            )
            if _canonical(found) != _canonical(wanted):
                raise DataError(
                    "The training checkpoint is of another model or optimizer: it "
                    f"holds {_described(found)} where {_described(wanted)} is wanted.",
                    where=str(checkpoint.file),
                    fix="choose another folder, or delete this one to train from the "
                    "beginning",
                )
        self.assign(state.model)
        self.assign_optimizer(state.optimizer)

    def _variables(self) -> list[Any]:
        return [*self.of_model, *self.optimizer.variables]


def _assign(variables: Any, values: Any) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def changing_variables(model: keras.Model) -> list[keras.Variable]:
    """The model's variables but for those that item tables fill."""
    frozen = {id(v) for v in frozen_variables(model)}
    return [v for v in model.variables if id(v) not in frozen]


def _canonical(found: _Found) -> _Found:
    return found and (canonical(found[0]), found[1])


def _described(found: _Found) -> str:
    return "nothing" if found is None else f"`{found[0]}` {list(found[1])}"
