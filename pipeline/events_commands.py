"""`clickwright events`: the logs of exposures and outcomes."""

import datetime
import json
import os
import pathlib
import sys
import time
from typing import Annotated, Any, Literal

import rich.box
import rich.console
import rich.table
import typer

from clickwright.schemas.errors import ConfigError

events_app = typer.Typer(
    help="Logs of exposures and outcomes: ingest, look, count.", no_args_is_help=True
)

LogOption = Annotated[
    pathlib.Path,
    typer.Option(
        "--log",
        "-l",
        envvar="CLICKWRIGHT_EVENT_LOG",
        help="Folder of the router's exposures and of the outcomes.",
    ),
]
KindOption = Annotated[
    Literal["exposure", "outcome"], typer.Option(help="What to show.")
]


@events_app.command("ingest")
def ingest_outcomes(
    files: Annotated[
        list[pathlib.Path],
        typer.Argument(help="CSV with a header, JSON lines, or Parquet."),
    ],
    log: LogOption,
    secret_env: Annotated[
        str | None,
        typer.Option(
            "--secret_env",
            "--secret-env",
            help="Environment variable with the secret of an experiment with "
            "`hash_units`: units become the pseudonyms that its exposures have.",
        ),
    ] = None,
) -> None:
    """Take outcomes (clicks, purchases) into the log.

    Columns: outcome_id, name, value, at (ISO 8601 with time zone), request_id or unit,
    and position of the item, if known. Do it again at will, as after a crash: an
    outcome_id counts once. Rows that break a rule go to `rejects/` in the folder of the
    log, with the reason; then the exit code is 1.

    Example: clickwright events ingest clicks.csv orders.parquet --log out/shop/events
    """
    from clickwright.experiments.events.event_log import EventLog
    from clickwright.experiments.events.ingest import ingest
    from clickwright.pipeline.console import watched

    secret = None
    if secret_env is not None:
        secret = os.environ.get(secret_env, "").encode()
        if not secret:
            raise ConfigError(
                f"The environment variable {secret_env} is not set.",
                where="--secret_env",
                fix="set it to the secret that the router has",
            )
    console, out = rich.console.Console(stderr=True), rich.console.Console()
    rejected = 0
    with EventLog(log, "outcome") as outcomes:
        for path in files:
            with watched(console, path.name):
                done = ingest(path, outcomes, secret)
            rejected += done.rejected
            line = f"{path}: {done.taken:,} outcomes taken"
            if done.rejects is not None:
                line += f", {done.rejected:,} rows rejected: {done.rejects}"
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    if rejected:
        raise typer.Exit(1)


@events_app.command("tail")
def tail(
    log: LogOption,
    kind: KindOption = "exposure",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=100_000, help="So many.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as records come.")
    ] = False,
) -> None:
    """Print the newest records, one JSON object a line.

    Example: clickwright events tail --log out/shop/events --kind outcome --follow
    """
    from clickwright.experiments.events.event_store import EventStore

    store = EventStore(log, kind)
    found = store.newest(lines)
    place = (0, -1)
    while True:
        for place, record in found:  # noqa: B007 - the last one is where to go on
            sys.stdout.write(json.dumps(_plain(record), ensure_ascii=False) + "\n")
        sys.stdout.flush()
        if not follow:
            return
        time.sleep(1)
        found = store.newest(100_000, place)


@events_app.command("stats")
def stats(
    log: LogOption,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs.")
    ] = False,
) -> None:
    """Count what the logs hold: exposures by arm, outcomes by name, what was lost.

    Example: clickwright events stats --log out/shop/events
    """
    from clickwright.experiments.events.log_stats import log_stats

    found = log_stats(log)
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
        return
    console = rich.console.Console()
    arms = rich.table.Table(box=rich.box.SIMPLE_HEAD, title="Exposures")
    for column in ("experiment", "arm", "exposures", "units", "first", "last"):
        arms.add_column(column)
    for arm in found.arms:
        arms.add_row(
            arm.experiment,
            arm.variant,
            f"{arm.exposures:,}",
            f"{arm.units:,}",
            f"{arm.first_at:%Y-%m-%d %H:%M:%S}",
            f"{arm.last_at:%Y-%m-%d %H:%M:%S}",
        )
    console.print(arms)
    outcomes = rich.table.Table(box=rich.box.SIMPLE_HEAD, title="Outcomes")
    for column in ("name", "outcomes", "sum", "first", "last"):
        outcomes.add_column(column)
    for one in found.outcomes:
        outcomes.add_row(
            one.name,
            f"{one.outcomes:,}",
            f"{one.total:,.6g}",
            f"{one.first_at:%Y-%m-%d %H:%M:%S}",
            f"{one.last_at:%Y-%m-%d %H:%M:%S}",
        )
    console.print(outcomes)
    lost = ", ".join(f"{name} {count:,}" for name, count in found.lost.items())
    console.print(
        f"repeated ids left out: {found.repeated_exposures:,} exposures, "
        f"{found.repeated_outcomes:,} outcomes; lost exposures: {lost or 'none'}; "
        f"on disk: {found.size / 2**20:,.1f} MiB",
        highlight=False,
    )


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """A record in what JSON has."""
    return {
        name: value.isoformat()
        if isinstance(value, datetime.datetime)
        else dict(value)
        if name == "attributes"
        else value
        for name, value in record.items()
    }
