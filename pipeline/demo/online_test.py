"""The demo's A/B test: published models, real traffic, and the report."""

import contextlib
import dataclasses
import datetime
import pathlib
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import rich.box
import rich.console
import rich.table
import yaml

from clickwright.components.experiment.arm_lineage import LINEAGE_FILE
from clickwright.components.publisher.release_record import CANARY
from clickwright.experiments.decision.decide import closing_time, decide
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.ingest import ingest
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.render import write_report
from clickwright.pipeline import experiment_control, experiment_release
from clickwright.pipeline.console import watched
from clickwright.pipeline.demo.online_shop import OnlineShop
from clickwright.pipeline.demo.router_process import RouterProcess
from clickwright.pipeline.demo.run_inputs import RunInputs
from clickwright.pipeline.demo.simulated_clock import SimulatedClock
from clickwright.pipeline.demo.traffic import Traffic, TrafficResult, unit_of
from clickwright.pipeline.demo.traffic_options import TrafficOptions
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import ConfigError, storage_error
from clickwright.schemas.experiment import Cuped, Experiment
from clickwright.schemas.marketplace.truth import DAY, START
from clickwright.schemas.serving_files import MODEL_CONFIG_FILE
from clickwright.schemas.strict_yaml import load
from clickwright.serving.server_process import ServerProcess


@dataclasses.dataclass(frozen=True)
class OnlineTest:
    """What the test leaves behind.

    Attributes:
        report: what it found.
        traffic: what was sent, and the truth.
        page: the report as HTML.
        folder: the definition with its journal, the logs, and the report as JSON.
    """

    report: AbReport
    traffic: TrafficResult
    page: pathlib.Path
    folder: pathlib.Path


def run_online_test(
    inputs: RunInputs, options: TrafficOptions, console: rich.console.Console
) -> OnlineTest:
    """Serves the arms, routes simulated users to them, and reports what came of it.

    The experiment runs by the clock of the shop, and starts where the shop's log ends.

    Args:
        inputs: what the run before left; of its `out`, `ab_test` and `ab_report.html`
            are replaced.
        options: size of the traffic.
        console: where the progress goes.

    Raises:
        ConfigError: the definition breaks a rule, or two arms are one version.
        RequestError: a request was not answered.
        MachineError: a folder cannot be written to, or a server does not start.
    """
    experiment = load(Experiment, inputs.definition)
    _check(experiment, inputs)
    root = inputs.root
    folder, page = inputs.out / "ab_test", inputs.out / "ab_report.html"
    _empty(folder)
    clock = SimulatedClock(experiment.start.timestamp())
    log, definitions = folder / "log", folder / "experiments"
    with contextlib.ExitStack() as stack:
        with watched(console, "Start server, router"):
            online = OnlineShop(inputs.shop, experiment, options)
            experiment_control.start(
                _with_covariates(experiment, inputs.definition, online, folder),
                definitions,
                root=str(root),
                clock=clock.now,
            )
            server = ServerProcess(root / MODEL_CONFIG_FILE)
            # While the server starts, which takes longer, so does the router.
            router = stack.enter_context(
                RouterProcess(
                    definitions, log, server.grpc, clock, folder / "router_log.txt"
                )
            )
            stack.enter_context(server)
            router.wait()
        with watched(console, "Traffic"):
            traffic = Traffic(online, experiment, router.grpc, server.grpc, clock)
            sent = traffic.send(folder / "outcomes.parquet")
    with watched(console, "Ingest outcomes"), EventLog(log, "outcome") as outcomes:
        ingest(folder / "outcomes.parquet", outcomes)
    clock.advance(closing_time(experiment).timestamp())
    with watched(console, "A/B report"):
        control = experiment_control.ExperimentControl(
            definitions, experiment.id, root=str(root), log=log, clock=clock.now
        )
        report = control.report(true_lifts=sent.true_lifts)
        # Recorded, not carried out: the arms stay as they are for the next demo.
        decision = decide(report, experiment, clock.now())
        control.journal.append(decision)
        report = report.model_copy(update={"decisions": (*report.decisions, decision)})
        write_report(report, page)
        write_text(folder / "report.json", report.model_dump_json(indent=1) + "\n")
    return OnlineTest(report, sent, page, folder)


def show(test: OnlineTest, console: rich.console.Console) -> None:
    """Prints what the test found beside the truth, and where everything is."""
    report = test.report
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("online", no_wrap=True)
    for name in ("lift", "always valid", "true lift"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    truth = {(fact.metric, fact.arm): fact for fact in report.truth}
    several = len(report.arms) > 2
    for effect in report.effects:
        fact = truth.get((effect.metric, effect.arm))
        covered = {True: "[green]covered[/]", False: "[red]not covered[/]", None: ""}
        table.add_row(
            f"{effect.metric} of {effect.arm}" if several else effect.metric,
            _percent(effect.lift),
            "-"
            if effect.always_low is None
            else f"{_percent(effect.always_low)} to {_percent(effect.always_high)}",
            _percent(fact.lift if fact else None),
            covered[fact.always_covered if fact else None],
        )
    console.print(table)
    for said in (report.verdict.headline, report.verdict.sentence):
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    console.print(f"A/B report: {test.page}", highlight=False, soft_wrap=True)


def _check(experiment: Experiment, inputs: RunInputs) -> None:
    """Refuses an experiment that the simulation cannot run.

    Raises:
        ConfigError: says what stands against it.
    """
    definition, root, shop = inputs.definition, inputs.root, inputs.shop
    log_ends = datetime.datetime.fromtimestamp(START + shop.days * DAY, datetime.UTC)
    if experiment.start != log_ends:
        raise ConfigError(
            f"`start` must be {log_ends:%Y-%m-%dT%H:%M:%SZ}, where the log of the "
            f"simulated shop ends. Received: {experiment.start:%Y-%m-%dT%H:%M:%SZ}.",
            where=str(definition),
            fix="change `start`, and with it `end` and the ramp",
        )
    if experiment.unit_source.header is None or experiment.privacy.hash_units:
        raise ConfigError(
            "Simulated users send their ids in a header, and these are no secret.",
            where=str(definition),
            fix="give `unit_source: {header: x-unit-id}` and no `privacy`",
        )
    versions = experiment_release.versions(experiment, str(root))
    if len(set(versions.values())) < len(versions):
        model = experiment.model
        raise ConfigError(
            f"Arms must be different versions. Received: {versions}.",
            where=str(definition),
            fix=f"put one on trial: `clickwright models promote {model} VERSION --label "
            f"{CANARY} --root {root}`",
        )


def _empty(folder: pathlib.Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise storage_error(error, folder) from error


def _with_covariates(
    experiment: Experiment,
    definition: pathlib.Path,
    shop: OnlineShop,
    folder: pathlib.Path,
) -> pathlib.Path:
    """Adds what is known of the users from the log, for CUPED, to a copy."""
    covariates = folder / "covariates.parquet"
    pq.write_table(
        pa.table(
            {
                "unit": [unit_of(user) for user in range(len(shop.clicks_before))],
                "click": shop.clicks_before,
                "exposures": shop.pages_before,
            }
        ),
        covariates,
    )
    known = experiment.model_copy(update={"cuped": Cuped(covariates=covariates)})
    path = folder / "definition" / f"{experiment.id}.yaml"
    content = known.model_dump(mode="json", exclude_none=True)
    write_text(path, yaml.safe_dump(content, sort_keys=False))
    lineage = definition.with_name(LINEAGE_FILE)
    if lineage.exists():
        write_text(path.with_name(LINEAGE_FILE), lineage.read_text(encoding="utf-8"))
    return path


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"
