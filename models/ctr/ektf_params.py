"""Parameters of EKTF."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clickwright.models.ctr.tower_params import TowerParams, Width
from clickwright.models.value_range import Space, ValueRange


class EKTFParams(TowerParams):
    """Parameters of EKTF.

    There are no published runs on Frappe. Embeddings, towers and penalty are those of
    DNN and DeepFM in the Frappe_x1 entries of the BARS benchmark, so that students
    compare with them; five students are where the authors' runs on other data stop
    gaining much.
    """

    hidden_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (400, 400, 400)
    """Widths of a student's layers."""
    students: Annotated[int, Field(ge=1, le=64)] = 5
    """Towers on the shared embeddings; the model is their mean logit."""
    transfer: Literal["exam", "none", "mean"] = "exam"
    """What students learn beside labels: from the mean and from each other, weighted by
    an exam a batch; nothing; or labels through the mean logit alone."""
    detach_exam: bool = False
    """Whether exam scores are constants in the gradient; published results let it
    through."""

    SPACE: ClassVar[Space] = {
        "students": ValueRange(min=2, max=6),
    }
