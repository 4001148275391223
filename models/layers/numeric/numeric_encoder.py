"""What all encoders of numbers have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import pydantic
from keras import ops

from clickwright.schemas.numeric_encoding import ModelEncoding

_ENCODING: pydantic.TypeAdapter[ModelEncoding] = pydantic.TypeAdapter(ModelEncoding)


class NumericEncoder(keras.layers.Layer):
    """Embeds the numeric fields of one kind of encoding, all at once.

    A missing value, NaN, gives an embedding of its field's own, and no gradient to
    anything else. A subclass states `kind` and `per_field` and fills in `encode` and,
    where its fields have bins, `weigh`. Values reach both in float32 and without
    NaN, and what they give in rows of missing values is thrown away.

    Args:
        names: the fields.
        encodings: the encoding of each; they agree on all but `per_field`.
        width: values an embedding, `D`.
        embeddings_initializer: initializer of all weights that make an embedding's
            values; each of them draws values of its own.
        embeddings_regularizer: regularizer of the same.

    Input shape:
        `[batch, F]`, float32, NaN where a value is missing.

    Output shape:
        `[batch, F, width]`.

    Raises:
        ValueError: there are no fields, or encodings that do not belong together.
    """

    kind: ClassVar[str]
    """Kind of its encodings."""
    per_field: ClassVar[frozenset[str]] = frozenset()
    """Settings in which the fields of one encoder may differ."""

    def __init__(
        self,
        names: Sequence[str],
        encodings: Sequence[ModelEncoding | Mapping[str, Any]],
        width: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast values keep float32, in which boundaries and logits are.
        super().__init__(autocast=False, **kwargs)
        self.names = tuple(names)
        self.encodings: tuple[Any, ...] = tuple(
            _ENCODING.validate_python(e, strict=False) if isinstance(e, Mapping) else e
            for e in encodings
        )
        if not self.names or len(self.names) != len(self.encodings):
            raise ValueError(
                "`names` and `encodings` must be of one length, 1 or more. Received: "
                f"{len(self.names)} and {len(self.encodings)}"
            )
        kinds = {e.kind for e in self.encodings}
        if kinds != {self.kind} or len(set(map(self.settings, self.encodings))) > 1:
            raise ValueError(
                f"`encodings` must all be `{self.kind}` and differ in no more than "
                f"{sorted(self.per_field)}. Received: {self.encodings}"
            )
        if width < 1:
            raise ValueError(f"`width` must be positive. Received: {width}")
        self.width = width
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)

    @classmethod
    def settings(cls, encoding: ModelEncoding) -> str:
        """Equal for encodings that one encoder can serve."""
        return encoding.model_dump_json(exclude=set(cls.per_field))

    def build(self, input_shape: Any) -> None:
        """Makes the embeddings of missing values, `[F, D]`."""
        self.missing = self.add_embeddings("missing", (len(self.names), self.width))

    def call(self, values: Any, training: bool | None = None) -> Any:
        """Encodes, and puts the embedding of missing values where one is missing."""
        x, missing = self.known(values)
        encoded = self.encode(x, training)  # [B, F, D]
        encoded = ops.where(
            ops.expand_dims(missing, -1),
            ops.cast(self.missing, encoded.dtype),
            encoded,
        )
        return ops.cast(encoded, self.compute_dtype)

    def assignments(self, values: Any) -> Any:
        """What share of a value each bin of its field has.

        Args:
            values: `[batch, F]`, NaN where a value is missing.

        Returns:
            `[batch, F, K]`, float32, not negative; `K` is the largest number of bins
            that a field has, and fields with fewer have zeros after them. Rows sum to
            1; those of missing values are zeros. None where fields have no bins.
        """
        x, missing = self.known(values)
        weights = self.weigh(x)
        if weights is None:
            return None
        return ops.where(ops.expand_dims(missing, -1), 0.0, weights)

    def encode(self, x: Any, training: bool | None) -> Any:
        """Embeddings `[batch, F, D]` of float32 values `[batch, F]`, none missing."""
        raise NotImplementedError

    def weigh(self, x: Any) -> Any:
        """Shares `[batch, F, K]` of the bins; None where there are none."""
        return None

    def known(self, values: Any) -> tuple[Any, Any]:
        """The values in float32, 0 where one is missing, and where that is."""
        x = ops.cast(values, "float32")
        missing = ops.isnan(x)
        # No NaN may reach a formula: times a gradient of 0 it would still be NaN.
        return ops.where(missing, 0.0, x), missing

    def by_field(self, x: Any) -> Any:
        """Values `[batch, F]` with the field in front, `[F, batch, 1]`.

        In this order one batched matrix product serves all fields; with the batch in
        front, each product would transpose its input and its output.
        """
        return ops.expand_dims(ops.transpose(x), -1)

    def mix(self, weights: Any, rows: Any) -> Any:
        """Sums of rows `[F, K, D]` by weights `[F, batch, K]`: `[batch, F, D]`."""
        mixed = ops.matmul(
            ops.cast(weights, self.compute_dtype), ops.cast(rows, self.compute_dtype)
        )
        return ops.transpose(mixed, (1, 0, 2))

    def add_embeddings(
        self, name: str, shape: tuple[int, ...], mask: Any = None
    ) -> Any:
        """A weight that makes values of embeddings; 0 where there is a mask of 0."""
        # An initializer draws the same values every time: each weight needs its own.
        initializer = self.embeddings_initializer.clone()
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer if mask is None else times(initializer, mask),
            regularizer=self.embeddings_regularizer,
            autocast=False,
        )

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """`[batch, F, width]`."""
        return (input_shape[0], len(self.names), self.width)

    def get_config(self) -> dict[str, Any]:
        """All arguments; encodings as plain dicts."""
        return {
            **super().get_config(),
            "names": list(self.names),
            "encodings": [e.model_dump(mode="json") for e in self.encodings],
            "width": self.width,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "embeddings_regularizer": keras.regularizers.serialize(
                self.embeddings_regularizer
            ),
        }


def softmax(logits: Any) -> Any:
    """The softmax over the last axis, which may be of one place."""
    if logits.shape[-1] == 1:
        # Keras warns of such a softmax. Still a function of the logits, so that no
        # weight is without a gradient, of 0.
        return ops.exp(logits - logits)
    # Takes the largest off first, so that no exponential overflows.
    return ops.softmax(logits, axis=-1)


def times(initializer: Any, factors: Any) -> Any:
    """An initializer of another's values times these factors."""

    def initialize(shape: Any, dtype: Any = None) -> Any:
        return initializer(shape, dtype=dtype) * ops.cast(factors, dtype)

    return initialize
