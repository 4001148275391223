"""The DAG: wiring alone; every decision lies in the configuration or a component."""

import pathlib

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_node
from tfx.orchestration import metadata

from clickwright.components.discretizer.component import Discretizer
from clickwright.components.encoder_search.component import EncoderSearch
from clickwright.components.evaluation.champion import Champion
from clickwright.components.evaluation.component import ModelEvaluator
from clickwright.components.evaluation.retrieval_component import RetrievalEvaluator
from clickwright.components.evaluation.retrieval_thresholds import RetrievalThresholds
from clickwright.components.experiment.component import ExperimentGen
from clickwright.components.ingestion.component import LogExampleGen
from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.inspection.component import NumericInspector
from clickwright.components.inspection.previous_report import PreviousReport
from clickwright.components.item_table.component import ItemTableGen
from clickwright.components.publisher.component import Publisher
from clickwright.components.serving_validator.component import ServingValidator
from clickwright.components.transform.component import SpecTransform
from clickwright.components.validation.baseline import PreviousGoodStatistics
from clickwright.components.validation.component import DataValidator
from clickwright.models import registry
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.inputs import InputFiles
from clickwright.pipeline.paths import RunPaths

RUN_FN = "clickwright.models.training.run.run_fn"
SIGNATURES = {
    "click": ("serving_default", "predict_raw"),
    "retrieval": ("serving_default", "top_k", "embed_user", "embed_item"),
}
"""What a published model offers, by its task."""


