"""From a run's configuration to a pipeline spec that Vertex AI or Kubeflow runs."""

import graphlib
import importlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import rich.box
import rich.console
import rich.table
import yaml

from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.console import quiet, watched
from clickwright.pipeline.remote.compiled import (
    Compiled,
    digest,
    own_version,
    submission_path,
)
from clickwright.pipeline.remote.finish_spec import finish
from clickwright.pipeline.remote.remote_config import (
    KubeflowConfig,
    RemoteConfig,
    VertexConfig,
)
from clickwright.pipeline.remote.submission import (
    DATA,
    LATEST,
    SPAN,
    Parameter,
    Submission,
)
from clickwright.pipeline.remote.target import Target
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import ConfigError

COMMAND = ("python", "-m", "clickwright.pipeline.remote.run_task")
"""What every container runs."""
_OUTWARD = frozenset({"ExperimentGen", "LedgerReader", "LedgerWriter", "Publisher"})
"""Tasks that read or change what lies outside the pipeline: no cache knows that."""
_DEFAULT_IMAGE = "default_image_path"  # TFX's key for components without an entry
_SUFFIXES = (".json", ".yaml", ".yml")


def write(
    path: pathlib.Path, target: Target, output: pathlib.Path | None = None
) -> Compiled:
    """Compiles the run that `path` configures and writes the files.

    Args:
        path: YAML of the run, with a section `remote`.
        target: what is to run it.
        output: `.json` for a PipelineJob, `.yaml` for the spec alone;
            `out/<name>/<target>.json` when None. The `Submission` and a log lie
            beside it.

    Returns:
        What was written, read back and checked.

    Raises:
        ConfigError: the configuration cannot run on the target.
    """
    config = LoadedConfig(path)
    file = output or pathlib.Path("out") / config.run.name / f"{target}.json"
    if file.suffix not in _SUFFIXES:
        raise ConfigError(
            f"The output must end with {', '.join(_SUFFIXES)}. Received: {file.name}.",
            where="--output",
            fix=f"name it {file.stem}.json",
        )
    remote = _section(config, target)
    _check_reach(config)
    with quiet(file.with_suffix(".log"), verbose=False) as console:
        with watched(console, "Load TFX"):
            importlib.import_module("clickwright.pipeline.pipeline")
        with watched(console, "Compile"):
            job = compile_job(config, remote, target)
            submission = _submission(config, remote, target, job)
            content = job if file.suffix == ".json" else job["pipelineSpec"]
            # In order, so that the same run gives the same file.
            write_text(
                file,
                json.dumps(content, indent=1, sort_keys=True) + "\n"
                if file.suffix == ".json"
                else yaml.safe_dump(content, sort_keys=True),
            )
            write_text(
                submission_path(file), submission.model_dump_json(indent=2) + "\n"
            )
            return Compiled.read(file)


def compile_job(
    config: LoadedConfig, remote: RemoteConfig, target: Target
) -> dict[str, Any]:
    """Compiles a run's pipeline to a PipelineJob, in memory."""
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    from clickwright.pipeline.pipeline import create_pipeline
    from clickwright.pipeline.remote.remote_site import RemoteSite

    images = {
        name: given.image for name, given in remote.resources.items() if given.image
    }
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            display_name=config.run.name,
            default_image={_DEFAULT_IMAGE: remote.image, **images},
            default_commands=list(COMMAND),
            use_pipeline_spec_2_1=True,
        )
    )
    job = runner.run(create_pipeline(config, RemoteSite(config)), write_out=False)
    return finish(
        job,
        remote,
        target,
        parameters=_parameters(config, remote),
        uncached=_uncached(config),
        where=str(config.path),
    )


def show(compiled: Compiled, console: rich.console.Console) -> None:
    """Prints the tasks, what each gets, and what to do next."""
    spec = compiled.spec
    executors = spec["deploymentSpec"]["executors"]
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    table.add_column("task", no_wrap=True)
    for column in ("cpu", "memory", "gpu", "cached"):
        table.add_column(column, justify="right")
    tasks = spec["root"]["dag"]["tasks"]
    before = {name: task.get("dependentTasks", []) for name, task in tasks.items()}
    for name in graphlib.TopologicalSorter(before).static_order():
        task = tasks[name]
        component = spec["components"][task["componentRef"]["name"]]
        table.add_row(
            name,
            *_shown_resources(executors[component["executorLabel"]]),
            "yes" if task.get("cachingOptions", {}).get("enableCache") else "no",
        )
    console.print(table)
    for name, parameter in compiled.parameters.items():
        default = parameter.default
        shown = "none: it has to be given" if default is None else f"{default!r}"
        console.print(f"parameter {name}: {shown}", highlight=False, soft_wrap=True)
    for file in (compiled.path, submission_path(compiled.path)):
        console.print(f"wrote {file}", highlight=False, soft_wrap=True)


