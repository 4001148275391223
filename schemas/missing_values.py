"""What stands for a missing value where a tensor must hold something."""

import math
from collections.abc import Mapping

MISSING_INT64 = -(2**63)
"""In int64 tensors, where it also pads lists."""

MISSING: Mapping[str, int | float | str] = {
    "int64": MISSING_INT64,
    "float32": math.nan,
    "string": "",
}
"""By the type of a column."""
