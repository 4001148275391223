"""`clickwright ab`: online experiments, from the plan to the verdict."""

import json
import pathlib
import sys
import time
from typing import TYPE_CHECKING, Annotated

import rich.box
import rich.console
import rich.table
import rich.text
import typer

from clickwright.pipeline.command_options import RootOption, show_error
from clickwright.pipeline.history_command import history
from clickwright.schemas.errors import ClickwrightError, ConfigError

if TYPE_CHECKING:
    from clickwright.experiments.decision.decision import Decision
    from clickwright.experiments.report.ab_report import AbReport
    from clickwright.experiments.statistics.baseline import Baseline
    from clickwright.experiments.statistics.plan import Plan
    from clickwright.schemas.experiment import Experiment

ab_app = typer.Typer(
    help="Online experiments: plan, start, watch, report, promote, roll back.",
    no_args_is_help=True,
)

FolderOption = Annotated[
    pathlib.Path,
    typer.Option(
        "--experiments",
        "-e",
        envvar="CLICKWRIGHT_EXPERIMENTS",
        help="Folder of the definitions that the router reads.",
    ),
]
LogOption = Annotated[
    pathlib.Path,
    typer.Option(
        "--log",
        "-l",
        envvar="CLICKWRIGHT_EVENT_LOG",
        help="Folder of the router's exposures and of the outcomes.",
    ),
]
OptionalLogOption = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--log",
        "-l",
        envvar="CLICKWRIGHT_EVENT_LOG",
        help="The router's folder of logs; its numbers go into the journal.",
    ),
]
OptionalRootOption = Annotated[
    str | None,
    typer.Option(
        "--root",
        "-r",
        envvar="CLICKWRIGHT_SERVING_ROOT",
        help="Serving root, to look up the arms' versions: `<out>/serving` of a run.",
    ),
]
IdArgument = Annotated[str, typer.Argument(help="Id of the experiment.")]
DefinitionArgument = Annotated[
    pathlib.Path, typer.Argument(help="YAML file of the experiment.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@ab_app.command("plan")
def plan(
    definition: DefinitionArgument,
    rate: Annotated[
        float | None,
        typer.Option(help="Share of units that convert, for a metric of 0 or 1."),
    ] = None,
    mean: Annotated[
        float | None, typer.Option(help="Mean of the primary metric over units.")
    ] = None,
    variance: Annotated[
        float | None,
        typer.Option(help="Its variance from unit to unit, with --mean."),
    ] = None,
    log: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--log", "-l", help="In place of these: logs of an earlier experiment."
        ),
    ] = None,
    past: Annotated[
        str | None,
        typer.Option(
            help="Id of that experiment.", show_default="the definition's own"
        ),
    ] = None,
    units_per_day: Annotated[
        float | None,
        typer.Option(help="Units that ask for the model for the first time, a day."),
    ] = None,
    power: Annotated[
        float, typer.Option(help="Chance to detect the smallest effect.")
    ] = 0.8,
    as_json: JsonOption = False,
) -> None:
    """Tell how many units and days an experiment needs, and what it can detect.

    From a rate:  clickwright ab plan ab.yaml --rate 0.12 --units-per-day 20000

    From a log:   clickwright ab plan ab.yaml --log out/log --past last_ab
    """
    from clickwright.experiments.statistics.planning import plan as make_plan
    from clickwright.schemas.experiment import Experiment
    from clickwright.schemas.strict_yaml import load

    experiment = load(Experiment, definition)
    baseline = _baseline(experiment, rate, mean, variance, log, past)
    made = make_plan(experiment, baseline, units_per_day=units_per_day, power=power)
    if as_json:
        _write(made.model_dump_json(indent=2))
    else:
        _show_plan(made, rich.console.Console())


@ab_app.command("start")
def start(
    definition: DefinitionArgument,
    experiments: FolderOption,
    root: OptionalRootOption = None,
) -> None:
    """Check a definition and put it where the router reads; change one that runs.

    It takes traffic from its `start` on. While it runs its ramp may grow and its end
    may move; what would give units another arm is refused. With --root the arms'
    labels and versions must be there.

    Example: clickwright ab start ab.yaml -e out/experiments --root out/shop/serving
    """
    from clickwright.pipeline import experiment_control

    control = experiment_control.start(definition, experiments, root=root)
    experiment = control.experiment
    rich.console.Console().print(
        f"{experiment.id}: {control.state}, from {experiment.start:%Y-%m-%d %H:%M} to "
        f"{experiment.end:%Y-%m-%d %H:%M} UTC",
        highlight=False,
        soft_wrap=True,
    )


