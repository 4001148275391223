"""What a model must do in a server to be published."""

from typing import Annotated

from pydantic import Field

from clickwright.schemas.strict_yaml import StrictModel

Count = Annotated[int, Field(ge=1, le=100_000)]
Positive = Annotated[float, Field(gt=0.0)]


class LatencyParams(StrictModel):
    """How fast it must be, over gRPC on this machine."""

    batch_sizes: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 100)
    """Rows of a request, candidates of `rank`: one measurement each."""
    requests: Count = 100
    """Requests of a measurement; fewer where they would take longer than 5 s."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Requests under way at once while requests a second are counted."""
    p99_ms: Positive | None = 1000.0
    """99th percentile of a request's time, in milliseconds; null for any."""
    p50_ratio: Positive | None = None
    """Median time against that of the blessed model, measured in turns with it; null
    does not ask, and spares the second server."""


class ServingParams(StrictModel):
    """How a candidate is tried in a model server before it is published."""

    enabled: Annotated[bool, Field(alias="validate")] = True
    """Whether candidates are tried at all."""
    tolerance: Annotated[float, Field(ge=0.0)] = 1e-5
    """Largest difference of an answer from the training graph's: absolute up to 1,
    relative above."""
    ready_seconds: Positive = 300.0
    """How long the server may take until it answers for the model."""
    memory_mb: Positive | None = None
    """Memory of the server with the model in it, in megabytes; null for any."""
    latency: LatencyParams = LatencyParams()
