"""One optimizer for tables and one for the other weights."""

from collections.abc import Sequence
from typing import Any

import keras

from clickwright.models.optimizers.sparse_optimizer import SparseOptimizer


@keras.saving.register_keras_serializable(package="clickwright")
class CompositeOptimizer(SparseOptimizer):
    """Two optimizers that take one step together.

    Both see the same `iterations`. Clipping, averages, loss scale and accumulation are
    this optimizer's, over all variables at once. `learning_rate` starts at the dense
    optimizer's (at 1 where that one follows a schedule), and setting it scales the
    rates of both by the same factor.

    Args:
        dense_optimizer: moves all variables but the tables; sparse gradients are made
            dense for it.
        table_optimizer: moves the tables.
        tables: paths of the tables' variables.
        learning_rate: where `learning_rate` stands, if not at its start.
        **kwargs: of Keras' optimizers; no `weight_decay`, which is each optimizer's.

    Raises:
        ValueError: one of the two has settings that are this optimizer's.
    """

    def __init__(
        self,
        dense_optimizer: keras.optimizers.Optimizer,
        table_optimizer: SparseOptimizer,
        tables: Sequence[str],
        learning_rate: float | None = None,
        **kwargs: Any,
    ) -> None:
        for inner in (dense_optimizer, table_optimizer):
            config = inner.get_config()
            if names := [name for name in _OWN if config.get(name)]:
                raise ValueError(
                    f"`{names[0]}` must be given to CompositeOptimizer itself. "
                    f"Received: {names[0]}={config[names[0]]} in {inner.name}."
                )
        rate = dense_optimizer.get_config()["learning_rate"]
        start = rate if isinstance(rate, float) else 1.0
        super().__init__(start if learning_rate is None else learning_rate, **kwargs)
        self.dense_optimizer = dense_optimizer
        self.table_optimizer = table_optimizer
        self.tables = tuple(tables)
        self._start = start

    def l2_of(self, variable: Any) -> float:
        """The L2 coefficient that the optimizer of the tables has for it."""
        return self.table_optimizer.l2_of(variable)

    def takes_rows(self, variable: Any) -> bool:
        """Whether it is one of the tables."""
        return getattr(variable, "path", None) in self.tables

    def build(self, variables: Sequence[Any]) -> None:
        """Builds both optimizers, and makes their state part of its own."""
        if self.built:
            return
        if missing := set(self.tables) - {v.path for v in variables}:
            raise ValueError(
                "`tables` must be paths of variables. Received: "
                f"{', '.join(sorted(missing))}."
            )
        super().build(variables)
        for inner, own in self._groups(variables):
            inner.build([variables[n] for n in own])
            inner._untrack_variable(inner._iterations)
            for state in inner.variables:
                self._track_variable(state)
            inner._iterations = self._iterations
            # For its `iterations` alone, which leaves out the steps in between.
            inner.gradient_accumulation_steps = self.gradient_accumulation_steps

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        config = super().get_config()
        del config["weight_decay"]
        for name in ("dense_optimizer", "table_optimizer"):
            inner = keras.saving.serialize_keras_object(getattr(self, name))
            inner["config"]["gradient_accumulation_steps"] = None
            config[name] = inner
        return {**config, "tables": list(self.tables)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "CompositeOptimizer":
        """Makes it from what `get_config` gave."""
        inner = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("dense_optimizer", "table_optimizer")
        }
        return cls(**{**config, **inner})

    def _groups(
        self, variables: Sequence[Any]
    ) -> list[tuple[keras.optimizers.Optimizer, list[int]]]:
        """Both optimizers, and which of the variables are theirs."""
        groups = []
        for inner, rows in (
            (self.dense_optimizer, False),
            (self.table_optimizer, True),
        ):
            own = [n for n, v in enumerate(variables) if self.takes_rows(v) == rows]
            if own:
                groups.append((inner, own))
        return groups

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Any, learning_rate: Any
    ) -> None:
        factor = self._learning_rate / self._start
        for inner, own in self._groups(trainable_variables):
            variables = [trainable_variables[n] for n in own]
            gradients = [grads[n] for n in own]
            rate = inner.learning_rate * factor
            if not isinstance(inner, SparseOptimizer):
                # Keras sums over the replicas, which `apply` has done.
                gradients = [g / self._replicas for g in gradients]
                for variable in variables:
                    if inner.weight_decay and inner._use_weight_decay(variable):
                        variable.assign(variable * (1 - rate * inner.weight_decay))
            inner._backend_update_step(gradients, variables, rate)


_OWN = (
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)
