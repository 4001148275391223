"""The scaling of a plan, in NumPy; Transform has it in TensorFlow."""

import numpy as np

from clickwright.schemas.discretization_plan import Scaling


def scale(scaling: Scaling, values: np.ndarray) -> np.ndarray:
    """Scales raw values [N], NaN where missing; returns float32 [N]."""
    x = np.asarray(values, np.float64)
    missing = np.isnan(x)
    x = np.clip(np.where(missing, scaling.low, x), scaling.low, scaling.high)
    y = (curve(scaling, x) - scaling.shift) / scaling.width
    filler = np.nan if scaling.missing is None else scaling.missing
    return np.where(missing, filler, y).astype(np.float32)


def curve(scaling: Scaling, x: np.ndarray) -> np.ndarray:
    """The function `f` of the scaling, of values in its range."""
    match scaling.kind:
        case "log1p":
            return np.log1p(x - min(scaling.low, 0.0))
        case "signed_log":
            return signed_log(x)
        case "quantile_rank":
            ranks = np.linspace(0.0, 1.0, len(scaling.knots))
            return np.interp(x, scaling.knots, ranks)
    return x


def signed_log(x: np.ndarray) -> np.ndarray:
    """The logarithm of 1 + |x| with the sign of x."""
    return np.sign(x) * np.log1p(np.abs(x))
