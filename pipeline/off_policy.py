"""A log and a policy from files, and what the one says of the other, for people."""

import dataclasses
import pathlib

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import rich.box
import rich.console
import rich.table

from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.experiments.off_policy.decision_log import DecisionLog
from clickwright.experiments.off_policy.off_policy_report import OffPolicyReport
from clickwright.experiments.off_policy.table_policy import TablePolicy
from clickwright.schemas.errors import ConfigError, DataError

UNIFORM = "uniform"
_NOTES = {
    "ips": "unbiased, widest",
    "snips": "rarely far off",
    "clipped": "biased towards 0",
    "dr": "unbiased, sharper with a good model",
    "dm": "the model's own opinion",
}


@dataclasses.dataclass(frozen=True)
class Columns:
    """Names of a log's columns, as in `DecisionLog`."""

    action: str
    reward: str
    propensity: str
    unit: str | None = None
    context: tuple[str, ...] = ()


def read_log(path: pathlib.Path, columns: Columns) -> DecisionLog:
    """Reads a log of choices.

    Raises:
        DataError: it cannot be read.
    """
    return DecisionLog(_read(path), **dataclasses.asdict(columns), where=str(path))


def read_units(
    folder: pathlib.Path, experiment: pathlib.Path, reward: str
) -> DecisionLog:
    """Reads the units of an experiment, each the choice of its arm.

    Args:
        folder: where the router logs.
        experiment: its definition.
        reward: the outcome that units are judged by.

    Raises:
        ConfigError: the definition breaks a rule, or has no such outcome.
        DataError: the log cannot be read, or holds no unit.
    """
    from clickwright.experiments.events.event_store import EventStore
    from clickwright.experiments.off_policy.arm_log import arm_log
    from clickwright.experiments.unit_table import unit_table
    from clickwright.schemas import strict_yaml
    from clickwright.schemas.experiment import Experiment

    definition = strict_yaml.load(Experiment, experiment)
    stores = EventStore(folder, "exposure"), EventStore(folder, "outcome")
    units = unit_table(*stores, definition)
    return arm_log(units, definition, reward, str(folder))


def seen(
    log: DecisionLog, policy: str | None, target: str | None, seed: int
) -> BanditLog:
    """The log as the new policy sees it.

    Args:
        log: the choices.
        policy: `uniform`, or the path of a table of probabilities.
        target: column with the new policy's probability of the logged choice.
        seed: deals the folds of the reward model.

    Raises:
        ConfigError: not one of `policy` and `target` is given.
        DataError: the policy cannot be read or does not fit the log.
    """
    if (policy is None) == (target is None):
        raise ConfigError(
            "The new policy is a table, or a column of the log.",
            where="--policy and --target",
            fix="give one of them: `--policy uniform`, `--policy FILE` or `--target "
            "COLUMN`",
        )
    if target is not None:
        return log.seen_by_column(target)
    if policy == UNIFORM:
        return log.seen_by(TablePolicy.uniform(log.actions()), seed=seed)
    path = pathlib.Path(str(policy))
    return log.seen_by(TablePolicy.of_table(_read(path), str(path)), seed=seed)


def show(report: OffPolicyReport, console: rich.console.Console) -> None:
    """Prints the overlap first, then the estimates or why there are none."""
    overlap = report.overlap
    console.print(
        f"{overlap.rows:,} choices of {overlap.units:,} units, weighted worth "
        f"{overlap.effective_units:,.0f} units and {overlap.effective_rewards:,.0f} "
        f"rewards; mean weight {overlap.mean_weight:.4f} +- "
        f"{overlap.mean_weight_error:.4f}, largest {overlap.largest_weight:,.1f}",
        highlight=False,
        soft_wrap=True,
    )
    if report.refusals:
        console.print("[bold red]No estimate.[/] The log shows too little of it:")
        for refusal in report.refusals:
            console.print(f"- {refusal}", highlight=False, markup=False, soft_wrap=True)
        return
    percent = f"{report.options.confidence:.0%}"
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("estimate", no_wrap=True)
    for name in ("value", f"{percent} interval", "against the log", percent):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", style="dim")
    table.add_row(
        "logged",
        f"{report.logged:.5g}",
        _interval(report.logged_low, report.logged_high),
        "",
        "",
        "what the logging policy earned",
    )
    for e in report.estimates:
        note = _NOTES[e.estimator]
        if e.estimator == "clipped":
            note += f": {report.clipped_share:.2%} of rows at {report.clip:,.4g}"
        table.add_row(
            e.estimator,
            f"{e.value:.5g}",
            _interval(e.low, e.high),
            f"{e.difference:+.4g}",
            _interval(e.difference_low, e.difference_high),
            note,
        )
    console.print(table)


def _interval(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"


def _read(path: pathlib.Path) -> pa.Table:
    try:
        if path.suffix == ".csv":
            return pyarrow.csv.read_csv(path)
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"The file cannot be read: {' '.join(str(error).split())}.",
            where=str(path),
            fix="give a Parquet file, or a CSV whose name ends in `.csv`",
        ) from error
