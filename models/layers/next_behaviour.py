"""DIEN's auxiliary loss: which behaviour came next."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.mlp import MLP


@keras.saving.register_keras_serializable(package="clickwright")
class NextBehaviour(keras.layers.Layer):
    """Passes logits on; in training adds a loss that teaches the states of a GRU.

    A network `f` tells by a state `h_l` whether an event came next or not:

        `weight * mean(ce(f(h_l, s_{l+1}), 1) + ce(f(h_l, s'), 0))`

    over the places of all rows that have a next event. `s'` is drawn from the batch's
    events, every one with the same chance, so that frequent items are drawn often, as
    in the authors' data. Where it is of the same item as the next event, the place is
    left out. Losses run in float32.

    Args:
        weight: factor of the loss.
        units: widths of the network's sigmoid layers.

    Input shape:
        Dict of `logits`, `[batch, K]`, `states`, `[batch, L, h]`, `history`, `[batch,
        L, d]`, `ids`, the items of the history, `[batch, L]`, and `mask`, `[batch, L]`,
        1 at events and 0 at the padding behind them.

    Output shape:
        `[batch, K]`.

    Raises:
        ValueError: `weight` is negative.

    References:
        Zhou et al., Deep Interest Evolution Network, AAAI 2019, equation 5; the
        network is that of the authors' code without its batch normalization.
    """

    def __init__(
        self, weight: float = 1.0, units: Sequence[int] = (100, 50), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if weight < 0:
            raise ValueError(f"`weight` must not be negative. Received: {weight}")
        self.weight = weight
        self.units = tuple(units)
        policy = self.dtype_policy
        self.network = MLP(
            self.units,
            activation="sigmoid",
            batch_norm=False,
            dtype=policy,
            name="network",
        )
        self.head = keras.layers.Dense(
            1, kernel_initializer="glorot_normal", dtype="float32", name="head"
        )
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: Mapping[str, tuple[Any, ...]]) -> None:
        """Makes the network."""
        batch, length, width = input_shape["states"]
        shape = (batch, length, width + input_shape["history"][-1])
        self.network.build(shape)
        self.head.build(self.network.compute_output_shape(shape))

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Adds the loss and returns the logits as they are."""
        if training and inputs["ids"].shape[1] > 1:
            self.add_loss(self.weight * self._loss(inputs))
        return inputs["logits"]

    def _loss(self, inputs: Mapping[str, Any]) -> Any:
        states, history, ids = inputs["states"], inputs["history"], inputs["ids"]
        mask = ops.cast(inputs["mask"], "float32")
        drawn = self._drawn(ops.cast(mask, "int32"))  # [B, L - 1]
        absent = _taken(history, drawn)
        other = _taken(ids, drawn)
        differs = ops.cast(ops.not_equal(other, ids[:, 1:]), "float32")
        counts = mask[:, :-1] * mask[:, 1:] * differs  # [B, L - 1]
        came, went = (self._logits(states, s) for s in (history[:, 1:], absent))
        losses = ops.softplus(-came) + ops.softplus(went)
        return ops.divide_no_nan(ops.sum(losses * counts), ops.sum(counts))

    def _logits(self, states: Any, events: Any) -> Any:
        x = ops.concatenate([states[:, :-1], events], axis=-1)
        return ops.squeeze(self.head(self.network(x)), -1)  # [B, L - 1]

    def _drawn(self, mask: Any) -> Any:
        """Places of the flattened batch, drawn from its events, `[B, L - 1]`."""
        length = mask.shape[1]
        counts = ops.sum(mask, axis=1)  # [B]
        ends = ops.cumsum(counts)
        shape = (ops.shape(mask)[0], length - 1)
        share = keras.random.uniform(shape, seed=self.seed_generator)
        number = ops.cast(share * ops.cast(ends[-1], "float32"), "int32")
        # A float32 product may round up to the number of events itself.
        number = ops.clip(number, 0, ops.maximum(ends[-1] - 1, 0))
        row = ops.searchsorted(ends, ops.reshape(number, (-1,)), side="right")
        row = ops.reshape(ops.cast(row, "int32"), shape)
        row = ops.minimum(row, ops.shape(mask)[0] - 1)  # without any event
        return row * length + number - ops.take(ends - counts, row)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of the logits."""
        return tuple(input_shape["logits"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "weight": self.weight,
            "units": list(self.units),
        }


def _taken(x: Any, places: Any) -> Any:
    """Of `[B, L, ...]` the places of the flattened `[B * L, ...]`."""
    return ops.take(ops.reshape(x, (-1, *x.shape[2:])), places, axis=0)
