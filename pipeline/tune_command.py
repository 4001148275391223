"""`clickwright tune`: searches the parameters of a run's model and training."""

import json
import pathlib
import sys
from typing import Annotated, Literal

import rich.console
import typer


def tune(
    config: Annotated[
        pathlib.Path, typer.Option("--config", "-c", help="YAML of a run.")
    ],
    data: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of the raw files; the configuration's when absent."),
    ] = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder for everything written.  [default: out/<name>]"),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings to try.", show_default="the YAML's, or 20"),
    ] = None,
    algorithm: Annotated[
        Literal["random", "bayesian", "hyperband"] | None,
        typer.Option(
            help="How values are chosen.", show_default="the YAML's, or bayesian"
        ),
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="Trials at the same time, each in a process of its own.",
            show_default="the YAML's, or 1",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all trials for programs.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print.")
    ] = False,
) -> None:
    """Search better parameters for a run's model and training.

    Every model says what is worth trying; the section `tuner` of the YAML says
    otherwise. The first trial has the YAML's own values. Nothing is published: the best
    values are printed, ready for the YAML, and `tuning.html` in the output folder shows
    all trials and which parameters matter. Run it again to go on after a kill.

    With a section `tuner`, `clickwright run` searches too, and trains what was found.

    Example: clickwright tune -c shop.yaml --trials 30 --parallel 2
    """
    from clickwright.pipeline import run as runner
    from clickwright.pipeline import tuning

    given = {"trials": trials, "algorithm": algorithm, "parallel": parallel}
    fields = {name: value for name, value in given.items() if value is not None}
    result = runner.run(config, data=data, out=out, tuner=fields, verbose=verbose)
    found = result.summary["tuning"]
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        tuning.show(found, result.paths.tuning, rich.console.Console())
