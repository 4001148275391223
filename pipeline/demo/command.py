"""`clickwright demo-traffic`: an A/B test whose true outcome is known."""

import os
import pathlib
from typing import Annotated

import rich.console
import typer


def demo_traffic(
    config: Annotated[
        pathlib.Path,
        typer.Option(
            "--config",
            "-c",
            help="YAML of the run that put a version on trial, with an `experiment`; "
            "its data set is `marketplace`.",
        ),
    ],
    out: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder of that run.", show_default="out/<name>"),
    ] = None,
    page_views: Annotated[
        int, typer.Option("--page-views", min=100, max=1_000_000, help="Requests.")
    ] = 6_000,
    seed: Annotated[
        int, typer.Option(min=0, help="Another seed brings other shoppers.")
    ] = 7,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print.")
    ] = False,
) -> None:
    """Send simulated shoppers to the arms of an experiment, and report what they did.

    Starts a model server and a router, real ones; two weeks of the simulated shop pass
    in less than a minute. The shop knows what each arm would have earned, so the report
    says whether its intervals cover the truth. What an earlier call left in
    `<out>/ab_test` is replaced; no label moves.

    Example: clickwright demo-traffic -c configs/marketplace_deepfm.yaml --out out/demo
    """
    # TensorFlow would greet on standard error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from clickwright.pipeline.console import quiet, watched
    from clickwright.pipeline.demo.run_inputs import run_inputs
    from clickwright.pipeline.demo.traffic_options import TrafficOptions
    from clickwright.pipeline.lock import exclusive

    inputs = run_inputs(config, out)
    options = TrafficOptions(page_views=page_views, seed=seed)
    with exclusive(inputs.out), quiet(inputs.out / "ab_test.log", verbose) as console:
        console.print(f"[bold]{inputs.name}[/] · A/B test · {config}", highlight=False)
        with watched(console, "Load TensorFlow"):
            from clickwright.pipeline.demo import online_test
        test = online_test.run_online_test(inputs, options, console)
    online_test.show(test, rich.console.Console())
