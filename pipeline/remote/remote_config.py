"""The section `remote` of a run: where and how it runs on Vertex AI or Kubeflow."""

import re
import zoneinfo
from typing import Annotated, Self

import pydantic
from pydantic import AfterValidator, Field

from clickwright.schemas.strict_yaml import StrictModel

DEFAULT_RESOURCES = "default"
"""Key under `resources` of what a component without an entry gets."""
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|K|M|G|T)")
_BYTES = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGT", 1)
}
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,?-]+")


def _matching(pattern: str, rule: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


Word = Annotated[str, _matching(r"\S+", "must be text without spaces")]
Bucket = Annotated[
    str,
    _matching(
        r"(gs|s3|minio)://[^/\s]+(/\S*)?",
        "must be a gs://, s3:// or minio:// address with a bucket",
    ),
]


class Resources(StrictModel):
    """What one component gets on the cluster."""

    cpu: Annotated[float, Field(gt=0)] = 4
    """Cores; a fraction is allowed."""
    memory: str = "16Gi"
    """Bytes with a unit: 16Gi, 500M."""
    gpu: Word | None = None
    """Type of GPU, as the target names it: NVIDIA_TESLA_T4 for Vertex. On Kubeflow,
    each NVIDIA_... is asked for as nvidia.com/gpu; another resource is named whole,
    like amd.com/gpu."""
    gpus: Annotated[int, Field(ge=1)] = 1
    """How many of that GPU."""
    image: Word | None = None
    """The image of this component, where it needs another: the GPU variant."""

    @pydantic.model_validator(mode="after")
    def _sound(self) -> Self:
        if not _MEMORY.fullmatch(self.memory):
            raise ValueError(
                f"`memory` must be a number with a unit, like 16Gi or 500M, "
                f"not {self.memory!r}"
            )
        if "gpus" in self.model_fields_set and self.gpu is None:
            raise ValueError("`gpus` needs `gpu`, the type of GPU")
        return self

    @property
    def memory_bytes(self) -> float:
        """The memory in bytes."""
        number, unit = _MEMORY.fullmatch(self.memory).groups()  # type: ignore[union-attr]
        return float(number) * _BYTES[unit]


class Schedule(StrictModel):
    """When the pipeline starts by itself."""

    cron: str
    """Minute, hour, day of month, month, day of week."""
    timezone: str = "UTC"
    """Name of the IANA database, like Europe/Berlin."""
    max_concurrent: Annotated[int, Field(ge=1, le=10)] = 1
    """Runs that may be under way at the same time; further ones are skipped."""

    @pydantic.model_validator(mode="after")
    def _sound(self) -> Self:
        fields = self.cron.split()
        if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(f) for f in fields):
            raise ValueError(
                "`cron` must have five fields (minute, hour, day of month, month, day "
                f"of week), like 0 3 * * *. Received: {self.cron!r}"
            )
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise ValueError(
                "`timezone` must be a name of the IANA database, like Europe/Berlin. "
                f"Received: {self.timezone!r}"
            ) from None
        return self


class CustomJob(StrictModel):
    """The Trainer as a Vertex custom job, which offers every machine type."""

    machine_type: Word = "n1-standard-8"


class VertexConfig(StrictModel):
    """Where Vertex AI runs the pipeline."""

    project: Word
    region: Annotated[
        str, _matching(r"[a-z]+-[a-z]+\d+", "must be a region, like europe-west4")
    ]
    service_account: Word | None = None
    """The account that tasks run as; the project's default account when absent."""
    custom_job: CustomJob | None = None
    """Given: the Trainer runs as a custom job, with the GPU of its `resources`."""


class KubeflowConfig(StrictModel):
    """Where Kubeflow Pipelines runs the pipeline."""

    endpoint: Annotated[
        str, _matching(r"https?://\S+", "must be an http:// or https:// address")
    ]
    namespace: Word = "kubeflow"
    experiment: Word = "clickwright"
    service_account: Word | None = None
    """The Kubernetes account that pods run as; the installation's when absent."""


class RemoteConfig(StrictModel):
    """How a run's pipeline is compiled for a cluster."""

    image: Word
    """The container image that holds this version of Clickwright."""
    pipeline_root: Bucket
    """Where artifacts go."""
    ledger: Word | None = None
    """Where good statistics and blessed models are kept from run to run, a gs:// or
    s3:// address or a folder of the container; `<pipeline_root>/ledger` when absent."""
    data: str | None = None
    """The log, when a run is not given another one: default of the parameter `data`."""
    labels: dict[str, str] = Field(default_factory=dict)
    cache: bool = True
    """Whether a task is skipped that ran before with the same inputs."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a failed task is tried again, after 30 s, 60 s, 120 s ..."""
    resources: dict[str, Resources] = Field(default_factory=dict)
    """By component; `default` for those without an entry."""
    schedule: Schedule | None = None
    vertex: VertexConfig | None = None
    kubeflow: KubeflowConfig | None = None

    @pydantic.field_validator("labels")
    @classmethod
    def _labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
                raise ValueError(
                    "a label must be small letters, digits, `-` and `_`, at most 63, "
                    f"its key beginning with a letter; not `{key}: {value}`"
                )
        return labels

    @pydantic.model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.vertex is None and self.kubeflow is None:
            raise ValueError("give `vertex` or `kubeflow`, or both")
        return self

    @property
    def ledger_address(self) -> str:
        """Where the ledger lies.

        Kubeflow's minio:// is S3 by another name, which only its launcher knows.
        """
        if self.ledger is not None:
            return self.ledger.rstrip("/")
        root = re.sub("^minio:", "s3:", self.pipeline_root)
        return f"{root.rstrip('/')}/ledger"

    def resources_of(self, component: str) -> Resources:
        """What a component gets."""
        default = self.resources.get(DEFAULT_RESOURCES, Resources())
        return self.resources.get(component, default)