def create_pipeline(
    config: LoadedConfig, files: InputFiles, paths: RunPaths, schema: pathlib.Path
) -> tfx.dsl.Pipeline:
    """Wires the components of one run.

    Args:
        config: the run's configuration.
        files: the log to ingest.
        paths: where artifacts, metadata and published models go.
        schema: the TF Metadata schema that was derived from the spec.
    """
    run, spec = config.run, config.spec

    example_gen = LogExampleGen(
        str(files.folder),
        spec,
        files.splits,
        files.format,
        files.span,
        {name: str(path) for name, path in config.event_files().items()},
    )
    examples = example_gen.outputs["examples"]
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(schema))
    schema_channel = schema_gen.outputs["schema"]
    # With the schema, so that integer ids are counted as names, not as numbers:
    # their drift is invisible otherwise.
    statistics_gen = tfx.components.StatisticsGen(
        examples=examples, schema=schema_channel
    )
    statistics = statistics_gen.outputs["statistics"]
    previous_statistics = tfx.dsl.Resolver(
        strategy_class=PreviousGoodStatistics,
        statistics=statistics,
        baseline_statistics=tfx.dsl.Channel(
            type=tfx.types.standard_artifacts.ExampleStatistics
        ),
    ).with_id("PreviousStatistics")
    validator = DataValidator(
        statistics,
        schema_channel,
        previous_statistics.outputs["baseline_statistics"],
        source=str(files.folder),
    )

    numeric: list[base_node.BaseNode] = []
    plan: types.BaseChannel | None = None
    if config.numeric:
        discretizer = Discretizer(examples, statistics, schema_channel, spec)
        discretizer.add_upstream_node(validator)
        plan = discretizer.outputs["plan"]
        numeric.append(discretizer)
    transform = SpecTransform(examples, schema_channel, spec, plan)
    transform.add_upstream_node(validator)
    hyperparameters: types.BaseChannel | None = None
    item_tables: list[base_node.BaseNode] = []
    if files.items:
        item_table = ItemTableGen(
            transform.outputs["transform_graph"],
            spec,
            {entity: item.path for entity, item in files.items.items()},
            files.item_fingerprints(),
        )
        hyperparameters = item_table.outputs["hyperparameters"]
        item_tables.append(item_table)
    model_config = run.model.model_dump(mode="json")
    if plan is not None and config.search is not None:
        search = EncoderSearch(
            transform.outputs["transformed_examples"],
            transform.outputs["transform_graph"],
            plan,
            spec=spec,
            model=model_config,
            training=run.training,
            search=config.search,
            checkpoint_dir=str(paths.checkpoints),
            hyperparameters=hyperparameters,
        )
        plan = search.outputs["plan"]
        hyperparameters = search.outputs["hyperparameters"]
        numeric.append(search)
    trainer = tfx.components.Trainer(
        run_fn=RUN_FN,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        hyperparameters=hyperparameters,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["valid"]),
        custom_config={
            "spec": spec.model_dump_json(),
            "model": model_config,
            "training": run.training,
            "checkpoint_dir": str(paths.checkpoints),
            "export": run.export,
        },
    )
    model = trainer.outputs["model"]
    if plan is not None:
        previous_report = tfx.dsl.Resolver(
            strategy_class=PreviousReport,
            examples=examples,
            previous_report=tfx.dsl.Channel(type=AutoDisReport),
        ).with_id("PreviousReport")
        inspector = NumericInspector(
            examples,
            plan,
            model,
            trainer.outputs["model_run"],
            previous_report.outputs["previous_report"],
            feature_spec=spec,
        )
        numeric += [previous_report, inspector]

    champion = tfx.dsl.Resolver(
        strategy_class=Champion,
        model=model,
        baseline_model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        infra_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.InfraBlessing),
    ).with_id("LatestBlessedModel")
    evaluator: base_node.BaseNode
    if isinstance(config.thresholds, RetrievalThresholds):
        evaluator = RetrievalEvaluator(
            examples=examples,
            model=model,
            baseline_model=champion.outputs["baseline_model"],
            feature_spec=spec,
            thresholds=config.thresholds,
        ).with_id(ModelEvaluator.__name__)
    else:
        evaluator = ModelEvaluator(
            examples=examples,
            model=model,
            baseline_model=champion.outputs["baseline_model"],
            feature_spec=spec,
            thresholds=config.thresholds,
            ablations=run.evaluation.ablations,
            off_policy=config.off_policy,
        )
    signatures = SIGNATURES[registry.entry(run.model.name).task]
    serving: list[base_node.BaseNode] = []
    infra_blessing: types.BaseChannel | None = None
    if run.serving.enabled:
        serving_validator = ServingValidator(
            model,
            champion.outputs["baseline_model"],
            evaluator.outputs["blessing"],
            signatures=signatures,
            params=run.serving,
        )
        infra_blessing = serving_validator.outputs["blessing"]
        serving.append(serving_validator)
    publisher = Publisher(
        model,
        evaluator.outputs["blessing"],
        infra_blessing,
        destination=paths.serving_root(run.publish.directory),
        model_name=config.serving_name,
        keep=run.publish.keep,
        label=run.publish.label,
        signatures=signatures,
        provenance={"config_sha256": config.sha256},
    )
    experiments: list[base_node.BaseNode] = []
    if config.experiment is not None:
        experiments.append(
            ExperimentGen(
                publisher.outputs["pushed_model"],
                trainer.outputs["model_run"],
                examples,
                evaluator.outputs["evaluation"],
                evaluator.outputs["blessing"],
                template=config.experiment,
                destination=paths.serving_root(run.publish.directory),
            )
        )

    return tfx.dsl.Pipeline(
        pipeline_name=run.name,
        pipeline_root=str(paths.artifacts),
        components=[
            example_gen,
            schema_gen,
            statistics_gen,
            previous_statistics,
            validator,
            transform,
            trainer,
            champion,
            evaluator,
            publisher,
            *serving,
            *experiments,
            *numeric,
            *item_tables,
        ],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(paths.database)
        ),
        beam_pipeline_args=_beam_arguments(run.beam_workers),
    )


def _beam_arguments(workers: int) -> list[str]:
    """Beam on this machine: one process, or so many that rows are copied between."""
    return [
        # Not DirectRunner: it first tries to download another runner.
        "--runner=FnApiRunner",
        f"--direct_running_mode={'in_memory' if workers == 1 else 'multi_processing'}",
        f"--direct_num_workers={workers}",
        # Never used here; without it TFX builds a package of itself for each
        # component that runs on Beam.
        "--sdk_container_image=none",
    ]
