"""Parameters of FSDNet."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from clickwright.models.ctr.tower_params import Rate, TowerParams, Width
from clickwright.models.value_range import Space, ValueRange


class FSDNetParams(TowerParams):
    """Parameters of FSDNet.

    Defaults are those of the authors' Frappe run (coder-qiu/FSDNet), which keeps
    values that occur at least twice and has batches of 10,000 rows.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 16
    """Values an embedding has."""
    l2: Annotated[float, Field(ge=0.0)] = 0.1
    """Adds `l2 / 2` times the squared norm of every row of every table to the loss."""
    hidden_units: Annotated[tuple[Width, ...], Field(min_length=1)] = (400, 400, 400)
    """Widths of the tower's layers; each has a cross layer and a predictor beside it.
    """
    dropout: Rate = 0.7
    """Share of the tower's activations dropped in training."""
    distillation: Literal["soft", "hint", "soft_and_hint"] = "soft_and_hint"
    """What the deepest layer teaches: its probability, its features, or both."""
    ce_weight: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
    """Share of the cross-entropies beside the soft targets' divergence; with `hint`
    alone it is 1."""
    temperature: Annotated[float, Field(gt=0.0)] = 1.3
    """Divides the logits whose probabilities are compared."""
    hint_weight: Annotated[float, Field(ge=0.0)] = 0.01
    """Factor of the mean squared distance between features."""
    kd_form: Literal["bernoulli_kl", "official"] = "bernoulli_kl"
    """Divergence of the soft targets: as defined, or as the authors' code has it."""
    detach_teacher: bool = False
    """Whether the deepest layer learns nothing from the shallower ones; in published
    results it does."""

    SPACE: ClassVar[Space] = {
        "dropout": ValueRange(min=0.0, max=0.8),
        "ce_weight": ValueRange(min=0.5, max=1.0),
        "temperature": ValueRange(min=1.0, max=4.0),
    }

    @model_validator(mode="after")
    def _features_compare(self) -> "FSDNetParams":
        if self.distillation != "soft" and len(set(self.hidden_units)) > 1:
            raise ValueError(
                f"`hidden_units` {list(self.hidden_units)} must all be equal where "
                f"`distillation` is `{self.distillation}`"
            )
        return self
