"""The tensors that stand between Transform and the models."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from clickwright.schemas.numeric_encoding import ModelEncoding

Storage = Literal["float32", "float16", "int8"]
"""Number format of a frozen table."""

_ENCODING: pydantic.TypeAdapter[ModelEncoding] = pydantic.TypeAdapter(ModelEncoding)


@dataclasses.dataclass(frozen=True)
class ModelInput:
    """One named input of a model: a tensor, or what an item table holds of an id.

    Attributes:
        name: name of the tensor, in the transformed examples and in the model.
        kind: `id` is int64 `[batch]`; `id_set` and `sequence` are int64
            `[batch, length]`, padded with 0; `value` is float32 `[batch]`. `attribute`
            and `vector` are no tensors of the examples: the model looks them up in a
            frozen table by the ids of the input `entity`, and gets ids `[batch, length]`,
            padded with 0, and float32 `[batch, width]`.
        role: side of the request that the input belongs to.
        table: embedding table that the ids index. Inputs of one table share it.
        rows: rows of that table, the padding row 0 included.
        length: values a row, of `id_set`, `sequence` and `attribute`.
        numeric: how a `value` is embedded; None is the value times one row. Only
            with it may a value be missing, NaN.
        side_of: the `sequence` whose places a side sequence describes, one by one.
        entity: the `id` input whose ids look up an `attribute` or `vector`.
        entities: rows of the frozen table, as many as the table of `entity` has.
        width: values of a `vector`.
        storage: how the frozen table keeps a `vector`; int8 has a scale a row.
        dropout: share of the training rows for which a `vector` is zeroed.
    """

    name: str
    kind: Literal["id", "id_set", "sequence", "value", "attribute", "vector"]
    role: Literal["user", "item", "context"]
    table: str | None = None
    rows: int | None = None
    length: int | None = None
    numeric: ModelEncoding | None = None
    side_of: str | None = None
    entity: str | None = None
    entities: int | None = None
    width: int | None = None
    storage: Storage = "float32"
    dropout: float = 0.0

    @property
    def is_tensor(self) -> bool:
        """Whether the transformed examples hold it; item tables hold the others."""
        return self.kind not in ("attribute", "vector")

    @property
    def may_be_missing(self) -> bool:
        """Whether a NaN is a missing value.

        Encoders have an embedding for it; the `linear` one takes it for 0, as where a
        search has chosen it for rows that Transform had left with NaN.
        """
        return self.numeric is not None

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for configurations of layers."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.numeric is not None:
            plain["numeric"] = self.numeric.model_dump(mode="json")
        return plain

    @classmethod
    def of(cls, given: "ModelInput | Mapping[str, Any]") -> "ModelInput":
        """The input itself, or the one that `to_dict` gave."""
        if isinstance(given, ModelInput):
            return given
        fields = dict(given)
        if fields.get("numeric") is not None:
            fields["numeric"] = _ENCODING.validate_python(
                fields["numeric"], strict=False
            )
        return cls(**fields)
