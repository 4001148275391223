"""`clickwright ab history`: past experiments, promised and measured."""

import pathlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import rich.box
import rich.console
import rich.table
import typer

from clickwright.schemas.errors import DataError

if TYPE_CHECKING:
    from clickwright.experiments.offline_online.past_result import PastResult
    from clickwright.experiments.offline_online.promise import Promise
    from clickwright.experiments.report.ab_report import AbReport

_LABELS = {"auc": "AUC", "gauc": "GAUC", "ne": "NE", "off_policy": "off-policy"}


def history(
    reports: Annotated[
        list[pathlib.Path],
        typer.Argument(
            help="Reports as JSON, or folders of them: what `clickwright ab report "
            "--json` prints."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs.")
    ] = False,
) -> None:
    """Compare offline gains with measured lifts over past experiments.

    A line for each arm: its gain in AUC, GAUC and normalised entropy over control, the
    lift that an off-policy estimate promised, and the lift that users showed. Below
    them, how often each had the right sign, and the lift that came for what it said.

    Keep a report:  clickwright ab report crosses -e out/experiments --log out/log
    --root out/shop/serving --json > out/history/crosses.json

    All of them:    clickwright ab history out/history
    """
    import pydantic

    from clickwright.experiments.offline_online.history import past_results, promises

    results = past_results(_read(path) for path in _files(reports))
    found = promises(results)
    if as_json:
        content = {"results": results, "promises": found}
        text = pydantic.TypeAdapter(Any).dump_json(content, indent=2).decode()
        sys.stdout.write(text + "\n")
    else:
        _show(results, found, rich.console.Console())


def _files(paths: list[pathlib.Path]) -> list[pathlib.Path]:
    found = [
        file
        for path in paths
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    if not found:
        raise DataError(
            "There is no report.",
            where=", ".join(map(str, paths)),
            fix="write some with `clickwright ab report --json`",
        )
    return found


def _read(path: pathlib.Path) -> "AbReport":
    import pydantic

    from clickwright.experiments.report.ab_report import AbReport

    try:
        return AbReport.model_validate_json(path.read_bytes())
    except (OSError, pydantic.ValidationError) as error:
        raise DataError(
            f"The report cannot be read: {' '.join(str(error).split()):.300}",
            where=str(path),
            fix="write it again with `clickwright ab report --json`",
        ) from error


def _show(
    results: "list[PastResult]",
    found: "list[Promise]",
    console: rich.console.Console,
) -> None:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for column in ("experiment", "arm", "AUC", "GAUC", "NE", "off-policy", "measured"):
        right = column not in ("experiment", "arm")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for r in results:
        measured = _lift(r.lift, r.lift_low, r.lift_high)
        table.add_row(
            r.experiment,
            r.arm,
            *(
                f"{r.offline[name]:+.4f}" if name in r.offline else "-"
                for name in ("auc", "gauc", "ne")
            ),
            _lift(r.off_policy_lift, r.off_policy_lift_low, r.off_policy_lift_high),
            f"{r.metric} {measured}" if r.trusted else "untrusted",
        )
    console.print(table)
    for promise in found:
        rank = promise.rank_correlation
        line = (
            f"{_LABELS[promise.predictor]}: the right sign for {promise.same_sign} of "
            f"{promise.arms} arms"
        )
        if rank is not None:
            line += f", rank correlation {rank:+.2f}"
        if promise.slope is not None:
            step, unit = (
                (0.01, "1 %")
                if promise.predictor == "off_policy"
                else (
                    0.001,
                    "0.001",
                )
            )
            line += f", {promise.slope * step:+.2%} lift for each {unit} that it gained"
        console.print(line, highlight=False, soft_wrap=True)


def _lift(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    if low is None or high is None:
        return f"{value:+.2%}"
    return f"{value:+.2%} ({low:+.2%} to {high:+.2%})"
