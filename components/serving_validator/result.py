"""What became of a candidate in a model server, for the report and for programs."""

import pathlib
from dataclasses import dataclass

import pydantic

from clickwright.schemas.errors import DataError
from clickwright.serving.skew_report import SkewReport

FILE_NAME = "serving_validation.json"


@dataclass(frozen=True)
class Latency:
    """One signature at one batch size.

    Attributes:
        signature: its name.
        batch: rows of a request.
        requests: requests that were timed, one after another.
        p50_ms: median time of a request, in milliseconds.
        p99_ms: 99th percentile.
        qps: requests a second with several under way.
        blessed_p50_ms: median of the blessed model, measured in turns with this one;
            None where it was not measured.
    """

    signature: str
    batch: int
    requests: int
    p50_ms: float
    p99_ms: float
    qps: float
    blessed_p50_ms: float | None = None

    @property
    def ratio(self) -> float | None:
        """Median time against that of the blessed model."""
        if self.blessed_p50_ms is None:
            return None
        return self.p50_ms / max(self.blessed_p50_ms, 1e-6)


@dataclass(frozen=True)
class ValidationResult:
    """What was found.

    Attributes:
        blessed: whether a server may have the model.
        failures: why not, one sentence each.
        skipped: why nothing was tried; empty where it was.
        server: the program that served.
        tolerance: the largest difference allowed.
        skew: differences of the answers; None where none was asked for.
        latencies: times, by signature and batch size.
        memory_mb: memory of the server after all requests, in megabytes.
        ready_seconds: how long it took until the server answered for the model.
    """

    blessed: bool
    failures: tuple[str, ...] = ()
    skipped: str = ""
    server: str = ""
    tolerance: float = 0.0
    skew: SkewReport | None = None
    latencies: tuple[Latency, ...] = ()
    memory_mb: float | None = None
    ready_seconds: float | None = None

    def to_json(self) -> str:
        """The content of the file."""
        return _File(self).model_dump_json(indent=1)


class _File(pydantic.RootModel[ValidationResult]):
    # JSON has no infinity; it is written as a string and read back as a number.
    model_config = pydantic.ConfigDict(ser_json_inf_nan="strings")


def read_validation(uri: str) -> ValidationResult:
    """Reads the result from the folder of an `InfraBlessing`.

    Raises:
        DataError: the folder holds no result, or one that is damaged.
    """
    path = pathlib.Path(uri, FILE_NAME)
    try:
        return _File.model_validate_json(path.read_bytes()).root
    except (OSError, pydantic.ValidationError) as error:
        raise DataError(
            f"The result of the serving validation cannot be read: {error}",
            where=str(path),
            fix="run the validation again",
        ) from error
