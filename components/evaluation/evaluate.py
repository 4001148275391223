"""The Beam pipeline of an evaluation: files of examples to files in TFMA's formats."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from clickwright.components.evaluation.row_columns import RowColumns
from clickwright.components.evaluation.score_files import (
    PROBLEMS,
    ScoredBatch,
    ScoreFiles,
)
from clickwright.components.evaluation.slice_batches import (
    CountSlices,
    LargestSlices,
    SliceBatches,
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to evaluate.

    Attributes:
        config: TFMA's configuration, its defaults filled in; each of its models is in
            `models`.
        columns: what to read beside the scores.
        slicings: columns of each slicing.
        models: folders of the SavedModels by model name.
        files: TFRecord files by split.
        outputs: folder for the results of each split.
        total_rows: rows of all splits together, if that is known.
    """

    config: config_pb2.EvalConfig
    columns: RowColumns
    slicings: Sequence[Sequence[str]]
    models: Mapping[str, str]
    files: Mapping[str, Sequence[str]]
    outputs: Mapping[str, str]
    total_rows: int | None = None


def evaluate(pipeline: beam.Pipeline, plan: Plan, problems: str) -> None:
    """Adds the steps to `pipeline`.

    Each output folder gets what TFMA's own writers write: `eval_config.json`, metrics,
    plots, attributions (none) and validations.

    Args:
        pipeline: any Beam pipeline.
        plan: what to evaluate.
        problems: prefix of the files that name what is wrong with the data.
    """
    files = [(split, path) for split, paths in plan.files.items() for path in paths]
    scored = (
        pipeline
        | "Files" >> beam.Create(files)
        | "Spread" >> beam.Reshuffle()
        | "Score"
        >> beam.ParDo(
            ScoreFiles(plan.columns, plan.models, plan.total_rows)
        ).with_outputs(PROBLEMS, main="scored")
    )
    _ = scored[PROBLEMS] | "WriteProblems" >> beam.io.WriteToText(problems)
    for split, output in plan.outputs.items():
        _ = (
            scored.scored
            | f"Choose[{split}]" >> beam.Filter(_is_of, split)
            | f"Measure[{split}]" >> _Measure(plan, output)
        )


class _Measure(beam.PTransform):
    def __init__(self, plan: Plan, output: str) -> None:
        super().__init__()
        self._plan = plan
        self._output = output

    def expand(self, batches: beam.PCollection) -> None:
        plan = self._plan
        largest = (
            batches
            | "CountSlices" >> beam.ParDo(CountSlices(plan.slicings))
            | "LargestSlices" >> beam.CombineGlobally(LargestSlices())
        )
        evaluation = (
            batches
            | "SliceBatches"
            >> beam.ParDo(
                SliceBatches(plan.slicings, plan.columns.group),
                beam.pvalue.AsSingleton(largest),
            )
            | "Metrics"
            >> tfma.evaluators.MetricsPlotsAndValidationsEvaluator(
                eval_config=plan.config
            ).ptransform
        )
        for writer in self._writers():
            _ = evaluation | writer.stage_name >> writer.ptransform

    def _writers(self) -> Iterable[tfma.writers.Writer]:
        yield tfma.writers.EvalConfigWriter(
            self._output,
            eval_config=self._plan.config,
            model_locations=dict(self._plan.models),
        )
        kinds = (
            tfma.METRICS_KEY,
            tfma.PLOTS_KEY,
            tfma.ATTRIBUTIONS_KEY,
            tfma.VALIDATIONS_KEY,
        )
        yield tfma.writers.MetricsPlotsAndValidationsWriter(
            output_paths={kind: os.path.join(self._output, kind) for kind in kinds},
            eval_config=self._plan.config,
        )


def _is_of(batch: ScoredBatch, split: str) -> bool:
    return batch.split == split
