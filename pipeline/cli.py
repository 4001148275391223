"""The `clickwright` command.

Heavy libraries are imported inside the commands that need them: `--help` answers at
once, and a run pays TFX's fifteen seconds once.
"""

import json
import pathlib
import sys
from typing import Annotated, Literal

import rich.box
import rich.console
import rich.table
import typer

from clickwright.pipeline.ab_commands import ab_app
from clickwright.pipeline.command_options import RootOption, show_error
from clickwright.pipeline.demo.command import demo_traffic
from clickwright.pipeline.events_commands import events_app
from clickwright.pipeline.ope_command import ope
from clickwright.pipeline.remote.commands import compile_, replay, submit
from clickwright.pipeline.route_command import route
from clickwright.pipeline.serving_flags import ServingFlags
from clickwright.pipeline.tune_command import tune
from clickwright.schemas.errors import ClickwrightError

app = typer.Typer(
    help="Click models as a TFX pipeline: from the log to a published SavedModel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
spec_app = typer.Typer(
    help="Feature specs: what the columns mean.", no_args_is_help=True
)
data_app = typer.Typer(help="Data sets that come by name.", no_args_is_help=True)
app.add_typer(spec_app, name="spec")
app.add_typer(data_app, name="data")
bench_app = typer.Typer(
    help="The product measured against published figures.", no_args_is_help=True
)
app.add_typer(bench_app, name="bench")
models_app = typer.Typer(
    help="Published models: versions, labels, releases.", no_args_is_help=True
)
app.add_typer(models_app, name="models")
app.add_typer(ab_app, name="ab")
app.add_typer(events_app, name="events")

ConfigOption = Annotated[
    list[pathlib.Path],
    typer.Option(
        "--config",
        "-c",
        help="YAML of a run (see configs/). Given more than once, the runs follow one "
        "another in one process, each compared with the blessed model before it.",
    ),
]
DataOption = Annotated[
    pathlib.Path | None,
    typer.Option(
        help="Folder of the raw files; the configuration's own when absent. "
        "Simulated data need none."
    ),
]
OutOption = Annotated[
    pathlib.Path | None,
    typer.Option(help="Folder for everything a run writes.  [default: out/<name>]"),
]
SpanOption = Annotated[
    str | None,
    typer.Option(
        help="Where the log lies in spans: `latest`, a number such as `14`, or a range "
        "such as `8..14` for a cold start on these.",
        show_default="the latest",
    ),
]
ModelArgument = Annotated[str, typer.Argument(help="Name that the server answers to.")]
LabelOption = Annotated[
    Literal["stable", "canary"],
    typer.Option(help="stable answers users, canary is on trial."),
]


@app.command()
def run(
    config: ConfigOption,
    data: DataOption = None,
    out: OutOption = None,
    span: SpanOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print summary.json on standard output.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print.")
    ] = False,
) -> None:
    """Run the whole pipeline: ingest, check, transform, train, evaluate, publish.

    Run it again to resume: finished components are taken from the cache, training
    goes on from its last epoch. A person watches standard error; results go to
    standard output.

    With `incremental` in the configuration the log lies in spans, and training goes on
    from the blessed model with what that has not seen.

    Example: clickwright run -c configs/frappe_deepfm.yaml --data ../shared/data/frappe

    A new day: clickwright run -c shop.yaml --span latest
    """
    from clickwright.pipeline import run as runner

    results = [
        runner.run(path, data=data, out=out, span=span, verbose=verbose)
        for path in config
    ]
    if as_json:
        summaries = [result.summary for result in results]
        shown = summaries[0] if len(summaries) == 1 else summaries
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        runner.show(results, rich.console.Console())


@app.command()
def backfill(
    config: Annotated[
        pathlib.Path, typer.Option("--config", "-c", help="YAML of the runs.")
    ],
    spans: Annotated[str, typer.Option(help="First and last span, such as `1..14`.")],
    data: DataOption = None,
    out: OutOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summaries of the runs.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print.")
    ] = False,
) -> None:
    """Run the pipeline on many spans, in order, each from the model before it.

    Give the same command again to go on after a failure: spans that are done are left
    out.

    Example: clickwright backfill -c shop.yaml --spans 1..14
    """
    from clickwright.pipeline import backfill as backfill_

    summaries = backfill_.backfill(config, spans, data=data, out=out, verbose=verbose)
    if as_json:
        sys.stdout.write(json.dumps(summaries, indent=2) + "\n")
    else:
        backfill_.show(summaries, rich.console.Console())


