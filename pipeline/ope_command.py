"""`clickwright ope`: what a policy would have earned, from the log of another one."""

import pathlib
import sys
from typing import Annotated

import rich.console
import typer


def ope(
    log: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Parquet or CSV, a row a choice; with --experiment, the folder of the "
            "router's log."
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            help="The new policy: `uniform`, or a table (Parquet, CSV) of `action`, "
            "`probability`, and columns of the log that it looks at."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="In place of --policy: column with the new policy's probability of "
            "the logged choice."
        ),
    ] = None,
    experiment: Annotated[
        pathlib.Path | None,
        typer.Option(help="Definition of an A/B test, whose arms are the choices."),
    ] = None,
    action: Annotated[str, typer.Option(help="Column of the choice.")] = "action",
    reward: Annotated[
        str, typer.Option(help="Column of the reward; an outcome with --experiment.")
    ] = "reward",
    propensity: Annotated[
        str, typer.Option(help="Column of the choice's logged probability.")
    ] = "propensity",
    unit: Annotated[
        str | None,
        typer.Option(help="Column of the unit (user), whose rows are one draw."),
    ] = None,
    context: Annotated[
        str,
        typer.Option(help="Columns for the reward model, with commas between."),
    ] = "",
    clip: Annotated[
        float | None,
        typer.Option(help="Largest clipped weight.", show_default="root of the rows"),
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="Of the intervals.", min=0.51, max=0.999)
    ] = 0.95,
    resamples: Annotated[
        int, typer.Option(help="Of the bootstrap.", min=100, max=100_000)
    ] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="Draws the same again.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs.")
    ] = False,
) -> None:
    """Estimate what a new policy would earn, before a user meets it.

    Inverse propensity scores, self-normalised, clipped, and doubly robust, each with a
    bootstrap interval. Where the log shows too little of the new policy, nothing is
    estimated, the reasons are printed, and the exit code is 1.

    A table:      clickwright ope clicks.parquet --policy policy.csv --unit user_id

    A column:     clickwright ope clicks.parquet --target new_probability

    The treatment on phones alone, from an A/B test of both:
    clickwright ope out/log --experiment ab.yaml --reward click --policy phones.csv
    """
    from clickwright.experiments.off_policy.estimate_policy import estimate_policy
    from clickwright.experiments.off_policy.off_policy_options import OffPolicyOptions
    from clickwright.pipeline import off_policy
    from clickwright.pipeline.console import watched
    from clickwright.schemas import strict_yaml

    given = {"clip": clip, "confidence": confidence}
    given |= {"resamples": resamples, "seed": seed}
    options = strict_yaml.parse(OffPolicyOptions, given, "the options")
    with watched(rich.console.Console(stderr=True), "Off-policy estimate"):
        if experiment is not None:
            choices = off_policy.read_units(log, experiment, reward)
        else:
            names = tuple(name.strip() for name in context.split(",") if name.strip())
            columns = off_policy.Columns(action, reward, propensity, unit, names)
            choices = off_policy.read_log(log, columns)
        seen = off_policy.seen(choices, policy, target, seed)
        report = estimate_policy(seen, options, where=str(log))
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        off_policy.show(report, rich.console.Console())
    if report.refusals:
        raise typer.Exit(1)
