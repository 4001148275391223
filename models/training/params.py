"""Parameters of training click models."""

import math
from typing import Annotated, Literal

from pydantic import Field

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.models.training.fit_params import INDIFFERENT, FitParams

__all__ = ["INDIFFERENT", "TrainingParams"]


class TrainingParams(FitParams):
    """How a model is trained.

    Defaults are the protocol behind the BARS benchmark's figures (FuxiCTR): after each
    epoch the exact AUC on the validation split decides. An epoch that does not improve
    it divides the learning rate by ten, two such epochs in a row end the training, and
    the best epoch's weights are what comes out.
    """

    monitor: Literal["auc", "auc_minus_logloss"] = "auc"
    """What decides on the validation split: the exact AUC, or AUC less log loss, as
    BARS has it for its x4 splits."""
    max_train_rows: Annotated[int, Field(ge=1)] | None = None
    """Only this many rows, from the start of the training split; all when absent."""
    positive_weight: Annotated[float, Field(gt=0.0)] = 1.0
    """Factor on the weight of training rows with a click. Probabilities grow with it;
    unlike those of sampled negatives they are not set right."""
    negative_sampling_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the rows without a click that an epoch sees, drawn anew each time.
    Validation and the exported model give probabilities as though it saw all."""
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    """Where parsed rows are kept between epochs. `auto`: in memory where a split takes
    at most a quarter of what is free, else on disk next to the checkpoint, else
    nowhere. `none` parses the files anew each epoch, and shuffles within a buffer."""

    def monitored(self, record: EpochRecord) -> float | None:
        """The AUC, or AUC less log loss; NaN where they are not known."""
        auc = math.nan if record.valid_auc is None else record.valid_auc
        if self.monitor == "auc":
            return auc
        return auc - (
            math.nan if record.valid_logloss is None else record.valid_logloss
        )

    def said_of(self, record: EpochRecord) -> str:
        """The AUC on the validation split."""
        auc = record.valid_auc
        return "" if auc is None else f"valid AUC {auc:.4f}"