@app.command()
def plan(
    config: ConfigOption,
    data: DataOption = None,
    out: OutOption = None,
    span: SpanOption = None,
) -> None:
    """Show what a run would do: steps, what is cached, table sizes and memory.

    Nothing is written and no data are read beyond counting values.
    """
    from clickwright.pipeline import plan as planner

    console = rich.console.Console()
    for path in config:
        planner.show(planner.make_plan(path, data, out, span), console)


@app.command()
def doctor(
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder that runs will write to.")
    ] = pathlib.Path("out"),
) -> None:
    """Check this machine: Python, glibc, packages, disk, memory, writable paths."""
    from clickwright.pipeline import doctor as doctor_

    checks = doctor_.examine(out)
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for column in ("", "check", "found", "what to do"):
        table.add_column(column)
    marks = {"good": "[green]✓", "note": "[yellow]i", "bad": "[red]✗"}
    for check in checks:
        table.add_row(marks[check.state], check.name, check.found, check.fix)
    rich.console.Console().print(table)
    if any(check.state == "bad" for check in checks):
        raise typer.Exit(1)


@spec_app.command("check")
def spec_check(
    file: Annotated[pathlib.Path, typer.Argument(help="A features.yaml.")],
) -> None:
    """Validate a feature spec and list its features."""
    from clickwright.schemas.spec import load_spec

    spec = load_spec(file)
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, title=f"{spec.name}: valid")
    for column in ("feature", "kind", "role", "column", "presence"):
        table.add_column(column)
    for name, feature in spec.features.items():
        table.add_row(
            name, feature.kind, feature.role, spec.column_of(name), feature.presence
        )
    rich.console.Console().print(table)


@spec_app.command("schema")
def spec_schema(
    file: Annotated[pathlib.Path, typer.Argument(help="A features.yaml.")],
    output: Annotated[
        pathlib.Path | None, typer.Option(help="Write here; else beside the spec.")
    ] = None,
) -> None:
    """Derive the TF Metadata schema (`schema.pbtxt`) from a feature spec."""
    from clickwright.schemas.metadata import write_schema
    from clickwright.schemas.spec import load_spec

    target = output or file.with_name("schema.pbtxt")
    write_schema(load_spec(file), target)
    rich.console.Console().print(f"wrote {target}", highlight=False, soft_wrap=True)


@spec_app.command("json-schema")
def spec_json_schema() -> None:
    """Print the JSON Schema of feature specs, for editors."""
    from clickwright.schemas.spec import FeatureSpec

    sys.stdout.write(json.dumps(FeatureSpec.model_json_schema(), indent=2) + "\n")


@data_app.command("get")
def data_get(
    name: Annotated[
        str, typer.Argument(help="adult, criteo_8k, frappe, marketplace or movielens.")
    ],
    to: Annotated[
        pathlib.Path | None,
        typer.Option(help="Folder for the raw files.  [default: data/<name>]"),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(help="Folder or base address to take the files from instead."),
    ] = None,
) -> None:
    """Fetch a public data set, checked and resumable.

    Example: clickwright data get movielens --to data/movielens
    """
    from clickwright.pipeline.console import watched
    from clickwright.schemas.datasets import source_class

    source = source_class(name)
    target = to or pathlib.Path("data") / name
    with watched(rich.console.Console(stderr=True), f"Fetch {name}"):
        source.fetch(target, mirror)
    rich.console.Console().print(
        f"raw files are in {target}", highlight=False, soft_wrap=True
    )


