"""The loss of clicks and of the items that they are on."""

from typing import Any

from keras import ops

from clickwright.models.losses.weighted_mean import weighted_mean


class ClickAndNextItem:
    """`CE(y, z) + weight * mean e` over the clicked rows.

    Called with `labels`, `[batch]`; `logits`, `[batch, 2]`, the logit `z` and the
    entropy `e` of the row's item (`NextItemEntropy`); and `weights`, `[batch]`.

    Args:
        weight: factor of the entropy.

    Raises:
        ValueError: it is negative.
    """

    def __init__(self, weight: float) -> None:
        if weight < 0:
            raise ValueError(f"`weight` must not be negative. Received: {weight}")
        self._weight = weight

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted means over the rows, added up."""
        losses = ops.binary_crossentropy(labels, logits[:, 0], from_logits=True)
        clicked = weights * labels
        return weighted_mean(losses, weights) + self._weight * weighted_mean(
            logits[:, 1], clicked
        )
