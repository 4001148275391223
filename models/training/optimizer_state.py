"""What an optimizer keeps of each variable."""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from clickwright.models.training.variable_names import variable_names


@dataclasses.dataclass(frozen=True)
class Slot:
    """What the optimizer keeps of a variable.

    Attributes:
        of: name of the variable; see `variable_names`.
        kind: such as `momentum`, `velocity`, or `state`, which is all that is kept of
            a row side by side.
        variable: it.
    """

    of: str
    kind: str
    variable: keras.Variable


@dataclasses.dataclass(frozen=True)
class OptimizerState:
    """Copies of what an optimizer knows.

    Attributes:
        steps: its steps.
        slots: values of each slot, with its variable's name and its kind.
    """

    steps: int
    slots: Sequence[tuple[str, str, np.ndarray[Any, Any]]]

    @classmethod
    def of(
        cls, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
    ) -> "OptimizerState":
        """Copies it.

        Args:
            optimizer: the optimizer, built.
            variables: what it moves.
        """
        return cls(
            int(innermost(optimizer).iterations.numpy()),
            [(s.of, s.kind, s.variable.numpy()) for s in slots(optimizer, variables)],
        )


def innermost(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer without what scales its loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def slots(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
) -> list[Slot]:
    """The optimizer's variables that belong to one of the model's.

    Keras names them after its path. Of variables that share one, slots are in their
    order.
    """
    owners = collections.defaultdict(list)
    for variable, name in zip(variables, variable_names(variables), strict=True):
        owners[f"{variable.path.replace('/', '_')}_"].append(name)
    taken: collections.Counter[str] = collections.Counter()
    found = []
    for variable in optimizer.variables:
        prefixes = [p for p in owners if variable.name.startswith(p)]
        if not prefixes:
            continue
        prefix = max(prefixes, key=len)
        names = owners[prefix]
        owner = names[taken[variable.name] % len(names)]
        taken[variable.name] += 1
        found.append(Slot(owner, variable.name.removeprefix(prefix), variable))
    return found
