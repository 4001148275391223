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

    Of cross layers `x_{l+1} = x_0 * (x_l K + b) + x_l`, the values at places of the
    user, `u`, are an affine function of what stood at the items' places, `i`, in the
    layers before, as `x_0[u]` is the same for all items:

        x_l[u] = sum_{k < l} x_k[i] A_{l,k} + a_l,   a_0 = x_0[u]
        A_{l+1,k} = (A_{l,k} K_uu) * x_0[u] + A_{l,k},   A_{l+1,l} = K_iu * x_0[u]
        a_{l+1} = x_0[u] * (a_l K_uu + b_u) + a_l

    With the matrices computed once a user, an item costs `L (L + 1) / 2` products of
    the size of its own places, and not `L` of the size of all.

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
        self.blocks: list[_Block] = []

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Copies the blocks of the kernels."""
        places = [*self.user_places, *self.item_places]
        users = len(self.user_places)
        for cross in self.crosses:
            kernel, bias = (ops.convert_to_numpy(x) for x in (cross.kernel, cross.bias))
            kernel, bias = kernel[np.ix_(places, places)], bias[np.newaxis, places]
            cuts = [
                rows[:, columns]
                for rows in (kernel[:users], kernel[users:], bias)
                for columns in (slice(users), slice(users, None))
            ]
            self.blocks.append(_Block(*map(self._copied, cuts)))
        kernel = ops.convert_to_numpy(self.first.kernel)
        stop = self.start + len(places)
        own = kernel[self.start : stop][places]
        self.own = self._copied(own[:users]), self._copied(own[users:])
        beside = (kernel[: self.start], kernel[stop:])
        self.beside = [self._copied(rows) for rows in beside if len(rows)]

    def product(self, inputs: Sequence[Any]) -> Any:
        """What the first kernel of `layer` makes of the crosses, `[N, h]`."""
        user, item, *others = (ops.cast(x, self.compute_dtype) for x in inputs)
        rows, constants = self._of_user(user)
        known = [item]
        for row, constant in zip(rows[:-1], constants[:-1], strict=True):
            products = (ops.matmul(x, a) for x, a in zip(known, row, strict=True))
            known.append(item * sum(products, start=constant) + known[-1])
        result = constants[-1]
        for x, kernel in zip(known, rows[-1], strict=True):
            result += ops.matmul(x, kernel)
        for other, kernel in zip(others, self.beside, strict=True):
            result += ops.matmul(other, kernel)
        return result

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of the layer."""
        width = sum(shape[1] or 0 for shape in input_shape)
        shape: tuple[int | None, ...] = self.layer.compute_output_shape(
            (input_shape[1][0], width)
        )
        return shape

    def _of_user(self, user: Any) -> tuple[list[list[Any]], list[Any]]:
        """What all items of a user share.

        Returns:
            For each cross layer and what reads the last one, the matrices of `x_0[i]
            .. x_l[i]` and the constant row: their sum is `x_l K + b` at the places of
            the items, and the product of the reader.
        """
        known: list[Any] = []  # A_{l,k}
        constant = user  # a_l
        rows, constants = [], []
        for block in self.blocks:
            products = [ops.matmul(x, block.users_to_items) for x in known]
            rows.append([*products, block.items_to_items])
            row = ops.matmul(constant, block.users_to_items) + block.items_bias
            constants.append(row)
            if block is self.blocks[-1]:
                break
            square = block.users_to_users
            known = [ops.matmul(x, square) * user + x for x in known]
            known.append(block.items_to_users * user)
            row = ops.matmul(constant, square) + block.users_bias
            constant = user * row + constant
        # The other way round for the last layer: what reads it is mostly narrow.
        of_users, of_items = self.own
        scaled = ops.transpose(user) * of_users  # [a, h]
        before = of_users + ops.matmul(block.users_to_users, scaled)
        rows.append(
            [
                *(ops.matmul(x, before) for x in known),
                ops.matmul(block.items_to_users, scaled),
                of_items,
            ]
        )
        last = ops.matmul(block.users_bias, scaled)
        constants.append(ops.matmul(constant, before) + last)
        return rows, constants

    def _copied(self, values: np.ndarray) -> Any:
        return self.add_weight(
            shape=values.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype),
            dtype=self.compute_dtype,
            trainable=False,
        )


class _Block(NamedTuple):
    """A cross layer's kernel and bias, cut by whose places they read and write."""

    users_to_users: Any
    """`[a, a]`."""
    users_to_items: Any
    """`[a, c]`."""
    items_to_users: Any
    """`[c, a]`."""
    items_to_items: Any
    """`[c, c]`."""
    users_bias: Any
    """`[1, a]`."""
    items_bias: Any
    """`[1, c]`."""
