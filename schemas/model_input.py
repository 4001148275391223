"""The tensors that stand between Transform and the models."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class ModelInput:
    """One named input tensor of a model.

    Attributes:
        name: name of the tensor, in the transformed examples and in the model.
        kind: `id` is int64 `[batch]`; `id_set` and `sequence` are int64
            `[batch, length]`, padded with 0; `value` is float32 `[batch]`.
        role: side of the request that the input belongs to.
        table: embedding table that the ids index. Inputs of one table share it.
        rows: rows of that table, the padding row 0 included.
        length: values a row, of `id_set` and `sequence`.
    """

    name: str
    kind: Literal["id", "id_set", "sequence", "value"]
    role: Literal["user", "item", "context"]
    table: str | None = None
    rows: int | None = None
    length: int | None = None
