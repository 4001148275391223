"""The loss of two dropout passes of one network that teach each other."""

from typing import Any

from keras import ops

from clickwright.models.layers.mean_probability_logit import mean_probability_logit
from clickwright.models.losses.cross_entropies import cross_entropies
from clickwright.models.losses.weighted_mean import weighted_mean


class SelfEnsemble:
    """Cross-entropy of the mean probability, which is also the target of each pass.

    With `p_k = sigmoid(z_k)`, `m` their mean and `sg` a stopped gradient:

        `CE(y, m) + sum_k CE(sg(m), p_k)`

    Called with `labels`, `[batch]`; `logits`, `[batch, K]`, one column a pass; and
    `weights`, `[batch]`. All terms are taken from logits, so none has to be clipped.

    References:
        Li et al., KDD 2025 (arXiv 2505.17999).
    """

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted mean over the rows."""
        mean = mean_probability_logit(logits)  # [B]
        hard = ops.binary_crossentropy(labels, mean, from_logits=True)
        target = ops.stop_gradient(ops.sigmoid(mean))  # [B]
        soft = cross_entropies(target, logits)  # [B, K]
        return weighted_mean(hard + ops.sum(soft, axis=-1), weights)
