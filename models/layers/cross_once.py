"""Cross layers of a user and many items, which do the user's part once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.user_once import UserOnce


class CrossOnce(UserOnce):
    """Cross layers, and the dense layer or tower that reads the last one's output.

    Of a cross layer `x_{l+1} = x_0 * (x_l K + b) + x_l`, the values at places of the
    user, `u`, are an affine function of what stood at the items' places, `i`, in the
    layers before: with `x_0[u]` the same for all items,

        x_{l+1}[u] V = x_l[u] (V + K_uu W) + x_l[i] K_iu W + b_u W,   W = x_0[u]^T * V

    for any `V`. Following this back to `x_0[u]`, whatever is multiplied with `x_l[u]`
    becomes one matrix for `x_0[i] .. x_{l-1}[i]` and one row, both computed once a
    user. An item costs `L (L + 1) / 2` matrices of the size of its own places, and not
    `L` of the size of all.

    The blocks of the kernels are copied when the layer is built, as cutting them out
    for each user would take as long as a product.

    Args:
        crosses: the dense layers of the cross layers, each with its kernel `K` and
            bias `b`, without activation.
        layer: what reads the result, and other tensors beside it.
        user_places: places of the user in `x_0`.
        item_places: places of the items in it.
        start: where the result starts among the inputs of `layer`.

    Input shape:
        `[1, a]` and `[N, c]`, the sides of `x_0`; if `layer` has more inputs, also
        `[N, before]` and `[N, after]` that stand before and after the result, where
        there are any.

    Output shape:
        `[N, h]`, what `layer` gives.
    """

    def __init__(
        self,
        crosses: Sequence[keras.layers.Dense],
        layer: keras.layers.Dense | MLP,
        user_places: Sequence[int],
        item_places: Sequence[int],
        start: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, user_places, item_places, **kwargs)
        self.crosses = list(crosses)
        self.start = start
        self.blocks: list[_Blocks] = []

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Copies the blocks of the kernels."""
        sides = (self.user_places, self.item_places)
        for cross in self.crosses:
            kernel, bias = (ops.convert_to_numpy(x) for x in (cross.kernel, cross.bias))
            cut = [kernel[np.ix_(a, b)] for a in sides for b in sides]
            cut += [bias[np.newaxis, places] for places in sides]
            self.blocks.append(_Blocks(*map(self._copied, cut)))
        kernel = ops.convert_to_numpy(self.first.kernel)
        stop = self.start + sum(map(len, sides))
        own = kernel[self.start : stop]
        self.own = [self._copied(own[list(places)]) for places in sides]
        beside = (kernel[: self.start], kernel[stop:])
        self.beside = [self._copied(rows) for rows in beside if len(rows)]

    def product(self, inputs: Sequence[Any]) -> Any:
        """What the first kernel of `layer` makes of the crosses, `[N, h]`."""
        user, item, *others = (ops.cast(x, self.compute_dtype) for x in inputs)
        xs = [item]  # x_0[i] .. x_l[i]
        for block in self.blocks:
            crossed = self._affine(user, xs, block.user_item, block.item_item)
            xs.append(item * (crossed + block.item_bias) + xs[-1])
        x = self._affine(user, xs, *self.own)
        for other, kernel in zip(others, self.beside, strict=True):
            x += ops.matmul(other, kernel)
        return x

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of the layer."""
        width = sum(shape[1] or 0 for shape in input_shape)
        shape: tuple[int | None, ...] = self.layer.compute_output_shape(
            (input_shape[1][0], width)
        )
        return shape

    def _affine(
        self, user: Any, xs: Sequence[Any], user_kernel: Any, item_kernel: Any
    ) -> Any:
        """The last of `x_0 .. x_l`, multiplied with both kernels, `[N, h]`."""
        column = ops.transpose(user)  # [a, 1]
        v = user_kernel  # [a, h]
        parts = [item_kernel]  # from the last layer on
        constant = 0.0
        for block in reversed(self.blocks[: len(xs) - 1]):
            w = column * v
            parts.append(ops.matmul(block.item_user, w))
            constant += ops.matmul(block.user_bias, w)
            v = v + ops.matmul(block.user_user, w)
        constant += ops.matmul(user, v)
        kernel = ops.concatenate(parts[::-1], axis=0)
        return ops.matmul(ops.concatenate(xs, axis=1), kernel) + constant

    def _copied(self, values: np.ndarray) -> Any:
        return self.add_weight(
            shape=values.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype),
            dtype=self.compute_dtype,
            trainable=False,
        )


class _Blocks(NamedTuple):
    """A cross layer's kernel and bias by where rows and columns belong."""

    user_user: Any
    user_item: Any
    item_user: Any
    item_item: Any
    user_bias: Any
    item_bias: Any
