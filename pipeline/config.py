"""One YAML file a run, validated before any work."""

import datetime
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from clickwright.components.encoder_search.params import SearchParams
from clickwright.components.evaluation.off_policy_gate import OffPolicyGate
from clickwright.components.evaluation.retrieval_thresholds import RetrievalThresholds
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.components.experiment.template import ExperimentTemplate
from clickwright.components.item_table.checks import check_item_features
from clickwright.components.publisher.release_record import CANARY, STABLE, Label
from clickwright.components.serving_validator.params import ServingParams
from clickwright.components.tuner.objective import objective_of
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.space import search_space
from clickwright.models import registry
from clickwright.models.export_params import ExportParams
from clickwright.models.published.boards import preset
from clickwright.models.training.training_params import TRAINING_PARAMS
from clickwright.pipeline.remote.remote_config import RemoteConfig
from clickwright.schemas import strict_yaml
from clickwright.schemas.datasets import source_class
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.source import Source
from clickwright.schemas.spec import (
    FeatureSpec,
    GivenSplit,
    Name,
    TimeSplit,
    load_spec,
)
from clickwright.schemas.strict_yaml import StrictModel

LogFormat = Literal["parquet", "csv", "tfrecord"]


class DataConfig(StrictModel):
    """Where the log comes from: a data set by name, or files with a spec of theirs."""

    dataset: str | None = None
    """A data set that comes with the product: adult, beauty, criteo_8k, frappe,
    marketplace, movielens, tiktok, toys."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Choices of that data set (for marketplace: impressions, seed and others)."""
    spec: str | None = None
    """Path of a `features.yaml`, relative to this file, for files of your own."""
    path: str | None = None
    """Folder of the files, relative to this file. `--data` takes precedence."""
    format: LogFormat = "parquet"
    span: bool = False
    """Whether `path` holds `span-1/`, `span-2/` ...; the latest is ingested."""
    events: dict[Name, str] = Field(default_factory=dict)
    """Parquet file of events, relative to this file, by the sequence feature whose
    histories are made from it; beside the splits where none is given."""
    items: dict[Name, str] = Field(default_factory=dict)
    """Item data, a Parquet file or a folder of them, relative to this file, by the
    feature that names the entity; `items.parquet` beside the splits where none is
    given."""

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.dataset is None) == (self.spec is None):
            raise ValueError("give either `dataset` or `spec`, the one or the other")
        if self.dataset is None and self.options:
            raise ValueError("`options` belong to a `dataset`")
        if self.dataset is not None and (self.span or self.format != "parquet"):
            raise ValueError("`format` and `span` belong to files with a `spec`")
        return self


class ModelConfig(StrictModel):
    """A registered model and the parameters that differ from its defaults."""

    name: str
    preset: str | None = None
    """Published settings of the model, by data set: `clickwright zoo` lists them.
    They bring training parameters too; what `params` and `training` say comes first."""
    params: dict[str, Any] = Field(default_factory=dict)


class EvaluationConfig(StrictModel):
    """What a model must reach on the test split to be blessed."""

    thresholds: dict[str, Any] = Field(default_factory=dict)
    ablations: bool = False
    """Whether the test split is scored without histories and without item vectors
    too, to see what the model makes of them."""
    off_policy: OffPolicyGate | None = None
    """What the model must earn on choices that another policy made and logged."""


class PublishConfig(StrictModel):
    """Where blessed models go."""

    model_name: str | None = None
    """Name that the server answers to; the run's `name` when absent."""
    directory: str | None = None
    """Serving root, a folder or an `s3://` or `gs://` address; `<out>/serving` when
    absent."""
    keep: Annotated[int, Field(ge=1)] = 5
    """Versions kept, the newest included; what is served stays beside them."""
    label: Label = STABLE
    """`stable`: a new version answers users at once; `canary`: it is on trial beside
    the stable one until `clickwright models promote`."""


class ExperimentConfig(StrictModel):
    """The online experiment in which a published version is tried."""

    definition: str
    """YAML file of the experiment, relative to this file. Its texts may hold
    `{version}`, and its times may count from the publication: `+0h`, `+14d`."""


