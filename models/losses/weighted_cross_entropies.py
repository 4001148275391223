"""The loss of several logits that count differently."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from clickwright.models.losses.cross_entropies import cross_entropies
from clickwright.models.losses.weighted_mean import weighted_mean


class WeightedCrossEntropies:
    """`sum_k factor_k CE(y, z_k)`.

    Called with `labels`, `[batch]`; `logits`, `[batch, K]`, of which each has a
    factor; and `weights`, `[batch]`.

    Args:
        factors: factor of each logit's cross-entropy.

    Raises:
        ValueError: there is no factor, or one is negative.
    """

    def __init__(self, factors: Sequence[float]) -> None:
        if not factors or min(factors) < 0:
            raise ValueError(
                f"`factors` must be one or more, none negative. Received: {factors}"
            )
        self._factors = tuple(factors)

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted means over the rows, added up."""
        each = weighted_mean(cross_entropies(labels, logits), weights)  # [K]
        return ops.sum(each * ops.convert_to_tensor(self._factors, each.dtype))