@bench_app.command("bars")
def bench_bars(
    dataset: Annotated[
        str, typer.Option(help="Board: a data set of the BARS benchmark.")
    ] = "frappe_x1",
    models: Annotated[
        str | None,
        typer.Option(
            help="Models, or keys of runs such as ektf_10, with commas between.",
            show_default="all",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Trainings a run, from seed 0 on.")
    ] = 1,
    data: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of the raw files.",
            show_default="data/<name>, where `clickwright data get` puts them",
        ),
    ] = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder of results and unfinished states.",
            show_default="out/bench/<dataset>",
        ),
    ] = None,
    docs: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for the document, its figures as JSON and its curves.",
            show_default="the folder of results",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Train again what is trained already.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print.")
    ] = False,
) -> None:
    """Train models with published settings and compare exact test AUC and log loss.

    Run it again to resume: results are reused while settings, data and packages are
    the same; an unfinished training goes on from its last state. The exit code is 1
    when a training failed or a required figure is missed.

    Fetch the data:  clickwright data get frappe

    Two models:      clickwright bench bars --models deepfm,dcnv2 --seeds 3

    All, documented: clickwright bench bars --docs docs/benchmarks
    """
    from clickwright.pipeline.bench import bars

    outcome = bars.run_board(
        dataset,
        models=[name.strip() for name in (models or "").split(",") if name.strip()],
        seeds=seeds,
        data=data,
        out=out,
        docs=docs,
        fresh=fresh,
        verbose=verbose,
    )
    # Files and pipes have no width of their own, and this table needs some.
    width = None if sys.stdout.isatty() else 160
    bars.show(outcome, rich.console.Console(width=width))
    if not outcome.good:
        raise typer.Exit(1)


@app.command(cls=ServingFlags)
def serve(
    model_config_file: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--model_config_file",
            help="What to serve: `ModelServerConfig` in text format.",
        ),
    ] = None,
    model_config_file_poll_wait_seconds: Annotated[
        float,
        typer.Option(
            "--model_config_file_poll_wait_seconds",
            min=0,
            help="How often the file is read again; 0: never.",
        ),
    ] = 0,
    model_name: Annotated[
        str,
        typer.Option("--model_name", help="Name of the one model, without a file."),
    ] = "default",
    model_base_path: Annotated[
        pathlib.Path | None,
        typer.Option("--model_base_path", help="Folder of that model's versions."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="For gRPC; 0: none.")
    ] = 8500,
    rest_api_port: Annotated[
        int,
        typer.Option("--rest_api_port", min=0, max=65535, help="For HTTP; 0: none."),
    ] = 8501,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Address to listen on. Callers are not authenticated."
        ),
    ] = "127.0.0.1",
    grpc_socket_path: Annotated[
        str, typer.Option("--grpc_socket_path", help="UNIX socket for gRPC as well.")
    ] = "",
    grpc_channel_arguments: Annotated[
        str,
        typer.Option(
            "--grpc_channel_arguments",
            help="For gRPC's core: grpc.max_connection_age_ms=2000,...",
        ),
    ] = "",
    rest_api_timeout_in_ms: Annotated[
        int,
        typer.Option("--rest_api_timeout_in_ms", min=1, help="Of an HTTP request."),
    ] = 30_000,
    rest_api_enable_cors_support: Annotated[
        bool,
        typer.Option(
            "--rest_api_enable_cors_support/--norest_api_enable_cors_support",
            help="Let pages of other origins call.",
        ),
    ] = False,
    enable_batching: Annotated[
        bool,
        typer.Option(
            "--enable_batching/--noenable_batching",
            help="Run requests that arrive together as one batch.",
        ),
    ] = False,
    batching_parameters_file: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--batching_parameters_file", help="`BatchingParameters` in text format."
        ),
    ] = None,
    allow_version_labels_for_unavailable_models: Annotated[
        bool,
        typer.Option(
            "--allow_version_labels_for_unavailable_models/"
            "--noallow_version_labels_for_unavailable_models",
            help="New labels may name versions that are not loaded yet.",
        ),
    ] = False,
    enable_model_warmup: Annotated[
        bool,
        typer.Option(
            "--enable_model_warmup/--noenable_model_warmup",
            help="Run a version's warm-up requests before it takes others.",
        ),
    ] = True,
    file_system_poll_wait_seconds: Annotated[
        float,
        typer.Option(
            "--file_system_poll_wait_seconds",
            min=0,
            help="How often new versions are looked for; 0: once.",
        ),
    ] = 1,
    max_num_load_retries: Annotated[
        int,
        typer.Option(
            "--max_num_load_retries", min=0, help="For a version that fails to load."
        ),
    ] = 5,
    load_retry_interval_micros: Annotated[
        int,
        typer.Option(
            "--load_retry_interval_micros", min=0, help="Time between these tries."
        ),
    ] = 60_000_000,
    monitoring_config_file: Annotated[
        pathlib.Path | None,
        typer.Option(
            "--monitoring_config_file", help="`MonitoringConfig` in text format."
        ),
    ] = None,
    tensorflow_intra_op_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_intra_op_parallelism",
            min=0,
            help="Threads of one operation; 0: one.",
        ),
    ] = 0,
    tensorflow_inter_op_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_inter_op_parallelism",
            min=0,
            help="Operations of a request at the same time; 0: one.",
        ),
    ] = 0,
    max_message_bytes: Annotated[
        int,
        typer.Option("--max_message_bytes", min=1, max=2**31 - 1, help="Of a request."),
    ] = 64 * 2**20,
    max_candidates: Annotated[
        int, typer.Option("--max_candidates", min=1, help="Rows of a request.")
    ] = 100_000,
    shutdown_grace_seconds: Annotated[
        float,
        typer.Option(
            "--shutdown_grace_seconds",
            min=0,
            help="For requests that run when the server is told to stop.",
        ),
    ] = 15,
) -> None:
    """Serve published models over gRPC and HTTP, as TensorFlow Serving does.

    Protocol, paths, config file and flags are TensorFlow Serving's; its own binary
    takes the same folder in this server's place. New versions are loaded, warmed up
    and switched to without a failed request. GET /healthz says whether requests are
    taken, GET /monitoring/prometheus/metrics how many there were.

    One model:  clickwright serve --model_name=shop
    --model_base_path=out/shop/serving/shop

    What is published, with labels, read again each second:
    clickwright serve --model_config_file=out/shop/serving/models.config
    --model_config_file_poll_wait_seconds=1
    """
    given = dict(locals())
    from clickwright.serving.server.options import server_options
    from clickwright.serving.server.run import run as run_server

    run_server(server_options(given))


