"""What freezing the numeric encoders of a model came to."""

import pathlib
from typing import Annotated, ClassVar, Self

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel


class FrozenField(StrictModel):
    """The table of one field."""

    encoder: str
    """Kind of the encoder that it replaces."""
    points: Annotated[int, Field(ge=2)]
    """Rows of the table."""
    error: Annotated[float, Field(ge=0.0)]
    """Largest difference measured from the encoder, in any value of an embedding."""
    bytes: Annotated[int, Field(ge=0)]
    """Of the table and of what finds its rows."""


class FreezeReport(StrictModel):
    """All tables of a model, by `layer/field`."""

    FILE_NAME: ClassVar[str] = "freeze_report.json"

    max_error: Annotated[float, Field(gt=0.0)]
    """Largest difference that was allowed."""
    fields: dict[str, FrozenField]

    @property
    def bytes(self) -> int:
        """Of all tables together."""
        return sum(field.bytes for field in self.fields.values())

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        """Writes `FILE_NAME` into `folder`; returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.FILE_NAME
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Reads `FILE_NAME` from `folder`."""
        return cls.model_validate_json((folder / cls.FILE_NAME).read_bytes())