@ab_app.command("status")
def status(
    experiments: FolderOption,
    name: Annotated[
        str | None, typer.Argument(help="One experiment, with its decisions.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the experiments of a folder: state, share of the units, last decision.

    Example: clickwright ab status -e out/experiments
    """
    import datetime

    from clickwright.experiments.decision.decision_journal import turning_points
    from clickwright.experiments.experiment_book import ExperimentBook
    from clickwright.pipeline.experiment_control import ExperimentControl

    now = datetime.datetime.now(datetime.UTC)
    names = [name] if name else list(ExperimentBook(experiments).experiments)
    controls = [ExperimentControl(experiments, each) for each in names]
    console = rich.console.Console()
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for column in ("experiment", "model", "state", "share", "start", "end", "last"):
        table.add_column(column)
    rows = []
    for control in controls:
        experiment, state = control.experiment, control.state
        share = experiment.share_at(now) if state == "running" else 0.0
        end = control.book.end(experiment.id)
        decisions = control.journal.of(experiment.id)
        last = decisions[-1] if decisions else None
        rows.append(
            {
                "id": experiment.id,
                "model": experiment.model,
                "state": state,
                "share": share,
                "start": experiment.start.isoformat(),
                "end": end.isoformat(),
                "arms": {name: arm.weight for name, arm in experiment.arms.items()},
                "decision": last.model_dump(mode="json") if last else None,
            }
        )
        table.add_row(
            experiment.id,
            experiment.model,
            state,
            f"{share:.0%}",
            f"{experiment.start:%Y-%m-%d %H:%M}",
            f"{end:%Y-%m-%d %H:%M}",
            last.action if last else "-",
        )
    if as_json:
        _write(json.dumps(rows, indent=2))
        return
    console.print(table)
    if name:
        for decision in turning_points(controls[0].journal.of(name)):
            _show_decision(decision, console)


@ab_app.command("report")
def report(
    name: IdArgument,
    experiments: FolderOption,
    log: LogOption,
    root: OptionalRootOption = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help="The HTML file.", show_default="<id>.html"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure an experiment: health first, then effects; one HTML file.

    A result that fails a health check is stamped untrusted, and no effect of it is
    shown first. The arms' pipeline runs are those that `ab start` noted; with --root,
    those of a definition that was put into the folder by hand.

    Example: clickwright ab report crosses -e out/experiments --log out/log
    """
    from clickwright.experiments.report.render import write_report
    from clickwright.pipeline.console import watched
    from clickwright.pipeline.experiment_control import ExperimentControl

    path = out or pathlib.Path(f"{name}.html")
    with watched(rich.console.Console(stderr=True), "A/B report"):
        found = ExperimentControl(experiments, name, root=root, log=log).report()
        write_report(found, path)
    if as_json:
        _write(found.model_dump_json(indent=2))
    else:
        _show_report(found, path, rich.console.Console())


@ab_app.command("watch")
def watch(
    name: IdArgument,
    experiments: FolderOption,
    log: LogOption,
    root: RootOption,
    every: Annotated[
        float, typer.Option(min=1, help="Seconds between two looks.")
    ] = 300.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
) -> None:
    """Decide again and again: roll back on a breached guardrail, promote a winner.

    Guardrails and, with `rule: sequential`, the primary metric are tested so that any
    number of looks is safe. Each decision goes to `decisions.jsonl` beside the
    definition, with its numbers. It ends with the experiment.

    Example: clickwright ab watch crosses -e out/experiments --log out/log
    --root out/shop/serving
    """
    from clickwright.pipeline.experiment_control import ExperimentControl

    control = ExperimentControl(experiments, name, root=root, log=log)
    console = rich.console.Console()
    while True:
        try:
            _show_decision(control.look(), console)
        except ClickwrightError as error:
            if once:
                raise
            # A guard does not leave its post because a disk was full for a moment.
            show_error(error, rich.console.Console(stderr=True))
        if once or control.over:
            return
        time.sleep(every)


@ab_app.command("stop")
def stop(
    name: IdArgument,
    experiments: FolderOption,
    root: RootOption,
    reason: Annotated[str, typer.Option(help="For the journal.")],
    log: OptionalLogOption = None,
) -> None:
    """End an experiment: no unit is assigned any more, the trial's label goes back.

    Example: clickwright ab stop crosses -e out/experiments --root out/shop/serving
    --reason "the sale began"
    """
    from clickwright.pipeline.experiment_control import ExperimentControl

    control = ExperimentControl(experiments, name, root=root, log=log)
    _show_decision(control.stop(reason), rich.console.Console())


@ab_app.command("promote")
def promote(
    name: IdArgument,
    experiments: FolderOption,
    log: LogOption,
    root: RootOption,
    reason: Annotated[str, typer.Option(help="For the journal.")],
    arm: Annotated[
        str | None,
        typer.Option(help="The arm.", show_default="the one beside control"),
    ] = None,
) -> None:
    """End an experiment and let an arm's version answer users.

    Refused where a health check failed, a guardrail is breached, or the label has
    moved to a version that was not measured.

    Example: clickwright ab promote crosses -e out/experiments --log out/log
    --root out/shop/serving --reason "clicks rose"
    """
    from clickwright.pipeline.experiment_control import ExperimentControl

    control = ExperimentControl(experiments, name, root=root, log=log)
    _show_decision(control.promote(reason, arm), rich.console.Console())


@ab_app.command("rollback")
def rollback(
    name: IdArgument,
    experiments: FolderOption,
    root: RootOption,
    reason: Annotated[str, typer.Option(help="For the journal.")],
    log: OptionalLogOption = None,
) -> None:
    """End an experiment and take its arm back, also after it was promoted.

    Example: clickwright ab rollback crosses -e out/experiments --root out/shop/serving
    --reason "pages load slowly"
    """
    from clickwright.pipeline.experiment_control import ExperimentControl

    control = ExperimentControl(experiments, name, root=root, log=log)
    _show_decision(control.rollback(reason), rich.console.Console())


ab_app.command("history")(history)


def _baseline(
    experiment: "Experiment",
    rate: float | None,
    mean: float | None,
    variance: float | None,
    log: pathlib.Path | None,
    past: str | None,
) -> "Baseline":
    from clickwright.experiments.events.event_store import EventStore
    from clickwright.experiments.statistics.baseline import Baseline
    from clickwright.experiments.unit_table import unit_table
    from clickwright.schemas.strict_yaml import parse

    moments = (mean is not None) + (variance is not None)
    if (rate is not None) + (moments == 2) + (log is not None) != 1 or moments == 1:
        raise ConfigError(
            "Planning starts from what one unit does without the experiment.",
            fix="give one of --rate, --mean with --variance, or --log",
        )
    if rate is not None:
        return Baseline.of_rate(rate)
    if log is None:
        given = {"mean": mean, "variance": variance}
        return parse(Baseline, given, "--mean and --variance")
    if past is not None:
        experiment = experiment.model_copy(update={"id": past})
    exposures, outcomes = (EventStore(log, kind) for kind in ("exposure", "outcome"))
    return Baseline.of_units(unit_table(exposures, outcomes, experiment), experiment)


def _show_plan(made: "Plan", console: rich.console.Console) -> None:
    by_arm = ", ".join(f"{arm} {units:,}" for arm, units in made.units_by_arm.items())
    goal = (
        f"{made.metric}: {made.baseline.mean:g} without the experiment; to detect "
        f"{made.minimum_effect:.2%} of it with a chance of {made.power:.0%} "
        f"({made.rule}, alpha {made.alpha:g})"
    )
    lines = [goal, f"units: {made.units:,} ({by_arm})"]
    if made.enough is not None:
        days = "more than ten years" if made.days is None else f"{made.days:,}"
        lines.append(
            f"days: {days}"
            + ("" if made.enough else ", which is more than the experiment has")
        )
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    if made.by_day:
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
        for column in ("days", "units", "smallest effect"):
            table.add_column(column, justify="right")
        for day in made.by_day:
            effect = day.minimum_effect
            shown = "-" if effect is None else f"{effect:.2%}"
            table.add_row(str(day.days), f"{day.units:,}", shown)
        console.print(table)


def _show_report(
    found: "AbReport", path: pathlib.Path, console: rich.console.Console
) -> None:
    verdict = found.verdict
    for line in (verdict.headline, verdict.sentence, *verdict.reasons):
        console.print(rich.text.Text(line), soft_wrap=True)
    if found.health.trusted:
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
        for column in ("metric", "arm", "control", "arm's", "lift", "always valid"):
            table.add_column(column, justify="left" if column == "metric" else "right")
        for effect in found.effects:
            table.add_row(
                effect.metric,
                effect.arm,
                _number(effect.control_mean),
                _number(effect.arm_mean),
                _percent(effect.lift),
                f"{_percent(effect.always_low)} to {_percent(effect.always_high)}",
            )
        console.print(table)
    console.print(f"report: {path}", highlight=False, soft_wrap=True)


def _show_decision(decision: "Decision", console: rich.console.Console) -> None:
    line = rich.text.Text(f"{decision.at:%Y-%m-%d %H:%M:%S} UTC  ", "dim")
    line.append(decision.action, "bold")
    if decision.arm:
        line.append(f" {decision.arm}")
    line.append(f": {decision.reason}")
    console.print(line, soft_wrap=True, highlight=False)
    for done in decision.done:
        console.print(rich.text.Text(f"  {done}"), soft_wrap=True)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2%}"


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
