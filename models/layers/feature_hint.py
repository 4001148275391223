"""A penalty that pulls shallow features towards the deepest ones."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="clickwright")
class FeatureHint(keras.layers.Layer):
    """Passes features on; in training adds `weight * sum_l mean((f_L - f_l)^2)`.

    `f_L` is the last of the features. The mean runs over rows and coordinates, in
    float32; rows count alike, whatever their weight, for no label enters.

    Args:
        weight: factor of the penalty.
        detach_teacher: whether `f_L` is taken as given; otherwise it moves towards the
            others too, as in published results.

    Input shape:
        A list of `[batch, N]`.

    Output shape:
        The same list.

    Raises:
        ValueError: `weight` is negative.

    References:
        FSDNet (arXiv 2411.07508).
    """

    def __init__(
        self, weight: float, detach_teacher: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if weight < 0:
            raise ValueError(f"`weight` must not be negative. Received: {weight}")
        self.weight = weight
        self.detach_teacher = detach_teacher

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> list[Any]:
        """Adds the penalty and returns the features as they are."""
        if training and len(inputs) > 1:
            features = [ops.cast(f, "float32") for f in inputs]
            teacher = features[-1]
            if self.detach_teacher:
                teacher = ops.stop_gradient(teacher)
            gaps = [ops.mean(ops.square(teacher - f)) for f in features[:-1]]
            self.add_loss(self.weight * sum(gaps))
        return list(inputs)

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> list[tuple[int | None, ...]]:
        """The shapes of the features."""
        return [tuple(shape) for shape in input_shape]

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "weight": self.weight,
            "detach_teacher": self.detach_teacher,
        }