def _shown_resources(executor: Mapping[str, Any]) -> tuple[str, str, str]:
    custom = executor.get("customJob", {}).get("customJob", {}).get("jobSpec")
    if custom:
        machine = custom["workerPoolSpecs"][0]["machineSpec"]
        gpu = machine.get("acceleratorType")
        count = machine.get("acceleratorCount", 0)
        return machine["machineType"], "", f"{count:g} {gpu}" if gpu else ""
    limits = executor.get("container", {}).get("resources", {})
    gpu = limits.get("accelerator")
    return (
        limits.get("resourceCpuLimit", ""),
        limits.get("resourceMemoryLimit", ""),
        f"{gpu['count']} {gpu['type']}" if gpu else "",
    )


def _section(config: LoadedConfig, target: Target) -> RemoteConfig:
    """The section `remote`, found fit for the target."""
    remote, where = config.run.remote, str(config.path)
    if remote is None:
        raise ConfigError(
            "The configuration has no section `remote`.",
            where=where,
            fix="add `remote` with `image`, `pipeline_root` and `vertex` or "
            "`kubeflow`: see docs/runners.md",
        )
    if getattr(remote, target) is None:
        raise ConfigError(
            f"The target {target} needs the section `remote.{target}`.",
            where=where,
            fix=f"add `remote.{target}`, or compile for the other target",
        )
    if target == "vertex" and not remote.pipeline_root.startswith("gs://"):
        raise ConfigError(
            "Vertex AI keeps artifacts in Google Cloud Storage alone. Received: "
            f"{remote.pipeline_root}.",
            where=f"{where}: remote.pipeline_root",
            fix="give a gs:// address",
        )
    return remote


def _check_reach(config: LoadedConfig) -> None:
    """Refuses what only this machine's disk holds: containers do not see it."""
    run, where = config.run, str(config.path)
    directory = run.publish.directory
    if directory is None or "://" not in directory:
        shown = "none" if directory is None else directory
        raise ConfigError(
            "On a cluster, models must be published to an s3:// or gs:// address: a "
            f"container's own folder ends with it. Received: {shown}.",
            where=f"{where}: publish.directory",
            fix="give the address of the serving root",
        )
    for key, files in (("events", run.data.events), ("items", run.data.items)):
        if files:
            raise ConfigError(
                f"`data.{key}` names files of this machine, which no container sees: "
                f"{', '.join(files.values())}.",
                where=f"{where}: data.{key}",
                fix=f"put them beside the splits in the log, and leave out `data.{key}`",
            )
    if run.evaluation.off_policy is not None:
        raise ConfigError(
            "`evaluation.off_policy` names a log of this machine, which no container "
            "sees.",
            where=f"{where}: evaluation.off_policy",
            fix="leave it out of the remote run, and use `clickwright ope` on its model",
        )


def _parameters(config: LoadedConfig, remote: RemoteConfig) -> dict[str, Parameter]:
    """The runtime parameters; a simulated data set needs no log."""
    default = "" if _simulated(config) else remote.data
    return {
        DATA: Parameter(type="STRING", default=default),
        SPAN: Parameter(type="STRING", default=LATEST),
    }


def _simulated(config: LoadedConfig) -> bool:
    return config.source is not None and not config.source.needs_raw


def _uncached(config: LoadedConfig) -> frozenset[str]:
    """What must run each time; SourceGen unless the configuration says all it does."""
    if _simulated(config) and config.run.incremental is None:
        return _OUTWARD
    return _OUTWARD | {"SourceGen"}


def _submission(
    config: LoadedConfig,
    remote: RemoteConfig,
    target: Target,
    job: Mapping[str, Any],
) -> Submission:
    # Its section holds what the submission says of the place, and by the same names.
    section: VertexConfig | KubeflowConfig = getattr(remote, target)
    place: dict[str, Any] = section.model_dump(exclude={"custom_job"})
    return Submission(
        target=target,
        clickwright_version=own_version(),
        spec_sha256=digest(job["pipelineSpec"]),
        config_sha256=config.sha256,
        image=remote.image,
        pipeline_root=remote.pipeline_root,
        labels=remote.labels,
        parameters=_parameters(config, remote),
        cache=remote.cache,
        schedule=remote.schedule,
        **place,
    )
