"""Containers of a spec: what they run."""

import dataclasses
from collections.abc import Mapping
from typing import Self

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from clickwright.schemas.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Container:
    """The command of one container, with placeholders, and its environment.

    Attributes:
        image: named for fingerprints alone.
        command: the program and what follows it.
        hook: command that Vertex AI runs before it looks into its cache; empty for
            most.
        environment: variables that the spec sets.
    """

    image: str
    command: tuple[str, ...]
    hook: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        executor: pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec,
        where: str,
    ) -> Self:
        """Reads a container, or the first one of a Vertex custom job.

        Raises:
            ConfigError: the executor has no command.
        """
        if executor.HasField("custom_job"):
            job = json_format.MessageToDict(executor.custom_job.custom_job)
            pools = job.get("jobSpec", {}).get("workerPoolSpecs", [{}])
            spec = pools[0].get("containerSpec", {})
            words = (*spec.get("command", ()), *spec.get("args", ()))
            found = cls(
                spec.get("imageUri", ""),
                words,
                environment={e["name"]: e["value"] for e in spec.get("env", ())},
            )
        else:
            container = executor.container
            hook = container.lifecycle.pre_cache_check
            found = cls(
                container.image,
                (*container.command, *container.args),
                (*hook.command, *hook.args),
                {e.name: e.value for e in container.env},
            )
        if not found.command:
            raise ConfigError(
                "The container has no command: what its image would run is not known "
                "here.",
                where=where,
                fix="name the command in the pipeline, then compile it again",
            )
        return found
