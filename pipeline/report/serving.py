"""What the report says of the model in a server."""

from dataclasses import dataclass

from clickwright.components.serving_validator.result import Latency, ValidationResult
from clickwright.schemas.html_page import formats
from clickwright.serving.skew_report import SignatureSkew


@dataclass(frozen=True)
class _SkewRow:
    """One signature: how far answers lie from the training graph's, in each way."""

    signature: str
    requests: str
    rows: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class _LatencyRow:
    """One signature at one batch size."""

    signature: str
    batch: str
    p50: str
    p99: str
    qps: str
    ratio: str


@dataclass(frozen=True)
class ServingView:
    """The figures of the section."""

    sentence: str
    failures: tuple[str, ...]
    tolerance: str
    ways: tuple[str, ...]
    skews: tuple[_SkewRow, ...]
    latencies: tuple[_LatencyRow, ...]


def serving_view(result: ValidationResult | None) -> ServingView | None:
    """The section on the model in a server; None where nothing was tried."""
    if result is None:
        return None
    skew = result.skew
    ways = tuple(skew.ways) if skew else ()
    return ServingView(
        _sentence(result),
        result.failures,
        f"{result.tolerance:.2g}",
        ways,
        tuple(
            _skew_row([skew.of(name, way) for way in ways]) for name in skew.signatures
        )
        if skew
        else (),
        tuple(_latency_row(latency) for latency in result.latencies),
    )


def _sentence(result: ValidationResult) -> str:
    if result.skipped:
        return f"The model was not tried in a server: {result.skipped}."
    if not result.server:
        return "The model did not come to answer in a server."
    memory = formats.size(int((result.memory_mb or 0.0) * 1e6))
    return (
        f"Tried in {result.server}: ready after "
        f"{formats.duration(result.ready_seconds)}, {memory} of memory with the model."
    )


def _skew_row(skews: list[SignatureSkew | None]) -> _SkewRow:
    first = next(skew for skew in skews if skew is not None)
    cells = tuple(
        formats.UNKNOWN
        if skew is None
        else "failed"
        if skew.problem
        else f"{skew.largest:.2g}"
        for skew in skews
    )
    return _SkewRow(
        first.signature,
        formats.count(first.requests),
        formats.count(first.rows),
        cells,
    )


def _latency_row(latency: Latency) -> _LatencyRow:
    ratio = latency.ratio
    return _LatencyRow(
        latency.signature,
        formats.count(latency.batch),
        f"{latency.p50_ms:.2f} ms",
        f"{latency.p99_ms:.2f} ms",
        formats.count(latency.qps),
        formats.UNKNOWN if ratio is None else f"{ratio:.2f}",
    )
