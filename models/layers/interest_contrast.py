"""MISS: contrasts of interests that lie close in a history."""

from collections.abc import Mapping
from typing import Any, Literal

import keras
from keras import ops

from clickwright.models.layers.interest_kernel import InterestKernel
from clickwright.models.losses.info_nce import info_nce


@keras.saving.register_keras_serializable(package="clickwright")
class InterestContrast(keras.layers.Layer):
    """Passes logits on; in training adds contrasts of a history's interests.

    The history has `J` fields of `K` values a place. For each window width `m = 1 ..
    widths`, two windows of `m` events are drawn from each row, the second starting 1
    to `distance` places behind the end of the first, every such pair with the same
    chance. A horizontal kernel, `InterestKernel`, makes each window `G`, `[J, K]`.

    * interest level: the views are the whole `G` of both windows;
    * feature level: for each height `n = 1 .. heights`, a vertical kernel runs over the
      fields, and one of its `J - n + 1` results is drawn. By `feature_pairs` the views
      are `across_time`, the same result of both windows, or `same_time`, two results of
      the first window.

    Views go through an encoder of two dense layers with a ReLU between them, one a level
    and `m`, and meet those of the other rows in `info_nce`. To the loss come `interest_weight` times the mean
    contrast of the interest level and `feature_weight` times that of the feature level.
    Rows too short for a pair count for nothing, and rows with one of the same windows
    are no negatives of each other. Contrasts cost `batch * batch` products, `widths *
    (1 + heights)` times.

    Args:
        fields: `J`.
        widths: window widths; those that `L` places cannot hold two of are left out.
        heights: heights of vertical kernels, at most `J`; None for `J`.
        distance: largest distance of the windows.
        temperature: divides the cosines.
        interest_weight: weight of the interest level; 0 leaves it out.
        feature_weight: weight of the feature level; 0 leaves it out.
        projection: width of the encoders' layers; None for `K`.
        activation: activation of the kernels.
        feature_pairs: `across_time` or `same_time`.

    Input shape:
        Dict of `logits`, `[batch, N]`, `history`, `[batch, L, J * K]`, field by field,
        `ids`, the items of the history, `[batch, L]`, and `mask`, `[batch, L]`, 1 at
        events and 0 at padding.

    Output shape:
        `[batch, N]`.

    Raises:
        ValueError: an argument is out of its range, the history is not `J` fields wide,
            or nothing is left to contrast.

    References:
        Guo et al., MISS: Multi-Interest Self-Supervised Learning for Click-Through
        Rate Prediction, ICDE 2022 (arXiv 2111.15068). Kernels, windows and views are a
        reconstruction from its summary; that windows never overlap, that kernels are
        numbers a place, and what the feature level compares are our decisions.
    """

    def __init__(
        self,
        fields: int,
        widths: int = 3,
        heights: int | None = None,
        distance: int = 2,
        temperature: float = 0.1,
        interest_weight: float = 0.5,
        feature_weight: float = 0.5,
        projection: int | None = None,
        activation: str = "relu",
        feature_pairs: Literal["across_time", "same_time"] = "across_time",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (
            ("fields", fields),
            ("widths", widths),
            ("heights", 1 if heights is None else heights),
            ("distance", distance),
        ):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {value}")
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")
        if min(interest_weight, feature_weight) < 0:
            raise ValueError(
                "`interest_weight` and `feature_weight` must not be negative. Received: "
                f"{interest_weight} and {feature_weight}"
            )
        if feature_pairs not in ("across_time", "same_time"):
            raise ValueError(
                "`feature_pairs` must be `across_time` or `same_time`. Received: "
                f"{feature_pairs}"
            )
        self.fields = fields
        self.widths = widths
        self.heights = heights
        self.distance = distance
        self.temperature = temperature
        self.interest_weight = interest_weight
        self.feature_weight = feature_weight
        self.projection = projection
        self.activation = activation
        self.feature_pairs = feature_pairs
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: Mapping[str, tuple[Any, ...]]) -> None:
        """Makes the kernels and the encoders."""
        _, length, total = input_shape["history"]
        if total % self.fields:
            raise ValueError(
                f"`history` must be a multiple of its {self.fields} fields wide. "
                f"Received: {total}"
            )
        width = total // self.fields
        policy = self.dtype_policy
        fewest = 2 if self.feature_pairs == "same_time" else 1
        highest = min(self.heights or self.fields, self.fields - fewest + 1)
        contrasts = self.interest_weight > 0 or (self.feature_weight > 0 and highest)
        windows = range(1, min(self.widths, length // 2) + 1) if contrasts else ()
        if not windows:
            raise ValueError(
                f"A history of {length} places and {self.fields} fields leaves nothing "
                f"to contrast. Received: `interest_weight` {self.interest_weight}, "
                f"`feature_weight` {self.feature_weight}, `feature_pairs` "
                f"{self.feature_pairs}"
            )

        def kernel(size: int, name: str, shape: tuple[Any, ...]) -> InterestKernel:
            made = InterestKernel(size, self.activation, dtype=policy, name=name)
            made.build(shape)
            return made

        def encoder(size: int, name: str) -> keras.Sequential:
            made = keras.Sequential(
                [
                    keras.layers.Dense(
                        self.projection or width,
                        activation=activation,
                        kernel_initializer="glorot_normal",
                        dtype=policy,
                    )
                    for activation in ("relu", "linear")
                ],
                name=name,
            )
            made.build((None, size))
            return made

        self.horizontal = [
            kernel(m, f"horizontal_{m}", (None, self.fields, m, width)) for m in windows
        ]
        self.interest_encoders: list[keras.Sequential] = []
        self.feature_encoders: list[keras.Sequential] = []
        self.vertical: list[InterestKernel] = []
        if self.interest_weight > 0:
            self.interest_encoders = [
                encoder(total, f"interest_encoder_{m}") for m in windows
            ]
        if self.feature_weight > 0 and highest:
            self.feature_encoders = [
                encoder(width, f"feature_encoder_{m}") for m in windows
            ]
            self.vertical = [
                kernel(n, f"vertical_{n}", (None, self.fields, width))
                for n in range(1, highest + 1)
            ]

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Adds the contrasts and returns the logits as they are."""
        if training:
            for loss in self.contrasts(inputs):
                self.add_loss(loss)
        return inputs["logits"]

    def contrasts(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The weighted losses of the levels that there are, scalars."""
        history = inputs["history"]
        shape = (-1, history.shape[1], self.fields, history.shape[2] // self.fields)
        history = ops.reshape(history, shape)  # [B, L, J, K]
        interests, features = [], []
        for place, kernel in enumerate(self.horizontal):
            starts, valid = self._drawn_starts(inputs["mask"], kernel.width)
            ids = [_windows(inputs["ids"], start, kernel.width) for start in starts]
            same = ops.logical_or(_equal(ids[1], ids[1]), _equal(ids[0], ids[1]))
            views = [
                ops.squeeze(
                    kernel(ops.swapaxes(_windows(history, start, kernel.width), 1, 2)),
                    axis=2,
                )
                for start in starts
            ]  # [B, J, K]

            def contrast(
                encoder: keras.Sequential,
                first: Any,
                second: Any,
                valid: Any = valid,
                same: Any = same,
            ) -> Any:
                return info_nce(
                    encoder(first), encoder(second), self.temperature, valid, same
                )

            if self.interest_encoders:
                flat = [ops.reshape(v, (-1, v.shape[1] * v.shape[2])) for v in views]
                interests.append(contrast(self.interest_encoders[place], *flat))
            features += [
                contrast(self.feature_encoders[place], *self._fields_drawn(v, views))
                for v in self.vertical
            ]
        levels = (
            (self.interest_weight, interests),
            (self.feature_weight, features),
        )
        return [weight * sum(some) / len(some) for weight, some in levels if some]

    def _drawn_starts(self, mask: Any, width: int) -> tuple[tuple[Any, Any], Any]:
        """First places of two windows a row, each `[B]`, and whether there are any."""
        mask = ops.cast(mask, "int32")
        length = mask.shape[1]
        count = length - width + 1
        whole = sum(mask[:, i : i + count] for i in range(width))
        whole = ops.cast(ops.equal(whole, width), "int32")  # [B, count]
        pairs: list[Any] = []
        gaps: list[int] = []
        places: list[int] = []
        for gap in range(width, min(width + self.distance, count)):
            pairs.append(whole[:, : count - gap] * whole[:, gap:])
            gaps += [gap] * (count - gap)
            places += range(count - gap)
        there = ops.concatenate(pairs, axis=1)  # [B, pairs]
        total = ops.sum(there, axis=1)  # [B]
        # One number a row: padding changes neither how many there are nor the choice.
        share = self._share(mask)
        choice = ops.cast(share * ops.cast(total, "float32"), "int32")
        hit = ops.logical_and(
            ops.equal(ops.cumsum(there, axis=1) - 1, ops.expand_dims(choice, 1)),
            there > 0,
        )
        pair = ops.argmax(ops.cast(hit, "int32"), axis=1)
        first = ops.take(ops.convert_to_tensor(places, "int32"), pair)
        gap = ops.take(ops.convert_to_tensor(gaps, "int32"), pair)
        return (first, first + gap), total > 0

    def _fields_drawn(self, kernel: InterestKernel, views: list[Any]) -> list[Any]:
        """The two feature-level views, `[B, K]`."""
        first = kernel(views[0])  # [B, J - n + 1, K]
        count = first.shape[1]
        choice = ops.cast(self._share(first) * count, "int32")  # [B]
        if self.feature_pairs == "across_time":
            return [_field(first, choice), _field(kernel(views[1]), choice)]
        other = 1 + ops.cast(self._share(first) * (count - 1), "int32")
        return [_field(first, choice), _field(first, (choice + other) % count)]

    def _share(self, x: Any) -> Any:
        """A number in [0, 1) a row of `x`."""
        return keras.random.uniform((ops.shape(x)[0],), seed=self.seed_generator)

    def compute_output_shape(
        self, input_shape: Mapping[str, tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """That of the logits."""
        return tuple(input_shape["logits"])

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {
            **super().get_config(),
            "fields": self.fields,
            "widths": self.widths,
            "heights": self.heights,
            "distance": self.distance,
            "temperature": self.temperature,
            "interest_weight": self.interest_weight,
            "feature_weight": self.feature_weight,
            "projection": self.projection,
            "activation": self.activation,
            "feature_pairs": self.feature_pairs,
        }


def _windows(x: Any, start: Any, width: int) -> Any:
    """Of `[B, L, ...]` the places `start .. start + width - 1`, `[B, width, ...]`."""
    places = ops.expand_dims(start, 1) + ops.arange(width, dtype="int32")
    places = ops.reshape(places, (-1, width, *[1] * (len(x.shape) - 2)))
    return ops.take_along_axis(x, places, axis=1)


def _field(x: Any, choice: Any) -> Any:
    """Of `[B, n, K]` one of the `n` a row, `[B, K]`."""
    return ops.squeeze(
        ops.take_along_axis(x, ops.reshape(choice, (-1, 1, 1)), axis=1), axis=1
    )


def _equal(first: Any, second: Any) -> Any:
    """Whether the windows `[B, m]` of two rows hold the same items, `[B, B]`."""
    pairs = ops.equal(ops.expand_dims(first, 1), ops.expand_dims(second, 0))
    return ops.all(pairs, axis=-1)
