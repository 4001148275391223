"""Attention by equal hashes."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from clickwright.models.layers.gather_places import gather_places


@keras.saving.register_keras_serializable(package="clickwright")
class BucketAttention(keras.layers.Layer):
    """The sum of the items that fall into the target's bucket, as SDIM has it.

    Bit `b` of hash `h` of a vector `x` says whether `x . r_hb > 0`; bits weigh 1, 2, 4
    and so on and number the `2^bits` buckets. The output is the mean over the hashes of
    the sum of the real items in the target's bucket. There is no softmax. The `r_hb`
    are drawn from `seed` and never trained; they are weights, so that a saved model
    hashes as it did in training.

    The history comes in by its bucket sums, `[N or 1, hashes, 2^bits, d]`: one of batch
    1 is summed once, and a target then costs nothing that depends on its length. Hashes
    and sums are in float32.

    Args:
        hashes: hashes.
        bits: bits of each.
        l2_norm: whether the sum of every hash is brought to length 1.
        seed: of the `r_hb`.

    Input shape:
        Dict of `target`, `[N, d]`; `history`, `[N or 1, L, d]`; and `mask`,
        `[N or 1, L]`.

    Output shape:
        `[N, d]`.

    Raises:
        ValueError: an argument is out of its range.

    References:
        Cao et al., Sampling Is All You Need on Modeling Long-Term User Behaviors for
        CTR Prediction, CIKM 2022; as in FuxiCTR (model_zoo/LongCTR/SDIM).
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(
        self,
        hashes: int,
        bits: int,
        l2_norm: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if hashes < 1:
            raise ValueError(f"`hashes` must be positive. Received: {hashes}")
        if not 1 <= bits <= 16:
            raise ValueError(f"`bits` must be 1 to 16. Received: {bits}")
        self.hashes = hashes
        self.bits = bits
        self.l2_norm = l2_norm
        self.seed = seed

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Draws the `r_hb`, `[d, hashes, bits]`."""
        self.rotation = self.add_weight(
            name="rotation",
            shape=(input_shape["target"][-1], self.hashes, self.bits),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
            trainable=False,
            autocast=False,
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Sums the history up by bucket, and takes the target's."""
        history = ops.cast(inputs["history"], "float32")  # [N, L, d]
        columns = self.hashes * 2**self.bits
        first = ops.arange(self.hashes, dtype="int32") * 2**self.bits
        found = self.buckets(history) + first  # [N, L, hashes]
        there = ops.sum(ops.one_hot(found, columns, dtype="float32"), axis=2)
        there = there * ops.expand_dims(ops.cast(inputs["mask"], "float32"), -1)
        sums = ops.matmul(ops.transpose(there, (0, 2, 1)), history)  # [N, columns, d]
        chosen = gather_places(sums, self.buckets(inputs["target"]) + first)
        if self.l2_norm:
            chosen = ops.normalize(chosen, axis=-1, epsilon=1e-12)
        return ops.cast(ops.mean(chosen, axis=1), self.compute_dtype)

    def buckets(self, x: Any) -> Any:
        """The bucket of vectors `[..., d]` by each hash, int32 `[..., hashes]`."""
        kernel = ops.reshape(self.rotation, (-1, self.hashes * self.bits))
        projected = ops.matmul(ops.cast(x, "float32"), kernel)
        shape = (-1, *x.shape[1:-1], self.hashes, self.bits)
        bits = ops.cast(ops.reshape(projected, shape) > 0, "int32")
        return ops.sum(bits * ops.power(2, ops.arange(self.bits, dtype="int32")), -1)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, d]`."""
        return tuple(input_shape["target"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "hashes": self.hashes,
            "bits": self.bits,
            "l2_norm": self.l2_norm,
            "seed": self.seed,
        }
