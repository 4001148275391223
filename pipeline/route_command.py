"""`clickwright route`: traffic between the arms of online experiments."""

import pathlib
from typing import Annotated, Literal

import typer


def route(
    experiments: Annotated[
        pathlib.Path,
        typer.Option("--experiments", help="Folder of the experiments' YAML files."),
    ],
    log: Annotated[
        pathlib.Path, typer.Option("--log", help="Folder for the exposures.")
    ],
    server: Annotated[
        str, typer.Option("--server", help="gRPC of the model server, `host:port`.")
    ] = "127.0.0.1:8500",
    rest_server: Annotated[
        str,
        typer.Option(
            "--rest_server", "--rest-server", help="HTTP of the model server."
        ),
    ] = "127.0.0.1:8501",
    model_server: Annotated[
        list[str] | None,
        typer.Option(
            "--model_server",
            "--model-server",
            help="gRPC of a model that another server has: `model=host:port`.",
        ),
    ] = None,
    model_rest_server: Annotated[
        list[str] | None,
        typer.Option(
            "--model_rest_server",
            "--model-rest-server",
            help="HTTP of such a model: `model=host:port`.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="For gRPC; 0: none.")
    ] = 8600,
    rest_api_port: Annotated[
        int,
        typer.Option(
            "--rest_api_port", min=0, max=65535, help="For HTTP and metrics; 0: none."
        ),
    ] = 8601,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on. Callers are not authenticated."
        ),
    ] = "127.0.0.1",
    max_timeout_in_ms: Annotated[
        int,
        typer.Option("--max_timeout_in_ms", min=1, help="Of a request, at most."),
    ] = 30_000,
    arm_timeout_share: Annotated[
        float,
        typer.Option(
            "--arm_timeout_share",
            help="Part of it that an arm may take; the rest is left for control.",
        ),
    ] = 0.7,
    max_message_bytes: Annotated[
        int,
        typer.Option("--max_message_bytes", min=1, max=2**31 - 1, help="Of a request."),
    ] = 64 * 2**20,
    max_in_flight: Annotated[
        int, typer.Option("--max_in_flight", min=1, help="Requests under way.")
    ] = 256,
    max_hops: Annotated[
        int, typer.Option("--max_hops", min=1, help="Routers that a request may pass.")
    ] = 3,
    max_logged_scores: Annotated[
        int,
        typer.Option(
            "--max_logged_scores",
            min=0,
            max=30_000,
            help="Candidates whose scores are logged.",
        ),
    ] = 1000,
    shadow_wait_in_ms: Annotated[
        float,
        typer.Option(
            "--shadow_wait_in_ms",
            min=0,
            help="Longest that an answer waits for its shadow.",
        ),
    ] = 10.0,
    on_log_failure: Annotated[
        Literal["error", "control"],
        typer.Option(
            "--on_log_failure", help="What is answered while the log cannot be written."
        ),
    ] = "control",
    reload_seconds: Annotated[
        float,
        typer.Option(
            "--reload_seconds",
            min=0,
            help="How often the experiments are looked at; 0: once.",
        ),
    ] = 1.0,
    log_sync: Annotated[
        Literal["interval", "always", "never"],
        typer.Option("--log_sync", help="When exposures reach the disk."),
    ] = "interval",
    log_segment_seconds: Annotated[
        float,
        typer.Option(
            "--log_segment_seconds", help="Age at which a segment becomes Parquet."
        ),
    ] = 600.0,
    log_max_bytes: Annotated[
        int, typer.Option("--log_max_bytes", min=1, help="Size of the log's folder.")
    ] = 64 * 2**30,
    shutdown_grace_seconds: Annotated[
        float,
        typer.Option(
            "--shutdown_grace_seconds",
            min=0,
            help="For requests that run when the router is told to stop.",
        ),
    ] = 15,
) -> None:
    """Share the traffic of a model out among the arms of its experiments.

    Speaks TensorFlow Serving's gRPC and REST, so that clients change the address alone,
    and asks the server of each unit's arm: sticky, by the metadata key or header
    `x-unit-id`. An arm that fails or takes too long is replaced by control. Each answer
    of an experiment leaves one exposure in the log before it leaves, and carries
    `x-request-id`, `x-experiment` and `x-variant`. Changed experiments are read without
    a restart; GET /healthz and /monitoring/prometheus/metrics are there too.

    Example:  clickwright route --experiments configs/experiments --log out/events
    --server 127.0.0.1:8500 --rest_server 127.0.0.1:8501
    """
    given = dict(locals())
    from clickwright.serving.router.options import router_options
    from clickwright.serving.router.run import run as run_router

    run_router(router_options(given))
