"""What the layers on pairs of fields share."""

from typing import Any

import keras
import numpy as np
from keras import ops


def pair_indices(fields: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """First and second field of each pair, both `[P]`, int32.

    `P = F (F - 1) / 2`; the pairs of the first field come first: (0, 1), (0, 2), ...,
    (0, F - 1), (1, 2), ...
    """
    rows, columns = np.triu_indices(fields, 1)
    return rows.astype(np.int32), columns.astype(np.int32)


def pair_count(input_shape: tuple[int | None, ...]) -> int:
    """`P` of an input `[batch, F, D]`."""
    fields = input_shape[1] or 0
    return fields * (fields - 1) // 2


def pair_embeddings(embeddings: Any) -> tuple[Any, Any]:
    """Embeddings of the first and of the second field of each pair.

    Args:
        embeddings: `[batch, F, D]`, `F` known and at least 2.

    Returns:
        Two tensors, `[P, batch, D]`: pairs in front, as batched products want them.
    """
    # Taking fields apart and stacking them has a far cheaper gradient than a gather.
    fields = ops.unstack(embeddings, axis=1)  # F times [B, D]
    rows, columns = pair_indices(len(fields))
    return (
        ops.stack([fields[i] for i in rows], axis=0),
        ops.stack([fields[j] for j in columns], axis=0),
    )


def inner_products(embeddings: Any) -> Any:
    """Inner product of each pair of fields, `[batch, F, D]` to `[batch, P]`."""
    fields = embeddings.shape[1]
    rows, columns = pair_indices(fields)
    products = ops.matmul(embeddings, ops.transpose(embeddings, (0, 2, 1)))
    flat = ops.reshape(products, (-1, fields * fields))  # [B, F * F]
    return ops.take(flat, rows * fields + columns, axis=1)


def glorot_normal_each(count: int) -> keras.initializers.Initializer:
    """Glorot-normal initializer of `[count, inputs, outputs]`, each kernel for itself.

    `count` alone would be taken for the extent of a convolution.
    """
    return keras.initializers.VarianceScaling(
        float(count), mode="fan_avg", distribution="truncated_normal"
    )


def check_pairs(layer: str, input_shape: tuple[int | None, ...]) -> None:
    """Checks that the input of a layer is `[batch, F, D]` with two fields or more.

    Raises:
        ValueError: it is not.
    """
    if len(input_shape) != 3 or input_shape[1] is None or input_shape[1] < 2:
        raise ValueError(
            f"The input of {layer} must be `[batch, F, D]` with at least two fields. "
            f"Received the shape: {input_shape}"
        )
