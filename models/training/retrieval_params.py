"""Parameters of training retrieval models."""

import re
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from clickwright.models.metrics.ranking_metrics import NAMES
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fit_params import FitParams

Cutoff = Annotated[int, Field(ge=1, le=10_000)]
_METRIC = re.compile(rf"({'|'.join(NAMES)})@([1-9][0-9]*)")


class RetrievalTrainingParams(FitParams):
    """How a retrieval model is trained.

    Defaults are those of S3Rec's authors (RUCAIBox/CIKM2020-S3Rec), whose figures on
    Beauty and Toys rank the whole catalogue: the learning rate stays as it is, and ten
    validations in a row without improvement end the training. They watch NDCG@20
    while training; figures are at 5 and 10, and NDCG@10 decides here.
    """

    epochs: Annotated[int, Field(ge=1)] = 200
    """Most epochs of the last stage; training mostly stops earlier."""
    pretrain_epochs: Annotated[int, Field(ge=0)] = 100
    """Epochs of each stage before it, in models that have some. They are not
    validated, and the optimizer begins anew after them."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Rows a step: users, or single interactions. The last, smaller batch of an epoch
    is used too."""
    early_stop: Annotated[int, Field(ge=1)] = 10
    """Validations in a row without improvement after which training stops."""
    monitor: str = "ndcg@10"
    """What decides on the validation split, ranking all items: `hr@K`, `ndcg@K`,
    `mrr@K` or `recall@K`."""
    cutoffs: Annotated[tuple[Cutoff, ...], Field(min_length=1)] = (5, 10, 20)
    """Values of K that are logged."""
    valid_every: Annotated[int, Field(ge=1)] = 1
    """Epochs from one validation to the next; the last epoch has one as well."""
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0
    """Least gain in the monitor that counts as an improvement."""
    learning_rate_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor on the learning rate after each validation without improvement."""
    strategy: Literal["none", "mirrored"] = "none"
    """Retrieval models train on one device: `none`."""

    @pydantic.model_validator(mode="after")
    def _known(self) -> Self:
        if _METRIC.fullmatch(self.monitor) is None:
            raise ValueError(
                f"`monitor` must be one of {', '.join(NAMES)}, and `@K`, such as "
                f"`ndcg@10`. Received: {self.monitor!r}"
            )
        if self.strategy != "none":
            raise ValueError("`strategy: mirrored` does not go with retrieval models")
        return self

    @property
    def measured_cutoffs(self) -> tuple[int, ...]:
        """Values of K that a validation needs."""
        return tuple(sorted({*self.cutoffs, int(self.monitor.partition("@")[2])}))

    def monitored(self, record: EpochRecord) -> float | None:
        """The monitor; None of an epoch without validation."""
        return None if record.valid is None else record.valid[self.monitor]

    def said_of(self, record: EpochRecord) -> str:
        """The monitor on the validation split."""
        value = self.monitored(record)
        return "" if value is None else f"valid {self.monitor} {value:.4f}"
