"""Parameters of QIN."""

from typing import Annotated, ClassVar

from pydantic import Field

from clickwright.models.ctr.tower_params import Rate
from clickwright.models.sequential.history_params import HistoryParams
from clickwright.models.value_range import Space, ValueRange


class QINParams(HistoryParams):
    """Parameters of QIN.

    Defaults are those of the authors' run on MicroLens-1M (salmon1802/QIN), whose
    training has batches of 8,192 rows, a learning rate of 2e-3, halved after each epoch
    without improvement, and ends after eight such epochs. They report that training
    with four rows is unstable on some machines, and three rows as the way out.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 128
    """Values an embedding has, and a projected vector."""
    l2: Annotated[float, Field(ge=0.0)] = 2e-4
    """Adds `l2 / 2` times the squared norm of every row of every table, and of the
    vectors' projections, to the loss."""
    layers: Annotated[int, Field(ge=1, le=32)] = 4
    """Quadratic layers, one on the other."""
    rows: Annotated[int, Field(ge=1, le=256)] = 4
    """Affine maps that a layer sums."""
    dropout: Rate = 0.1
    """Share of a layer's maps, and of its activations, dropped in training."""

    SPACE: ClassVar[Space] = {
        "embedding_dim": (32, 64, 128),
        "layers": ValueRange(min=1, max=5),
        "rows": ValueRange(min=2, max=4),
        "dropout": ValueRange(min=0.0, max=0.4),
    }