app.command()(route)
app.command("compile")(compile_)
app.command()(submit)
app.command()(replay)
app.command()(ope)
app.command()(demo_traffic)
app.command()(tune)


@app.command()
def predict(
    rows: Annotated[
        pathlib.Path, typer.Argument(help="Rows to score: Parquet or JSON Lines.")
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Name of the model on the server.")
    ],
    server: Annotated[
        str, typer.Option(help="`host:port` of the server's gRPC.")
    ] = "127.0.0.1:8500",
    signature: Annotated[
        str, typer.Option(help="What to call; `rank` scores the rows for `--user`.")
    ] = "predict_raw",
    user: Annotated[
        pathlib.Path | None,
        typer.Option(help="For `rank`: a file of one row, of user and context."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Version of the model; the latest when absent.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Label of a version, in place of its number.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows a request.", min=1)] = 1000,
    timeout: Annotated[float, typer.Option(help="Seconds a request may take.")] = 30.0,
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Parquet file for rows with scores; else scores are printed."
        ),
    ] = None,
) -> None:
    """Score rows with a model server: ours, or TensorFlow Serving.

    The rows hold the columns of the log; labels and what else no feature reads may
    stand beside them. Scores go to standard output, one JSON object a row.

    Example: clickwright predict rows.jsonl --model marketplace --label stable
    """
    from clickwright.pipeline.console import watched
    from clickwright.pipeline.predict import as_lines, predict_file, write_scores
    from clickwright.serving.client import Client

    console = rich.console.Console(stderr=True)
    with (
        Client(server, model, version=version, label=label, timeout=timeout) as client,
        watched(console, "Predict"),
    ):
        scored = predict_file(
            client, rows, signature=signature, user=user, batch_size=batch_size
        )
        if out is not None:
            write_scores(scored, out)
            return
        for _, scores in scored:
            for line in as_lines(scores):
                typer.echo(line)


@app.command()
def skew(
    model: Annotated[
        pathlib.Path, typer.Argument(help="The SavedModel: folder of a version.")
    ],
    requests: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Logged requests with their answers, a TFRecord file of "
            "`PredictionLog`.",
            show_default="the model's golden requests",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="`host:port` of the gRPC of a server that has the model.",
            show_default="one is started for as long as it takes",
        ),
    ] = None,
    rest: Annotated[
        str | None, typer.Option(help="`host:port` of that server's REST.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model on that server.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Largest difference that is no error.")
    ] = 1e-5,
) -> None:
    """Prove that a model is served as it was trained.

    Each model carries requests of real rows with the answers of its training graph.
    They are sent to the SavedModel in this process and to a model server over gRPC and
    REST; the largest difference of each signature is printed. The exit code is 1 where
    one is above the tolerance.

    A model:        clickwright skew out/shop/serving/shop/1795271706

    What a server answered, scored again by another version:
    clickwright skew out/shop/serving/shop/1795271706 --requests requests.tfrecord
    """
    from clickwright.pipeline import skew as skew_
    from clickwright.pipeline.console import watched

    with watched(rich.console.Console(stderr=True), "Skew"):
        report = skew_.prove(
            model, requests=requests, server=server, rest=rest, name=name
        )
    skew_.show(report, tolerance, rich.console.Console())
    if report.failures(tolerance):
        raise typer.Exit(1)