class RunConfig(StrictModel):
    """One run of the pipeline."""

    name: Name
    """Runs of one name and folder share the cache and the blessed model."""
    data: DataConfig
    model: ModelConfig
    training: dict[str, Any] = Field(default_factory=dict)
    numeric_search: dict[str, Any] = Field(default_factory=dict)
    """How encoders are compared for numeric features with `encoder: auto`."""
    tuner: dict[str, Any] | None = None
    """How parameters of model and training are searched for before the training;
    absent where they are not. See `TunerParams`."""
    export: dict[str, Any] = Field(default_factory=dict)
    """What is done to the trained model before it is exported."""
    evaluation: EvaluationConfig = EvaluationConfig()
    serving: ServingParams = ServingParams()
    """How a blessed model is tried in a model server before it is published."""
    publish: PublishConfig = PublishConfig()
    experiment: ExperimentConfig | None = None
    incremental: Incremental | None = None
    """How the model goes from span to span; absent for a log without spans, or where
    only the latest span counts."""
    beam_workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Worker processes for Beam; more than one pays only from millions of rows."""
    remote: RemoteConfig | None = None
    """How the run is compiled for Vertex AI or Kubeflow."""


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class LoadedConfig:
    """A run's configuration, with everything it names found and validated.

    Args:
        path: the YAML file.
        tuner: makes a search of it, in front of which these fields of its section
            `tuner` come; None for the run as it stands.

    Attributes:
        path: the YAML file.
        text: its content.
        run: the validated content.
        source: the data set that it names, with its options; None for own files.
        spec: the feature spec of its data. With `incremental` its splits are given:
            which rows of which spans are in each is settled before ingestion.
        log_spec: the same, with the spec's own rule for splits.
        thresholds: what its model must reach.
        search: how encoders are compared; None where no feature asks for it.
        tuner: how parameters are searched for; None where they are not.
        experiment: how a published version is tried online; None where it is not.
        sha256: digest of the validated content, without `experiment` and `remote`,
            and of the spec; stable against comments and key order.
    """

    def __init__(
        self, path: pathlib.Path, tuner: Mapping[str, Any] | None = None
    ) -> None:
        self.path = path
        self.run = _with_preset(strict_yaml.load(RunConfig, path), path)
        if tuner is not None:
            section = {**(self.run.tuner or {}), **tuner}
            self.run = self.run.model_copy(update={"tuner": section})
        self._alone = tuner is not None
        self.source: Source | None = None
        self.text = path.read_text(encoding="utf-8")
        self._check_parts()
        self.spec = self._load_spec()
        self.log_spec = self.spec
        if self.run.incremental is None:
            self._check_whole()
        else:
            self._check_spans()
            given = GivenSplit(kind="given")
            self.spec = self.spec.model_copy(update={"split": given})
        self.search = self._search()
        self.tuner = self._tuner()
        self.event_files()
        check_item_features(self.spec)
        self.item_files()
        self.experiment = self._experiment()
        # The model does not hang on where it is made, nor on how it is tried later.
        content = self.run.model_dump_json(exclude={"experiment", "remote"})
        digest = hashlib.sha256(content.encode())
        digest.update(self.spec.model_dump_json().encode())
        self.sha256 = digest.hexdigest()

    @property
    def numeric(self) -> bool:
        """Whether there are numeric features, which need a plan."""
        return bool(self.spec.numeric_features())

    @property
    def incremental(self) -> Incremental:
        """How the model goes from span to span; the defaults where it does not."""
        return self.run.incremental or Incremental()

    @property
    def serving_name(self) -> str:
        """Name under which the model is published."""
        return self.run.publish.model_name or self.run.name

    @property
    def remote_name(self) -> str:
        """Name of the pipeline on Vertex AI or Kubeflow, which know no `_`."""
        return self.run.name.lower().replace("_", "-")

    @property
    def off_policy(self) -> OffPolicyGate | None:
        """What the model must earn on logged choices, with the log's whole path."""
        gate = self.run.evaluation.off_policy
        return None if gate is None else gate.resolved(self.path.parent)

    def event_files(self) -> dict[str, pathlib.Path]:
        """The event logs that lie elsewhere than beside the splits, by feature.

        Raises:
            ConfigError: one is given for a feature that is not made from events.
        """
        known = self.spec.event_logs()
        for name in self.run.data.events:
            if name not in known:
                raise ConfigError(
                    f"`data.events` must name sequence features with `events`, not "
                    f"`{name}`.{did_you_mean(name, known)}",
                    where=str(self.path),
                    fix=f"say `events` of `{name}` in the feature spec, or leave it out",
                )
        return {
            name: (self.path.parent / file).resolve()
            for name, file in self.run.data.events.items()
        }

    def item_files(self) -> dict[str, pathlib.Path]:
        """The item data that lie elsewhere than beside the splits, by entity.

        Raises:
            ConfigError: some are given for what has no item features.
        """
        known = self.spec.item_entities()
        for name in self.run.data.items:
            if name not in known:
                raise ConfigError(
                    f"`data.items` must name features with an item table, not "
                    f"`{name}`.{did_you_mean(name, known)}",
                    where=str(self.path),
                    fix=f"give features of kind `embedding` or `attribute` that are "
                    f"`of: {name}` in the feature spec, or leave it out",
                )
        return {
            name: (self.path.parent / file).resolve()
            for name, file in self.run.data.items.items()
        }

    def data_folder(self, override: pathlib.Path | None) -> pathlib.Path | None:
        """The raw folder: `--data`, else the file's `data.path`, else None."""
        if override is not None:
            return override.resolve()
        if self.run.data.path is not None:
            return (self.path.parent / self.run.data.path).resolve()
        return None

    def _load_spec(self) -> FeatureSpec:
        if self.source is not None:
            return self.source.spec()
        data = self.run.data
        if data.spec is None:
            raise ConfigError("`data.spec` is missing.", where=str(self.path))
        return load_spec(self.path.parent / data.spec)

    def _check_whole(self) -> None:
        if self.source is not None and self.source.in_spans:
            raise ConfigError(
                "The log lies in spans, and the run does not go by spans.",
                where=str(self.path),
                fix="say `incremental: {}`, or leave out `by_day` under `data.options`",
            )

    def _check_spans(self) -> None:
        rule = self.log_spec.split
        if isinstance(rule, TimeSplit) and rule.valid is None:
            raise ConfigError(
                "`incremental` needs a split that moves on with the spans. Received: "
                "fixed times.",
                where=f"feature spec `{self.spec.name}`, `split`",
                fix="give the shares `valid` and `test` in place of `valid_from` and "
                "`test_from`",
            )
        if registry.entry(self.run.model.name).task != "click":
            raise ConfigError(
                f"`incremental` belongs to click models; `{self.run.model.name}` is for "
                f"{registry.entry(self.run.model.name).task}.",
                where=str(self.path),
                fix="leave out `incremental`",
            )
        if self.source is not None and not self.source.in_spans:
            raise ConfigError(
                f"`incremental` needs data in spans, which `{self.source.name}` has not.",
                where=f"{self.path}: incremental",
                fix="leave out `incremental`; for `marketplace` give "
                "`options: {by_day: true}` under `data`",
            )

    def _search(self) -> SearchParams | None:
        section = "numeric_search"
        given = strict_yaml.parse(
            SearchParams, self.run.numeric_search, f"{self.path}: {section}"
        )
        if any(f.encoder == "auto" for f in self.spec.numeric_features().values()):
            if self.run.incremental is not None and self.run.incremental.warm_start:
                raise ConfigError(
                    "A feature has `encoder: auto`, and training goes on from earlier "
                    "models, whose encoders stay.",
                    where=f"feature spec `{self.spec.name}`",
                    fix="state the encoder that a search has found, or set "
                    "`incremental.warm_start: false`",
                )
            return given
        if self.run.numeric_search:
            raise ConfigError(
                f"`{section}` is given, but no feature is to be searched for: none has "
                "`encoder: auto`.",
                where=f"{self.path}: {section}",
                fix=f"say `encoder: auto` of a numeric feature, or leave out `{section}`",
            )
        return None

    def _tuner(self) -> TunerParams | None:
        run, section = self.run, "tuner"
        if run.tuner is None:
            return None
        where = f"{self.path}: {section}"
        params = strict_yaml.parse(TunerParams, run.tuner, where)
        task = registry.entry(run.model.name).task
        training = strict_yaml.parse(TRAINING_PARAMS[task], run.training, "training")
        search_space(run.model.name, run.model.params, run.training, params, where)
        objective_of(params, training, where)
        if params.max_rows is not None and task != "click":
            raise ConfigError(
                f"`max_rows` belongs to click models; `{run.model.name}` is for "
                f"{task}.",
                where=where,
                fix="leave out `max_rows`",
            )
        if run.incremental and run.incremental.warm_start and not self._alone:
            raise ConfigError(
                "A model that goes on from its parent keeps the parent's parameters: "
                "there is nothing to search for.",
                where=where,
                fix="leave out `tuner`, and take what `clickwright tune` finds into the "
                "configuration; or say `incremental.warm_start: false`",
            )
        return params

    def _experiment(self) -> ExperimentTemplate | None:
        section = self.run.experiment
        if section is None:
            return None
        template = ExperimentTemplate.read(self.path.parent / section.definition)
        experiment = template.filled(0, _EPOCH)
        targets = [arm.target for arm in experiment.arms.values()]
        own = {t.label for t in targets if t.model == self.serving_name}
        if not own:
            raise ConfigError(
                f"An arm's target must be `{self.serving_name}`, the model that this "
                f"run publishes. Received: {', '.join(sorted(t.model for t in targets))}.",
                where=template.where,
                fix="change `target.model` of an arm, or `publish.model_name`",
            )
        if unknown := sorted(own - {None, STABLE, CANARY}, key=str):
            raise ConfigError(
                f"A run publishes under the labels {STABLE} and {CANARY}. Received: "
                f"{', '.join(map(str, unknown))}.",
                where=template.where,
                fix="change `target.label` of an arm",
            )
        if CANARY in own and self.run.publish.label != CANARY:
            raise ConfigError(
                f"An arm is the {CANARY} version, but a new version becomes "
                f"{self.run.publish.label} at once: there is nothing to compare.",
                where=f"{self.path}: publish.label",
                fix=f"say `label: {CANARY}` under `publish`",
            )
        return template

    def _check_parts(self) -> None:
        """Parts that other layers own are validated by their own models."""
        where = str(self.path)
        data = self.run.data
        if data.dataset is not None:
            cls = source_class(data.dataset)
            self.source = cls(
                strict_yaml.parse(cls.Options, data.options, f"{where}: data.options")
            )
        model = self.run.model
        entry = registry.entry(model.name, f"{where}: model.name")
        registry.parse_params(model.name, model.params, f"{where}: model.params")
        training = TRAINING_PARAMS[entry.task]
        strict_yaml.parse(training, self.run.training, f"{where}: training")
        strict_yaml.parse(ExportParams, self.run.export, f"{where}: export")
        kind: type[Thresholds | RetrievalThresholds] = (
            Thresholds if entry.task == "click" else RetrievalThresholds
        )
        self.thresholds = strict_yaml.parse(
            kind, self.run.evaluation.thresholds, f"{where}: evaluation.thresholds"
        )
        for name in ("ablations", "off_policy"):
            if getattr(self.run.evaluation, name) and entry.task != "click":
                raise ConfigError(
                    f"`evaluation.{name}` belongs to click models; `{model.name}` is "
                    f"for {entry.task}.",
                    where=where,
                    fix=f"leave out `{name}`",
                )


def _with_preset(run: RunConfig, path: pathlib.Path) -> RunConfig:
    """Puts the settings of a preset under those of the file."""
    model = run.model
    if model.preset is None:
        return run
    registry.entry(model.name, f"{path}: model.name")
    found = preset(model.name, model.preset, f"{path}: model.preset")
    params = {**found.params, **model.params}
    return run.model_copy(
        update={
            "model": model.model_copy(update={"params": params}),
            "training": {**found.training, **run.training},
        }
    )
