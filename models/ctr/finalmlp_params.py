"""Parameters of FinalMLP."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from clickwright.models.ctr.embedding_params import EmbeddingParams
from clickwright.models.ctr.tower_params import Activation, Rate, Width
from clickwright.models.value_range import Space, ValueRange


class FinalMLPParams(EmbeddingParams):
    """Parameters of FinalMLP.

    Defaults are those of the Frappe_x1 entry of the BARS benchmark (reczoo/BARS,
    `ranking/ctr/FinalMLP/FinalMLP_frappe_x1`), but for the contexts, which are names
    of inputs: that entry has `gate1_context: [user]` and `gate2_context: [item]`.
    """

    hidden_units1: Annotated[tuple[Width, ...], Field(min_length=1)] = (400,)
    """Widths of the first stream's layers."""
    hidden_units2: Annotated[tuple[Width, ...], Field(min_length=1)] = (100,)
    """Widths of the second stream's layers."""
    activation: Activation = "relu"
    """Activation of both streams."""
    batch_norm: bool = True
    """Whether both streams are batch-normalized."""
    dropout1: Rate = 0.4
    """Share of the first stream's activations dropped in training."""
    dropout2: Rate = 0.4
    """Share of the second stream's activations dropped in training."""
    gates: bool = True
    """Whether each stream sees the embeddings through gates of its own."""
    gate_hidden_units: tuple[Width, ...] = (400,)
    """Widths of the layers between a gate's context and the gate."""
    gate1_context: tuple[str, ...] = ()
    """Inputs whose embeddings, from a table of their own, set the first stream's gates;
    when empty, a learned vector does."""
    gate2_context: tuple[str, ...] = ()
    """Inputs whose embeddings set the second stream's gates, likewise."""
    heads: Annotated[int, Field(ge=1, le=4096)] = 5
    """Pieces that the fusion cuts both streams into; they must divide the last widths.
    """

    SPACE: ClassVar[Space] = {
        "hidden_units1": ((400,), (800,), (400, 400, 400)),
        "hidden_units2": ((100,), (400,), (800,)),
        "batch_norm": (False, True),
        "dropout1": ValueRange(min=0.0, max=0.6),
        "dropout2": ValueRange(min=0.0, max=0.6),
    }

    def width_of(self, table: str, fields: int) -> int:
        """One embedding, and one more in each context."""
        contexts = (self.gate1_context, self.gate2_context)
        return self.embedding_dim * (1 + sum(table in names for names in contexts))

    @model_validator(mode="after")
    def _heads_divide(self) -> "FinalMLPParams":
        widths = (self.hidden_units1[-1], self.hidden_units2[-1])
        if any(width % self.heads for width in widths):
            raise ValueError(
                f"`heads` ({self.heads}) must divide the last widths of "
                f"`hidden_units1` ({widths[0]}) and `hidden_units2` ({widths[1]})"
            )
        return self

    @model_validator(mode="after")
    def _contexts_have_gates(self) -> "FinalMLPParams":
        if not self.gates and (self.gate1_context or self.gate2_context):
            raise ValueError("`gate1_context` and `gate2_context` need `gates`")
        return self
