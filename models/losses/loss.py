"""What training asks of a loss."""

from typing import Any, Protocol


class Loss(Protocol):
    """A loss of some logits a row."""

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Returns the loss of a batch, a scalar.

        Args:
            labels: 0 or 1, `[batch]`.
            logits: `[batch, K]`.
            weights: `[batch]`; 0 where the label is absent.
        """
        ...
