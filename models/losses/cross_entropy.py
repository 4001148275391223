"""The loss of most click models."""

from typing import Any

from keras import ops

from clickwright.models.losses.weighted_mean import weighted_mean


class CrossEntropy:
    """Mean cross-entropy of the first logit with the label.

    Like every loss of this package it is called with `labels`, `[batch]`, 0 or 1;
    `logits`, `[batch, K]`; and `weights`, `[batch]`, 0 where the label is absent. It
    gives a scalar in float32, from keras.ops alone.
    """

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted mean over the rows."""
        losses = ops.binary_crossentropy(labels, logits[:, 0], from_logits=True)
        return weighted_mean(losses, weights)
