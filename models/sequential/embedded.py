"""A target and its history, embedded."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Symbolic tensors of a model of a history.

    Attributes:
        target: `[batch, d]`.
        history: `[batch, L, d]`; padding is zeros.
        mask: float32 `[batch, L]`, 1 for items and 0 for padding.
        history_ids: int64 `[batch, L]`.
        context: `[batch, F, D]`; None where there are no other inputs.
        history_extra: `[batch, L, n, D]`, sides that the target does not have, such as
            the ages of the events; None where there are none.
        sequences: `[batch, length, D]`, by name, of further sequences that were asked
            for; padding is zeros.
    """

    target: Any
    history: Any
    mask: Any
    history_ids: Any
    context: Any = None
    history_extra: Any = None
    sequences: Mapping[str, Any] = dataclasses.field(default_factory=dict)
