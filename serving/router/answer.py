"""What an exposure tells of an answer."""

import array
import dataclasses
import sys
from typing import Any

import numpy as np

_DTYPES = {1: ("f", "float_val"), 2: ("d", "double_val")}
"""`array`'s code of scores and their field, by TensorFlow's number of the type."""
_SCORES = "probability"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a model server said.

    Attributes:
        version: the version that answered.
        candidates: rows that it answered.
        scores: float32, one a row; None where the answer has no one score a row.
    """

    version: int
    candidates: int
    scores: "array.array[float] | None" = None

    def difference(self, other: "Answer") -> float | None:
        """Returns the largest difference of a score; None where there is none."""
        if not self.scores or not other.scores:
            return None
        if len(self.scores) != len(other.scores):
            return None
        apart = np.abs(np.subtract(self.scores, other.scores))
        return float(apart.max()) if np.isfinite(apart).all() else None


def of_outputs(outputs: Any, version: int, max_scores: int) -> Answer:
    """Reads named tensors: the scores are `probability`, or the only output.

    Args:
        outputs: a map of names to the router's `Tensor`.
        version: the version that answered.
        max_scores: where there are more, none is read.
    """
    if _SCORES in outputs:
        tensor = outputs[_SCORES]
    elif outputs:
        tensor = next(iter(outputs.values()))
    else:
        return Answer(version, 0)
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    rows = sizes[0] if sizes else 1
    known = _SCORES in outputs or len(outputs) == 1
    if not known or not 0 < rows <= max_scores or any(n != 1 for n in sizes[1:]):
        return Answer(version, rows)
    return Answer(version, rows, _floats(tensor, rows))


def _floats(tensor: Any, rows: int) -> "array.array[float] | None":
    if tensor.dtype not in _DTYPES:
        return None
    code, field = _DTYPES[tensor.dtype]
    content = tensor.tensor_content
    values: array.array[float] = array.array(code)
    if content:
        if len(content) != rows * values.itemsize:
            return None
        values.frombytes(content)
        if sys.byteorder == "big":
            values.byteswap()
    else:
        values.extend(getattr(tensor, field))
        if 0 < len(values) < rows:  # TensorFlow leaves out repeats of the last
            values.extend(values[-1:] * (rows - len(values)))
    if len(values) != rows:
        return None
    return values if code == "f" else array.array("f", values)
