"""Distance of hashed vectors."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class HammingDistance(keras.layers.Layer):
    """Bits in which the hashes of target and history items differ, as ETA has it.

    Bit `b` of a vector `x` says whether `x . r_b > 0`. The `r_b` are drawn from `seed`
    and never trained; they are weights, so that a saved model hashes as it did in
    training. Where the mask is 0 the distance is `bits + 1`, farther than any item.

    Hashes are made in float32, and those of a history of batch 1 once for all targets.

    Args:
        bits: length of a hash.
        seed: of the `r_b`.

    Input shape:
        Dict of `target`, `[N, d]`; `history`, `[N or 1, L, d]`; and `mask`,
        `[N or 1, L]`.

    Output shape:
        `[N, L]`.

    Raises:
        ValueError: `bits` is not positive.

    References:
        Chen et al., End-to-End User Behavior Retrieval in Click-Through Rate
        Prediction Model, 2021 (arXiv 2108.04468).
    """

    mixes_batches: ClassVar[bool] = True

    def __init__(self, bits: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if bits < 1:
            raise ValueError(f"`bits` must be positive. Received: {bits}")
        self.bits = bits
        self.seed = seed

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Draws the `r_b`, `[d, bits]`."""
        self.rotation = self.add_weight(
            name="rotation",
            shape=(input_shape["target"][-1], self.bits),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
            trainable=False,
            autocast=False,
        )

    def call(self, inputs: Mapping[str, Any]) -> Any:
        """Hashes and counts."""
        target = ops.expand_dims(self._signs(inputs["target"]), -1)  # [N, bits, 1]
        history = self._signs(inputs["history"])  # [N, L, bits]
        agreement = ops.squeeze(ops.matmul(history, target), -1)  # [N, L]
        distance = ops.where(
            inputs["mask"] > 0, (self.bits - agreement) / 2, self.bits + 1.0
        )
        return ops.cast(distance, self.compute_dtype)

    def _signs(self, x: Any) -> Any:
        """1 where a bit is set, -1 elsewhere, `[..., bits]`."""
        projected = ops.matmul(ops.cast(x, "float32"), self.rotation)
        return ops.where(projected > 0, 1.0, -1.0)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """`[N, L]`."""
        return (input_shape["target"][0], input_shape["history"][1])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "bits": self.bits, "seed": self.seed}
