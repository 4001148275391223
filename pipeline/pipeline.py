"""The DAG: wiring alone; every decision lies in the configuration or a component."""

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_node

from clickwright.components.discretizer.component import Discretizer
from clickwright.components.encoder_search.component import EncoderSearch
from clickwright.components.evaluation.component import ModelEvaluator
from clickwright.components.evaluation.retrieval_component import RetrievalEvaluator
from clickwright.components.evaluation.retrieval_thresholds import RetrievalThresholds
from clickwright.components.experiment.component import ExperimentGen
from clickwright.components.inspection.component import NumericInspector
from clickwright.components.publisher.component import Publisher
from clickwright.components.serving_validator.component import ServingValidator
from clickwright.components.transform.component import SpecTransform
from clickwright.components.tuner.component import Tuner
from clickwright.components.validation.component import DataValidator
from clickwright.models import registry
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.outcome import Outcome
from clickwright.pipeline.site import Site

RUN_FN = "clickwright.models.training.run.run_fn"
SIGNATURES = {
    "click": ("serving_default", "predict_raw"),
    "retrieval": ("serving_default", "top_k", "embed_user", "embed_item"),
}
"""What a published model offers, by its task."""


def create_pipeline(config: LoadedConfig, site: Site) -> tfx.dsl.Pipeline:
    """Wires the components of one run.

    Args:
        config: the run's configuration.
        site: where it runs.
    """
    run, spec = config.run, config.spec

    examples = site.examples()
    schema_channel = site.schema()
    # With the schema, so that integer ids are counted as names, not as numbers:
    # their drift is invisible otherwise.
    statistics_gen = tfx.components.StatisticsGen(
        examples=examples, schema=schema_channel
    )
    statistics = statistics_gen.outputs["statistics"]
    validator = DataValidator(
        statistics,
        schema_channel,
        site.previous_statistics(statistics),
        source=site.origin,
    )

    base_model = site.base_model()
    numeric: list[base_node.BaseNode] = []
    plan: types.BaseChannel | None = None
    if config.numeric:
        discretizer = Discretizer(
            examples, statistics, schema_channel, spec, base_model
        )
        discretizer.add_upstream_node(validator)
        plan = discretizer.outputs["plan"]
        numeric.append(discretizer)
    transform = SpecTransform(examples, schema_channel, spec, plan, base_model)
    transform.add_upstream_node(validator)
    hyperparameters = site.item_tables(transform.outputs["transform_graph"])
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
            checkpoint_dir=site.checkpoints,
            hyperparameters=hyperparameters,
        )
        plan = search.outputs["plan"]
        hyperparameters = search.outputs["hyperparameters"]
        numeric.append(search)
    tuners: list[base_node.BaseNode] = []
    if config.tuner is not None:
        tuner = Tuner(
            transform.outputs["transformed_examples"],
            transform.outputs["transform_graph"],
            spec=spec,
            model=model_config,
            training=run.training,
            tuner=config.tuner,
            checkpoint_dir=site.checkpoints,
            hyperparameters=hyperparameters,
        )
        site.lend_item_tables(tuner)
        hyperparameters = tuner.outputs["best_hyperparameters"]
        tuners.append(tuner)
    trainer = tfx.components.Trainer(
        run_fn=RUN_FN,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        hyperparameters=hyperparameters,
        base_model=base_model,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["valid"]),
        custom_config={
            "spec": spec.model_dump_json(),
            "model": model_config,
            "training": run.training,
            "checkpoint_dir": site.checkpoints,
            "export": run.export,
            "incremental": run.incremental and run.incremental.model_dump(mode="json"),
        },
    )
    site.lend_item_tables(trainer)
    model = trainer.outputs["model"]
    report: types.BaseChannel | None = None
    if plan is not None:
        inspector = NumericInspector(
            examples,
            plan,
            model,
            trainer.outputs["model_run"],
            site.previous_report(examples),
            feature_spec=spec,
        )
        report = inspector.outputs["report"]
        numeric.append(inspector)

    baseline_model = site.champion(model)
    evaluator: base_node.BaseNode
    if isinstance(config.thresholds, RetrievalThresholds):
        evaluator = RetrievalEvaluator(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            feature_spec=spec,
            thresholds=config.thresholds,
        ).with_id(ModelEvaluator.__name__)
    else:
        evaluator = ModelEvaluator(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
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
            baseline_model,
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
        destination=site.destination,
        model_name=config.serving_name,
        keep=run.publish.keep,
        label=run.publish.label,
        signatures=signatures,
        provenance={"config_sha256": config.sha256},
        local=site.local,
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
                destination=site.destination,
            )
        )

    site.conclude(
        Outcome(
            statistics=statistics,
            model=model,
            blessing=evaluator.outputs["blessing"],
            infra_blessing=infra_blessing,
            report=report,
            last=publisher,
        )
    )
    return tfx.dsl.Pipeline(
        pipeline_name=site.pipeline_name,
        pipeline_root=site.root,
        components=[
            *site.nodes,
            statistics_gen,
            validator,
            transform,
            trainer,
            evaluator,
            publisher,
            *serving,
            *experiments,
            *tuners,
            *numeric,
        ],
        enable_cache=True,
        metadata_connection_config=site.connection,
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
