"""How the report writes numbers. Every function takes None and NaN for unknown."""

import datetime
import math

UNKNOWN = "–"


def known(value: float | None) -> bool:
    """Whether there is a finite number to show."""
    return value is not None and math.isfinite(value)


def metric(value: float | None) -> str:
    """A metric, with four decimals."""
    return f"{value:.4f}" if value is not None and known(value) else UNKNOWN


def margin(value: float | None) -> str:
    """A small difference or a figure that it belongs to, with five decimals."""
    return f"{value:.5f}" if value is not None and known(value) else UNKNOWN


def signed(value: float | None) -> str:
    """A difference, with its sign and four decimals."""
    if value is None or not known(value):
        return UNKNOWN
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def count(value: float | None) -> str:
    """A number of things, with thousands apart."""
    return f"{value:,.0f}" if value is not None and known(value) else UNKNOWN


def short_count(value: int) -> str:
    """A number of things where room is short: 980, 98.1k, 1M."""
    for unit, size_of_unit in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        # 999.96k would read as 1000k.
        if value >= size_of_unit * 0.99995:
            return f"{value / size_of_unit:.1f}".removesuffix(".0") + unit
    return str(value)


def quantity(value: float | None) -> str:
    """A value in a column's own unit, with four significant digits."""
    if value is None or not known(value):
        return UNKNOWN
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if 1e-3 <= abs(value) < 1e9 else f"{value:.3e}"


def share(value: float | None) -> str:
    """A share from 0 to 1, as a percentage; what is not zero never reads as zero."""
    if value is None or not known(value):
        return UNKNOWN
    if value in (0.0, 1.0):
        return f"{value:.0%}"
    return "<0.01%" if value < 1e-4 else f"{value:.2%}"


def signed_share(value: float | None) -> str:
    """A relative difference, with its sign, as a percentage."""
    if value is None or not known(value):
        return UNKNOWN
    return f"{value:+.2%}".replace("-", "\N{MINUS SIGN}")


def probability(value: float | None) -> str:
    """A p-value; what is not zero never reads as zero."""
    if value is None or not known(value):
        return UNKNOWN
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def duration(seconds: float | None) -> str:
    """A length of time, in the two units that matter."""
    if seconds is None or not known(seconds):
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(number_of_bytes: int) -> str:
    """Megabytes (10**6 bytes) with one decimal."""
    return f"{number_of_bytes / 1e6:.1f} MB"


def moment(value: datetime.datetime | None) -> str:
    """A moment to the second, in the zone it was recorded in."""
    if value is None:
        return UNKNOWN
    return f"{value:%Y-%m-%d %H:%M:%S %Z}".strip()
