"""Cross-entropies of several logits a row with one target."""

from typing import Any

from keras import ops


def cross_entropies(targets: Any, logits: Any) -> Any:
    """Cross-entropy of every logit with its row's target, `[batch, K]`.

    Args:
        targets: 0 to 1, `[batch]`.
        logits: `[batch, K]`.
    """
    targets = ops.broadcast_to(ops.expand_dims(targets, -1), ops.shape(logits))
    return ops.binary_crossentropy(targets, logits, from_logits=True)
