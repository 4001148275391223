"""The loss of two networks and their mean."""

from typing import Any

from keras import ops

from clickwright.models.losses.cross_entropies import cross_entropies
from clickwright.models.losses.weighted_mean import weighted_mean


class TriCrossEntropy:
    """Cross-entropy of the mean logit, and of each network by how much worse it is.

    With `L` the cross-entropy of the mean of all logits and `L_k` that of logit `k`:

        `L + sum_k max(0, L_k - L) L_k`

    The factors are not constants: the gradient runs through them, as published.

    Called with `labels`, `[batch]`; `logits`, `[batch, K]`, one column a network; and
    `weights`, `[batch]`.

    References:
        Li et al., DCNv3 (arXiv 2407.13349).
    """

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted means over the rows, put together."""
        mean = ops.mean(logits, axis=-1)  # [B]
        whole = weighted_mean(
            ops.binary_crossentropy(labels, mean, from_logits=True), weights
        )
        each = weighted_mean(cross_entropies(labels, logits), weights)  # [K]
        return whole + ops.sum(ops.relu(each - whole) * each)
