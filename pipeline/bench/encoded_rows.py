"""A data set as models read it."""

import dataclasses

from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.schemas.model_input import ModelInput


@dataclasses.dataclass(frozen=True)
class EncodedRows:
    """Rows of ids, and the tables that these index.

    Attributes:
        inputs: named tensors that models read.
        train: rows to learn from.
        valid: rows that decide when to stop.
        test: rows of the published figures.
    """

    inputs: tuple[ModelInput, ...]
    train: InMemoryExamples
    valid: InMemoryExamples
    test: InMemoryExamples

    @property
    def table_rows(self) -> int:
        """Rows of all embedding tables together."""
        return sum({i.table: i.rows or 0 for i in self.inputs}.values())
