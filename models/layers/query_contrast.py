"""What queries and items have to do with each other, learned beside the clicks."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.query_diffusion import QueryDiffusion
from clickwright.models.losses.info_nce import info_nce


@keras.saving.register_keras_serializable(package="clickwright")
class QueryContrast(keras.layers.Layer):
    """Passes logits on; in training adds a contrast of queries and items.

    Of each row one query is drawn. Its positive is the item clicked for it or, where
    none was, the one that `QueryDiffusion` makes of it; that one is taken as given, so
    that the contrast teaches the diffusion nothing. Networks with one hidden layer bring
    both to views, and `info_nce` tells them from those of the other rows; rows with the
    same query or the same clicked item are no negatives of each other. Rows without
    queries count for nothing.

    The diffusion learns from one clicked query a row, by its mean squared error. It sees
    queries and items as they are at the moment, brought to a mean square of 1: its error
    does not move them. Without it (`diffusion_weight` 0) queries without a click are left
    out of the contrast.

    Args:
        weight: factor of the contrast.
        diffusion_weight: factor of the diffusion's error.
        temperature: divides the cosines.
        steps: steps of the diffusion.
        jumps: steps back from a query to an item.

    Input shape:
        Dict of `logits`, `[batch, K]`; `queries`, `[batch, L, D]`, the queries' vectors;
        `items`, `[batch, L, D]`, the vectors of the items clicked for them; and the
        integers `query_ids` and `item_ids`, `[batch, L]`, 0 where there is none.

    Output shape:
        `[batch, K]`.

    Raises:
        ValueError: an argument is out of its range.

    References:
        Enhancing CTR Prediction in Recommendation Domain with Search Query
        Representation, CIKM 2024 (arXiv 2410.21487). Heads, draws, and that the
        diffusion learns from the start, are a reconstruction from its summary.
    """

    def __init__(
        self,
        weight: float = 0.1,
        diffusion_weight: float = 1.0,
        temperature: float = 0.1,
        steps: int = 50,
        jumps: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(weight, diffusion_weight) < 0:
            raise ValueError(
                "`weight` and `diffusion_weight` must not be negative. Received: "
                f"{weight} and {diffusion_weight}"
            )
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")
        self.weight = weight
        self.diffusion_weight = diffusion_weight
        self.temperature = temperature
        self.steps = steps
        self.jumps = jumps
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the heads and the diffusion."""
        width = input_shape["queries"][-1] or 0
        self.query_head = self._head("query_head", width)
        self.item_head = self._head("item_head", width)
        self.diffusion = None
        if self.diffusion_weight:
            self.diffusion = QueryDiffusion(
                self.steps,
                self.jumps,
                4 * width,
                dtype=self.dtype_policy,
                name="diffusion",
            )
            self.diffusion.build({"noised": (None, width)})

    def _head(self, name: str, width: int) -> list[Any]:
        """Two dense layers, the first with an activation."""
        layers = [
            MLP(
                (width,),
                activation=activation,
                batch_norm=False,
                dtype=self.dtype_policy,
                name=f"{name}_{n}",
            )
            for n, activation in enumerate(("relu", "linear"))
        ]
        for layer in layers:
            layer.build((None, width))
        return layers

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Adds the losses in training, and returns the logits as they are."""
        if training:
            self.add_loss(self.losses_of(inputs))
        return inputs["logits"]

    def losses_of(self, inputs: Mapping[str, Any]) -> Any:
        """The contrast and the diffusion's error with their factors, a scalar."""
        asked, clicked = inputs["query_ids"] > 0, inputs["item_ids"] > 0  # [B, L]
        clicked = ops.logical_and(asked, clicked)
        total = ops.zeros(())
        if self.diffusion is not None:
            place = self._drawn(clicked)
            error = self.diffusion.loss(
                ops.stop_gradient(_scaled(_at(inputs["items"], place))),
                ops.stop_gradient(_scaled(_at(inputs["queries"], place))),
                ops.any(clicked, axis=1),
            )
            total = total + self.diffusion_weight * error
        if self.weight:
            total = total + self.weight * self.contrast(inputs, asked, clicked)
        return total

    def contrast(self, inputs: Mapping[str, Any], asked: Any, clicked: Any) -> Any:
        """`info_nce` of a query a row and its positive, a scalar."""
        eligible = asked if self.diffusion is not None else clicked
        place = self._drawn(eligible)
        queries = _scaled(_at(inputs["queries"], place))
        items = _scaled(_at(inputs["items"], place))
        query_id, item_id = (
            ops.cast(_at(inputs[name], place), "int32")
            for name in ("query_ids", "item_ids")
        )
        if self.diffusion is not None:
            made = self.diffusion.generate(ops.stop_gradient(queries))
            made = _scaled(ops.stop_gradient(made))
            items = ops.where(ops.expand_dims(item_id > 0, -1), items, made)
        same_item = ops.logical_and(_pairs_equal(item_id), item_id > 0)
        return info_nce(
            _through(self.query_head, ops.cast(queries, self.compute_dtype)),
            _through(self.item_head, ops.cast(items, self.compute_dtype)),
            self.temperature,
            valid=ops.any(eligible, axis=1),
            same=ops.logical_or(_pairs_equal(query_id), same_item),
        )

    def _drawn(self, eligible: Any) -> Any:
        """A random eligible place of each row, `[batch]`; any where none is."""
        numbers = keras.random.uniform(ops.shape(eligible), seed=self.seed_generator)
        return ops.argmax(ops.where(eligible, numbers, -1.0), axis=1)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of `logits`."""
        return tuple(input_shape["logits"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "weight": self.weight,
            "diffusion_weight": self.diffusion_weight,
            "temperature": self.temperature,
            "steps": self.steps,
            "jumps": self.jumps,
        }


def _at(x: Any, place: Any) -> Any:
    """The values of `[batch, L, ...]` at one place a row, `[batch, ...]`."""
    index = ops.reshape(ops.cast(place, "int32"), (-1, *[1] * (len(x.shape) - 1)))
    return ops.squeeze(ops.take_along_axis(x, index, axis=1), 1)


def _scaled(x: Any) -> Any:
    """Rows of mean square 1, float32; zeros stay zeros."""
    x = ops.cast(x, "float32")
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-12)


def _through(layers: list[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def _pairs_equal(x: Any) -> Any:
    """Whether two rows have the same value, `[batch, batch]`."""
    return ops.equal(ops.expand_dims(x, 1), ops.expand_dims(x, 0))
