"""Inner products of all pairs of fields, through a kernel a pair."""

from typing import Any, Literal

import keras
from keras import ops

from clickwright.models.layers.pairs import (
    check_pairs,
    glorot_normal_each,
    inner_products,
    pair_count,
    pair_embeddings,
)

_TINY = 1e-20


@keras.saving.register_keras_serializable(package="clickwright")
class KernelProducts(keras.layers.Layer):
    """`<e_i K_ij, e_j>` for each pair `i < j`, the pairs of the first field first.

    The kernel of a pair is one of

    * `mat`: a matrix, `e_i^T K_ij e_j`, which is also the inner product of `K_ij` with
      the outer product of the two embeddings;
    * `vec`: its diagonal alone, `sum_d e_id k_ijd e_jd`;
    * `num`: one number, `k_ij <e_i, e_j>`.

    Args:
        kernel: kind of the kernels.
        unit_kernel: whether `e_i K_ij` is rescaled to the norm of `e_i`.
        kernel_initializer: `identity`, with which the layer starts as inner products,
            or, for `mat`, `glorot_normal`.
        kernel_regularizer: regularizer of the kernels.

    Input shape:
        `[batch, F, D]`.

    Output shape:
        `[batch, F (F - 1) / 2]`.

    Example:

    >>> KernelProducts("mat")(np.array([[[1.0, 2.0], [3.0, 4.0]]])).numpy()
    array([[11.]], dtype=float32)

    Raises:
        ValueError: an argument is unknown, or there are fewer than two fields.

    References:
        Qu et al., Product-based Neural Networks for User Response Prediction over
        Multi-field Categorical Data, TOIS 2018 (arXiv 1807.00311), KPNN.
    """

    def __init__(
        self,
        kernel: Literal["mat", "vec", "num"] = "mat",
        unit_kernel: bool = False,
        kernel_initializer: Literal["identity", "glorot_normal"] = "identity",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kernel not in ("mat", "vec", "num"):
            raise ValueError(f"`kernel` must be mat, vec or num. Received: {kernel}")
        if kernel_initializer != "identity" and (kernel, kernel_initializer) != (
            "mat",
            "glorot_normal",
        ):
            raise ValueError(
                "`kernel_initializer` must be identity or, for `mat`, glorot_normal. "
                f"Received: {kernel_initializer} for {kernel}"
            )
        self.kernel = kernel
        self.unit_kernel = unit_kernel
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the kernels: `[P, D, D]`, `[P, D]` or `[P]`."""
        check_pairs("KernelProducts", input_shape)
        pairs, width = pair_count(input_shape), input_shape[2] or 0
        shapes = {"mat": (pairs, width, width), "vec": (pairs, width), "num": (pairs,)}
        self.kernels = self.add_weight(
            name="kernels",
            shape=shapes[self.kernel],
            initializer=self._initializer(pairs),
            regularizer=self.kernel_regularizer,
        )

    def _initializer(self, pairs: int) -> Any:
        if self.kernel_initializer == "glorot_normal":
            return glorot_normal_each(pairs)
        return _identities if self.kernel == "mat" else "ones"

    def call(self, inputs: Any) -> Any:
        """Sends the first embedding of each pair through the kernel of the pair."""
        if self.kernel == "num" and not self.unit_kernel:
            return inner_products(inputs) * self.kernels
        left, right = pair_embeddings(inputs)  # [P, B, D]
        products = ops.sum(self._projected(left) * right, axis=-1)  # [P, B]
        return ops.transpose(products)

    def _projected(self, left: Any) -> Any:
        match self.kernel:
            case "mat":
                projected = ops.matmul(left, self.kernels)
            case "vec":
                projected = left * ops.expand_dims(self.kernels, 1)
            case _:
                projected = left * ops.reshape(self.kernels, (-1, 1, 1))
        if not self.unit_kernel:
            return projected
        scale = ops.sqrt(_squared_norm(left)) * ops.rsqrt(_squared_norm(projected))
        return projected * ops.cast(scale, projected.dtype)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """`[batch, F (F - 1) / 2]`."""
        return (input_shape[0], pair_count(input_shape))

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "kernel": self.kernel,
            "unit_kernel": self.unit_kernel,
            "kernel_initializer": self.kernel_initializer,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def _identities(shape: tuple[int, ...], dtype: Any = None) -> Any:
    return ops.broadcast_to(ops.eye(shape[-1], dtype=dtype), shape)


def _squared_norm(x: Any) -> Any:
    """Kept from zero, where the gradient of a norm is not a number."""
    square = ops.sum(ops.square(ops.cast(x, "float32")), axis=-1, keepdims=True)
    return ops.maximum(square, _TINY)
