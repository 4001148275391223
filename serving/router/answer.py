"""What an exposure tells of an answer."""

import dataclasses
from typing import Any

import numpy as np

_DTYPES: dict[int, tuple[np.dtype[Any], str]] = {
    1: (np.dtype("<f4"), "float_val"),
    2: (np.dtype("<f8"), "double_val"),
}
"""Of scores, by TensorFlow's number of the type."""
_SCORES = "probability"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a model server said.

    Attributes:
        version: the version that answered.
        candidates: rows that it answered.
        scores: one a row; None where the answer has no one score a row.
    """

    version: int
    candidates: int
    scores: tuple[float, ...] | None = None

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


def _floats(tensor: Any, rows: int) -> tuple[float, ...] | None:
    if tensor.dtype not in _DTYPES:
        return None
    dtype, field = _DTYPES[tensor.dtype]
    content = tensor.tensor_content
    if content:
        if len(content) != rows * dtype.itemsize:
            return None
        return tuple(np.frombuffer(content, dtype).tolist())
    values = tuple(getattr(tensor, field))
    if 0 < len(values) < rows:  # TensorFlow leaves out repeats of the last
        values += (values[-1],) * (rows - len(values))
    return values if len(values) == rows else None
