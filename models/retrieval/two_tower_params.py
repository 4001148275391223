"""Parameters of the two-tower model."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.params import ModelParams
from clickwright.models.value_range import Space, ValueRange

Size = Annotated[int, Field(ge=1, le=65_536)]


class TwoTowerParams(ModelParams):
    """Parameters of the two-tower model.

    There is no one published setting: widths are those that collaborative filtering
    models are compared with, the temperature is that of Yi et al.'s experiments.
    """

    embedding_dim: Size = 64
    """Width of users, items and projected vectors."""
    hidden_units: tuple[Size, ...] = ()
    """Layers of each tower on top of its embedding, the last of `embedding_dim` values
    not counted; none: the embedding is the tower's output."""
    normalized: bool = True
    """Whether both vectors have length 1, so that scores are cosines."""
    temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 0.05
    """Scores are divided by it in the loss."""

    SPACE: ClassVar[Space] = {
        "embedding_dim": (16, 32, 64, 128),
        "hidden_units": ((), (128,), (256, 128)),
        "temperature": ValueRange(min=0.02, max=0.5, log=True),
    }

    @property
    def table_width(self) -> int:
        """One embedding."""
        return self.embedding_dim
