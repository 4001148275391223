"""`clickwright compile`, `submit` and `replay`: a run on Vertex AI or Kubeflow."""

import pathlib
from typing import Annotated

import rich.console
import typer

from clickwright.pipeline.remote.target import Target

SpecArgument = Annotated[
    pathlib.Path, typer.Argument(help="What `clickwright compile` wrote.")
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        help="A runtime parameter, name=value. May be given more than once.",
    ),
]


def compile_(
    config: Annotated[
        pathlib.Path,
        typer.Option("--config", "-c", help="YAML of a run, with a section `remote`."),
    ],
    target: Annotated[Target, typer.Option(help="What is to run the pipeline.")],
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: .json for submit and replay, .yaml for Kubeflow's "
            "pages.",
            show_default="out/<name>/<target>.json",
        ),
    ] = None,
) -> None:
    """Compile a run's pipeline for Vertex AI or Kubeflow.

    Writes the pipeline spec (KFP v2) and beside it `<name>.submit.json`, which says
    where and how it is to run. Nothing is sent anywhere.

    Example: clickwright compile --target vertex -c configs/shop.yaml -o shop.json

    Then:    clickwright replay shop.json; clickwright submit shop.json
    """
    from clickwright.pipeline.remote import compile_spec

    written = compile_spec.write(config, target, output)
    compile_spec.show(written, rich.console.Console())


def submit(
    spec: SpecArgument,
    target: Annotated[
        Target | None,
        typer.Option(help="Only with this target: a guard against the wrong file."),
    ] = None,
    param: ParamOption = None,
    schedule: Annotated[
        bool,
        typer.Option(
            "--schedule", help="Start it by its schedule from now on, not now."
        ),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="With --schedule: end the schedules that it has."
        ),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until the run has ended.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the call; send nothing.")
    ] = False,
) -> None:
    """Hand a compiled pipeline to Vertex AI or Kubeflow.

    Credentials come from the environment alone: application default credentials for
    Vertex, KF_PIPELINES_* or the pod's own token for Kubeflow, `docker login` for a
    look whether the image is there.

    Look first:  clickwright submit shop.json --dry-run

    Run once:    clickwright submit shop.json --param span=12 --wait

    Each night:  clickwright submit shop.json --schedule
    """
    from clickwright.pipeline.remote.submit import submit as hand_over

    hand_over(
        spec,
        rich.console.Console(),
        target=target,
        param=param or [],
        schedule=schedule,
        replace=replace,
        wait=wait,
        dry_run=dry_run,
    )


def replay(
    spec: SpecArgument,
    root: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for artifacts, logs and the state of the replay.",
            show_default="<spec>.replay",
        ),
    ] = None,
    param: ParamOption = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Run this task and those after it again, even if they ended well.",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Tasks that may run at the same time.")
    ] = 1,
) -> None:
    """Run a compiled pipeline on this machine, without containers or a cluster.

    Each task runs in a process of its own, with the very command of the spec. Run it
    again to resume at the first task that did not end well.

    Example: clickwright replay shop.json --root out/replay --param data=log
    """
    from clickwright.pipeline.remote.replay.replay import replay as replay_

    replay_(
        spec,
        rich.console.Console(stderr=True),
        root=root,
        param=param or [],
        start=start,
        jobs=jobs,
    )
