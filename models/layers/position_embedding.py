"""Adding what a place of a history means."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="clickwright")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to each place: `x_l + P_l`.

    Fewer places than the layer was built for are the last ones.

    Args:
        embeddings_initializer: initializer of the vectors.

    Input shape:
        `[batch, L, D]`, or fewer places.

    Output shape:
        As the input.
    """

    def __init__(
        self, embeddings_initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the vectors, `[L, D]`."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=input_shape[1:],
            initializer=self.embeddings_initializer,
        )

    def call(self, inputs: Any) -> Any:
        """Adds."""
        return inputs + self.embeddings[-inputs.shape[1] :]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
        }
