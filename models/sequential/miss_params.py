"""Parameters of MISS."""

from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, model_validator

from clickwright.models import registry
from clickwright.models.ctr.tower_params import Width
from clickwright.models.params import ModelParams
from clickwright.models.sequential.history_params import HistoryParams
from clickwright.models.value_range import Space, ValueRange
from clickwright.schemas.errors import ConfigError


class MISSParams(ModelParams):
    """Parameters of MISS.

    The authors' are not known; these are ours to start from.
    """

    base: str = "din"
    """The click model of a history that MISS is added to."""
    base_params: dict[str, Any] = Field(default_factory=dict)
    """Its parameters."""
    widths: Annotated[int, Field(ge=1, le=16)] = 3
    """Interests are windows of 1 to `widths` events."""
    heights: Annotated[int, Field(ge=1, le=64)] | None = None
    """Features of an interest are made of 1 to `heights` fields; all when absent."""
    distance: Annotated[int, Field(ge=1, le=64)] = 2
    """Places from the end of a window to the start of its partner, at most."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """Divides the cosines; 0.05 to 0.5 is worth a search."""
    interest_weight: Annotated[float, Field(ge=0.0)] = 0.5
    """Factor of the contrast of interests; 0.1 to 1 is worth a search."""
    feature_weight: Annotated[float, Field(ge=0.0)] = 0.5
    """Factor of the contrast of their features."""
    projection: Width | None = None
    """Width of what is compared; that of an embedding when absent."""
    kernel_activation: Literal["relu", "gelu", "silu", "tanh", "linear"] = "relu"
    """Activation of the kernels."""
    feature_pairs: Literal["across_time", "same_time"] = "across_time"
    """Whether a feature is compared with itself at another time, or with another
    feature of the same time."""

    SPACE: ClassVar[Space] = {
        "widths": ValueRange(min=1, max=4),
        "distance": ValueRange(min=1, max=4),
        "temperature": ValueRange(min=0.05, max=0.5, log=True),
        "interest_weight": ValueRange(min=0.1, max=1.0),
        "feature_weight": ValueRange(min=0.1, max=1.0),
    }

    @model_validator(mode="after")
    def _base_reads_a_history(self) -> "MISSParams":
        if not issubclass(
            registry.entry(self.base, "model.params.base").params, HistoryParams
        ):
            raise ConfigError(
                f"MISS is added to a click model of a history, which `{self.base}` is "
                f"not.",
                where="model.params.base",
                fix="name another model, such as `din`",
            )
        registry.parse_params(self.base, self.base_params, "model.params.base_params")
        return self

    @property
    def of_base(self) -> HistoryParams:
        """The parameters of the base, validated."""
        return cast(HistoryParams, registry.parse_params(self.base, self.base_params))

    @property
    def table_width(self) -> int:
        """That of the base; MISS adds no table."""
        return self.of_base.table_width

    def width_of(self, table: str, fields: int) -> int:
        """That of the base."""
        return self.of_base.width_of(table, fields)

    def kept_rows(self, rows: int) -> int:
        """Those of the base."""
        return self.of_base.kept_rows(rows)

    def state_bytes(self, rows: int) -> int:
        """Those of the base."""
        return self.of_base.state_bytes(rows)
