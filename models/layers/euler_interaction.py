"""Interactions of learned order, as powers of complex numbers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="clickwright")
class EulerInteraction(keras.layers.Layer):
    """Products of learned powers of the fields, plus a dense part.

    Field `f` is the complex vector `r_f + i p_f = lam_f exp(i theta_f)`. A neuron `k`
    multiplies the fields' powers of order `a_fk`, coordinate by coordinate, which in
    polar form is a sum:

        `theta'_k = sum_f a_fk theta_f + c_k`,
        `lam'_k = exp(sum_f a_fk log(lam_f) + b_k)`,
        `r'_k = relu(W r + d)_k + lam'_k cos(theta'_k)`, and `p'_k` with `p` and `sin`.

    `W` maps all coordinates of all fields. Orders start as the identity where there
    are as many neurons as fields, otherwise with one random field a neuron. In float32
    unless told otherwise: logarithms and angles need it.

    Args:
        neurons: neurons, `K`.
        explicit_dropout: share of `log(lam)` and `theta` dropped in training.
        implicit_dropout: share of the dense part's input dropped in training.
        layer_norm: whether `r'` and `p'` are layer-normalized over coordinates.
        dtype: dtype of the computation.

    Input shape:
        A list `r`, `p`, both `[batch, F, D]`.

    Output shape:
        A list `r'`, `p'`, both `[batch, K, D]`.

    Raises:
        ValueError: `neurons` is below 1.

    References:
        Tian et al., EulerNet, SIGIR 2023 (arXiv 2304.10711).
    """

    def __init__(
        self,
        neurons: int,
        explicit_dropout: float = 0.0,
        implicit_dropout: float = 0.0,
        layer_norm: bool = False,
        dtype: Any = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        if neurons < 1:
            raise ValueError(f"`neurons` must be at least 1. Received: {neurons}")
        self.neurons = neurons
        self.explicit_dropout = explicit_dropout
        self.implicit_dropout = implicit_dropout
        self.layer_norm = layer_norm
        policy = self.dtype_policy
        self.drop_explicit = Dropout(
            explicit_dropout, dtype=policy, name="drop_explicit"
        )
        self.drop_implicit = Dropout(
            implicit_dropout, dtype=policy, name="drop_implicit"
        )
        self.norms = [
            keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy, name=name)
            for name in (("norm_real", "norm_imaginary") if layer_norm else ())
        ]

    def build(self, input_shape: Sequence[tuple[int | None, ...]]) -> None:
        """Makes orders, `[F, K]`, biases, `[K, D]`, and the dense part."""
        shape: Any = input_shape[0]
        _, fields, dim = shape
        self.orders = self.add_weight(
            name="orders",
            shape=(fields, self.neurons),
            initializer="identity" if fields == self.neurons else _one_field_each,
        )
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.modulus_bias, self.phase_bias = (
            self.add_weight(name=name, shape=(self.neurons, dim), initializer=small)
            for name in ("modulus_bias", "phase_bias")
        )
        limit = (fields * dim) ** -0.5
        self.implicit = keras.layers.Dense(
            self.neurons * dim,
            activation="relu",
            kernel_initializer="glorot_uniform",
            bias_initializer=keras.initializers.RandomUniform(-limit, limit),
            dtype=self.dtype_policy,
            name="implicit",
        )
        self.implicit.build((shape[0], fields * dim))
        for norm in self.norms:
            norm.build((shape[0], self.neurons, dim))

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> list[Any]:
        """Goes to polar form and back, and adds the dense part."""
        real, imaginary = inputs
        moduli = 0.5 * ops.log(ops.square(real) + ops.square(imaginary) + 1e-8)
        modulus, phase = (
            ops.einsum(
                "bfd,fk->bkd", self.drop_explicit(part, training=training), self.orders
            )
            for part in (moduli, ops.arctan2(imaginary, real))
        )
        modulus = ops.exp(modulus + self.modulus_bias)  # [B, K, D]
        phase = phase + self.phase_bias
        outputs = [
            self._dense(real, training) + modulus * ops.cos(phase),
            self._dense(imaginary, training) + modulus * ops.sin(phase),
        ]
        if self.layer_norm:
            return [n(o) for n, o in zip(self.norms, outputs, strict=True)]
        return outputs

    def _dense(self, part: Any, training: bool | None) -> Any:
        _, fields, dim = part.shape
        flat = ops.reshape(part, (-1, fields * dim))
        flat = self.implicit(self.drop_implicit(flat, training=training))
        return ops.reshape(flat, (-1, self.neurons, dim))

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> list[tuple[int | None, ...]]:
        """`[batch, K, D]`, twice."""
        batch, _, dim = input_shape[0]
        return [(batch, self.neurons, dim)] * 2

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "neurons": self.neurons,
            "explicit_dropout": self.explicit_dropout,
            "implicit_dropout": self.implicit_dropout,
            "layer_norm": self.layer_norm,
        }


def _one_field_each(shape: Sequence[int], dtype: Any = None) -> Any:
    """Columns that add up to 1, nearly all of it in one place."""
    return ops.softmax(keras.random.normal(shape, stddev=100.0, dtype=dtype), axis=0)
