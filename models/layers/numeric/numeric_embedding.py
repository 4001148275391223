"""The embeddings of all numeric fields that have an encoder."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.layers.numeric.autodis import AutoDis
from clickwright.models.layers.numeric.buckets import Buckets
from clickwright.models.layers.numeric.log_linear import LogLinear
from clickwright.models.layers.numeric.nary import Nary
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder
from clickwright.models.layers.numeric.numeric_mlp import NumericMLP
from clickwright.models.layers.numeric.periodic import Periodic
from clickwright.models.layers.numeric.piecewise_linear import PiecewiseLinear
from clickwright.models.layers.numeric.tabulated_encoder import TabulatedEncoder
from clickwright.schemas.model_input import ModelInput

_ENCODERS: Mapping[str, type[NumericEncoder]] = {
    encoder.kind: encoder
    for encoder in (
        AutoDis,
        Buckets,
        LogLinear,
        Nary,
        NumericMLP,
        Periodic,
        PiecewiseLinear,
        TabulatedEncoder,
    )
}


@keras.saving.register_keras_serializable(package="clickwright")
class NumericEmbedding(keras.layers.Layer):
    """Embeds numeric fields, each by the encoding that its input names.

    Fields of one kind and of settings that fit together share one encoder, which
    embeds all of them in one go; `encoders` lists these in the order of their first
    fields.

    Args:
        inputs: inputs of kind `value` with an encoding other than `linear`, in the
            order of the output's fields.
        width: values an embedding, `D`.
        embeddings_initializer: see `NumericEncoder`.
        embeddings_regularizer: see `NumericEncoder`.

    Input shape:
        Dict of `[batch]` tensors by name, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no inputs, or one without such an encoding.
    """

    def __init__(
        self,
        inputs: Sequence[ModelInput | Mapping[str, Any]],
        width: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.inputs = tuple(ModelInput.of(i) for i in inputs)
        self.width = width
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        if not self.inputs:
            raise ValueError("`inputs` must name at least one input. Received: none.")
        groups: dict[tuple[str, str], list[ModelInput]] = {}
        for i in self.inputs:
            if i.numeric is None or i.numeric.kind not in _ENCODERS:
                raise ValueError(
                    f"`inputs` must have one of the encodings {', '.join(_ENCODERS)}. "
                    f"Received: {i}"
                )
            kind = i.numeric.kind
            settings = _ENCODERS[kind].settings(i.numeric)
            groups.setdefault((kind, settings), []).append(i)
        self.encoders = tuple(
            self._encoder(n, members) for n, members in enumerate(groups.values())
        )
        order = [name for encoder in self.encoders for name in encoder.names]
        self._places = [order.index(i.name) for i in self.inputs]

    def _encoder(self, position: int, members: Sequence[ModelInput]) -> NumericEncoder:
        encodings = [i.numeric for i in members if i.numeric is not None]
        kind = encodings[0].kind
        return _ENCODERS[kind](
            [i.name for i in members],
            encodings,
            self.width,
            embeddings_initializer=self.embeddings_initializer,
            embeddings_regularizer=self.embeddings_regularizer,
            dtype=self.dtype_policy,
            name=f"{kind}_{position}",
        )

    def build(self, input_shape: Any) -> None:
        """Builds the encoders."""
        for encoder in self.encoders:
            encoder.build((None, len(encoder.names)))

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Encodes by groups, and lays the fields in the order of `inputs`."""
        encoded = [
            encoder(self.values_of(encoder, inputs), training=training)
            for encoder in self.encoders
        ]
        if self._places == list(range(len(self.inputs))):
            return encoded[0] if len(encoded) == 1 else ops.concatenate(encoded, axis=1)
        # Splits and a concatenation: the gradient of a gather would be a scatter.
        fields = [
            field
            for part, encoder in zip(encoded, self.encoders, strict=True)
            for field in ops.split(part, len(encoder.names), axis=1)
        ]
        return ops.concatenate([fields[n] for n in self._places], axis=1)

    def values_of(self, encoder: NumericEncoder, inputs: Mapping[str, Any]) -> Any:
        """The values of an encoder's fields side by side, `[batch, n]`, float32."""
        return ops.stack(
            [ops.cast(inputs[name], "float32") for name in encoder.names], axis=1
        )

    def encoder_of(self, name: str) -> tuple[NumericEncoder, int]:
        """The encoder of a field, and the field's position among its fields.

        Raises:
            ValueError: there is no such field.
        """
        for encoder in self.encoders:
            if name in encoder.names:
                return encoder, encoder.names.index(name)
        raise ValueError(
            f"`name` must be one of {', '.join(i.name for i in self.inputs)}. "
            f"Received: {name}"
        )

    def compute_output_shape(
        self, input_shape: Mapping[str, Any]
    ) -> tuple[int | None, ...]:
        """`[batch, F, width]`."""
        batch = input_shape[self.inputs[0].name][0]
        return (batch, len(self.inputs), self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments; inputs as plain dicts."""
        return {
            **super().get_config(),
            "inputs": [i.to_dict() for i in self.inputs],
            "width": self.width,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "embeddings_regularizer": keras.regularizers.serialize(
                self.embeddings_regularizer
            ),
        }
