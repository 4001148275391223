"""What the parameters of all models have in common."""

import abc
from typing import ClassVar

from clickwright.models.value_range import Space
from clickwright.schemas.strict_yaml import StrictModel


class ModelParams(StrictModel, abc.ABC):
    """Parameters of a model; every field says where its default comes from."""

    SPACE: ClassVar[Space] = {}
    """What a search tries for these parameters, beside what bases say."""

    @property
    @abc.abstractmethod
    def table_width(self) -> int:
        """Floats that the model keeps for each row of an embedding table."""

    def width_of(self, table: str, fields: int) -> int:
        """Floats that the model keeps for each row of one table.

        Args:
            table: name of the table.
            fields: inputs of the model.
        """
        return self.table_width

    def kept_rows(self, rows: int) -> int:
        """Rows that the model keeps of an embedding table of `rows` ids."""
        return rows

    def state_bytes(self, rows: int) -> int:
        """Bytes that it keeps of such a table besides, such as counts of its ids."""
        return 0