@models_app.command("list")
def models_list(
    root: RootOption,
    model: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs.")
    ] = False,
) -> None:
    """List published versions: when, how large, their labels, whether served.

    Example: clickwright models list --root out/demo/serving
    """
    from clickwright.pipeline import releases

    rows = releases.listing(root, model)
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        releases.show(rows, rich.console.Console())


@models_app.command("promote")
def models_promote(
    root: RootOption,
    model: ModelArgument,
    version: Annotated[
        int | None,
        typer.Argument(help="The version; else the canary's, else the newest."),
    ] = None,
    label: LabelOption = "stable",
) -> None:
    """Give a version a label: let it answer users, or put it on trial.

    One change of the config file, which the server reads again; the version before
    stays loaded for a rollback.

    End a trial well:  clickwright models promote shop --root out/shop/serving

    Begin a trial:     clickwright models promote shop 1795282625 --label canary
    """
    from clickwright.pipeline import releases

    moved = releases.existing(root, model).promote(version, label)
    rich.console.Console().print(f"{model}: {label} is version {moved}", soft_wrap=True)


@models_app.command("rollback")
def models_rollback(
    root: RootOption, model: ModelArgument, label: LabelOption = "stable"
) -> None:
    """Take a release back: users get the stable version before.

    With --label canary, the trial ends and the label goes back to the stable version.

    Example: clickwright models rollback shop --root out/shop/serving
    """
    from clickwright.pipeline import releases

    moved = releases.existing(root, model).rollback(label)
    rich.console.Console().print(f"{model}: {label} is version {moved}", soft_wrap=True)


@models_app.command("gc")
def models_gc(
    root: RootOption,
    model: ModelArgument,
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest stay.")] = 5,
    server: Annotated[
        str | None,
        typer.Option(help="`host:port` of a server's gRPC: what it holds stays too."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say only what would go.")
    ] = False,
) -> None:
    """Remove old versions; what has a label or is served always stays.

    Example: clickwright models gc shop --keep 3 --root out/shop/serving
    """
    from clickwright.pipeline import releases

    store = releases.existing(root, model, keep)
    held = releases.loaded_versions(server, model) if server else set()
    removed = store.collect(in_use=held, dry_run=dry_run)
    shown = ", ".join(map(str, removed)) or "none"
    said = "would be removed" if dry_run else "removed"
    rich.console.Console().print(f"{model}: {said}: {shown}", soft_wrap=True)


@app.command()
def zoo() -> None:
    """List the registered models: parameters, defaults, what is searched, presets.

    A preset holds the settings published for a data set: `preset: frappe_x1` under
    `model` in a run's YAML.
    """
    from clickwright.models import registry
    from clickwright.models.published.boards import presets
    from clickwright.models.value_range import declared_space, in_words

    console = rich.console.Console()
    for name, entry in registry.MODELS.items():
        table = rich.table.Table(
            box=rich.box.SIMPLE_HEAD, title=name, title_justify="left"
        )
        for column in ("parameter", "default", "meaning", "tried by `tune`"):
            table.add_column(column)
        space = declared_space(entry.params)
        for field, info in entry.params.model_fields.items():
            tried = in_words(space.get(field))
            table.add_row(field, str(info.default), info.description or "", tried)
        console.print(table)
        console.print(f"  presets: {', '.join(presets(name)) or 'none'}", style="dim")


def main() -> None:
    """Entry point: an error of the user's is one message and exit code 1."""
    try:
        app(standalone_mode=True)
    except ClickwrightError as error:
        show_error(error, rich.console.Console(stderr=True))
        sys.exit(1)
    except KeyboardInterrupt:
        rich.console.Console(stderr=True).print("Stopped. Run it again to resume.")
        sys.exit(130)


if __name__ == "__main__":
    main()
