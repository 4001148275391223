"""What TFX leaves out of a compiled pipeline: resources, retries, defaults, labels."""

import copy
from collections.abc import Mapping
from typing import Any

from clickwright.pipeline.remote.remote_config import (
    DEFAULT_RESOURCES,
    CustomJob,
    RemoteConfig,
    Resources,
)
from clickwright.pipeline.remote.submission import Parameter
from clickwright.pipeline.remote.target import Target
from clickwright.schemas.errors import ConfigError, did_you_mean

TRAINER = "Trainer"
"""The one component that may run as a Vertex custom job."""
_FIRST_PAUSE, _LONGEST_PAUSE = "30s", "600s"
_KUBERNETES_GPU = "nvidia.com/gpu"


def finish(
    job: Mapping[str, Any],
    remote: RemoteConfig,
    target: Target,
    *,
    parameters: Mapping[str, Parameter],
    uncached: frozenset[str],
    where: str,
) -> dict[str, Any]:
    """Completes what `KubeflowV2DagRunner` compiled.

    Args:
        job: the PipelineJob as a mapping with JSON names; it is left as it is.
        remote: what the tasks get.
        target: what is to run the pipeline.
        parameters: the runtime parameters with their defaults.
        uncached: tasks that must run each time, as they read or change what lies
            outside the pipeline.
        where: the configuration, for messages.

    Returns:
        The whole PipelineJob.

    Raises:
        ConfigError: resources are given for a component that the pipeline has not, or
            name a GPU in another target's words.
    """
    finished = copy.deepcopy(dict(job))
    spec = finished["pipelineSpec"]
    tasks: dict[str, Any] = spec["root"]["dag"]["tasks"]
    _check_names(remote, tasks, where)

    spec["defaultPipelineRoot"] = remote.pipeline_root
    finished["labels"] = {**finished.get("labels", {}), **remote.labels}
    definitions = (
        spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    )
    for name, parameter in parameters.items():
        definitions.setdefault(name, {"parameterType": parameter.type})
        if parameter.default is not None:
            definitions[name]["defaultValue"] = parameter.default
    for name, task in tasks.items():
        task["cachingOptions"] = (
            {"enableCache": True} if remote.cache and name not in uncached else {}
        )
        if remote.retries:
            task["retryPolicy"] = {
                "maxRetryCount": remote.retries,
                "backoffDuration": _FIRST_PAUSE,
                "backoffFactor": 2.0,
                "backoffMaxDuration": _LONGEST_PAUSE,
            }
        component = spec["components"][task["componentRef"]["name"]]
        executors = spec["deploymentSpec"]["executors"]
        executor = executors[component["executorLabel"]]
        if "container" not in executor:
            continue  # resolvers and importers run in no container
        resources = remote.resources_of(name)
        custom_job = remote.vertex and target == "vertex" and remote.vertex.custom_job
        gpu = _gpu(resources.gpu, target, f"{where}: remote.resources.{name}.gpu")
        if name == TRAINER and custom_job:
            machine = _machine(custom_job, gpu, resources.gpus)
            executors[component["executorLabel"]] = _as_custom_job(
                name, executor["container"], machine, remote
            )
        else:
            executor["container"]["resources"] = _limits(resources, gpu)
    return finished


def _check_names(remote: RemoteConfig, tasks: Mapping[str, Any], where: str) -> None:
    for name in remote.resources:
        if name != DEFAULT_RESOURCES and name not in tasks:
            raise ConfigError(
                f"`remote.resources` must name components of this pipeline, not "
                f"`{name}`.{did_you_mean(name, tasks)}",
                where=where,
                fix=f"give one of {DEFAULT_RESOURCES}, {', '.join(sorted(tasks))}",
            )


def _limits(resources: Resources, gpu: str | None) -> dict[str, Any]:
    """Limits in the words of older services, which take numbers, and of newer ones."""
    limits: dict[str, Any] = {
        "cpuLimit": resources.cpu,
        "memoryLimit": resources.memory_bytes / 1e9,
        "resourceCpuLimit": f"{resources.cpu:g}",
        "resourceMemoryLimit": resources.memory,
    }
    if gpu is not None:
        limits["accelerator"] = {
            "type": gpu,
            "count": str(resources.gpus),
            "resourceType": gpu,
            "resourceCount": str(resources.gpus),
        }
    return limits


def _gpu(name: str | None, target: Target, where: str) -> str | None:
    """The GPU in the target's words: a kind for Vertex, a resource for Kubernetes."""
    if name is None:
        return None
    is_resource = "/" in name
    if target == "kubeflow":
        return name if is_resource else _KUBERNETES_GPU
    if is_resource:
        raise ConfigError(
            f"Vertex asks for a GPU by its kind. Received: {name}, a resource of "
            "Kubernetes.",
            where=where,
            fix="give the kind, like NVIDIA_TESLA_T4",
        )
    return name


def _machine(custom_job: CustomJob, gpu: str | None, gpus: int) -> dict[str, Any]:
    machine: dict[str, Any] = {"machineType": custom_job.machine_type}
    if gpu is not None:
        machine |= {"acceleratorType": gpu, "acceleratorCount": gpus}
    return machine


def _as_custom_job(
    name: str,
    container: Mapping[str, Any],
    machine: Mapping[str, Any],
    remote: RemoteConfig,
) -> dict[str, Any]:
    """The same container as a custom job, on the machine given."""
    job_spec: dict[str, Any] = {
        "workerPoolSpecs": [
            {
                "machineSpec": dict(machine),
                "replicaCount": "1",
                "containerSpec": {
                    "imageUri": container["image"],
                    "command": list(container["command"]),
                    "args": list(container["args"]),
                },
            }
        ]
    }
    if remote.vertex is not None and remote.vertex.service_account is not None:
        job_spec["serviceAccount"] = remote.vertex.service_account
    return {"customJob": {"customJob": {"displayName": name, "jobSpec": job_spec}}}
