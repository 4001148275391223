"""What the Discretizer does when it runs."""

import json
import logging
import os
import pathlib
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import types
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from clickwright.components.discretizer import spec as keys
from clickwright.components.discretizer.checks import (
    check_rows,
    check_schema,
    check_types,
)
from clickwright.components.discretizer.column_sketches import ColumnSketches
from clickwright.components.discretizer.example_columns import ExampleColumns
from clickwright.components.discretizer.sketch_files import (
    Part,
    SketchFiles,
    WritePlan,
)
from clickwright.components.incremental.parent_model import parent_folder
from clickwright.components.split_files import split_files
from clickwright.models.incremental.parent_checks import check_spec
from clickwright.models.training.training_state import read_manifest
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import SPLITS, FeatureSpec

TRAIN = SPLITS[0]
MOST_PARTS = 32
"""Parts of the files, whose sketches are in memory together at the end. How files
fall into parts must not depend on the number of workers."""

progress = logging.getLogger("clickwright.progress")


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the training split and writes the plan."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Decides on the numeric features.

        Args:
            input_dict: `examples`, `statistics` and `schema`, one artifact each;
                `base_model`, one `Model`, none, or absent.
            output_dict: `plan`, one `DiscretizationPlan`.
            exec_properties: `feature_spec`, the spec as JSON.

        Raises:
            ConfigError: the schema is that of another spec, or the model that training
                goes on from.
            DataError: the statistics are those of other examples; a column holds
                something else than the spec says; weights are negative or all 0;
                a file is damaged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        text = exec_properties[keys.FEATURE_SPEC_KEY]
        spec = FeatureSpec.model_validate_json(text)
        folder = artifact_utils.get_single_uri(output_dict[keys.PLAN_KEY])
        parent = parent_folder(input_dict.get(keys.BASE_MODEL_KEY, []))
        if parent is not None:
            check_spec(read_manifest(parent), spec, parent)
            plan = DiscretizationPlan.read(parent)
        elif spec.numeric_features():
            plan = self._plan(input_dict, text)
        else:
            plan = ColumnSketches([]).plan(spec)
        fileio.makedirs(folder)
        plan.write(pathlib.Path(folder))
        for name, field in plan.fields.items():
            for told in _warnings(field.reasons, field.statistics.distinct):
                progress.warning("feature `%s`: %s", name, told)
        kinds = sorted({field.encoding.kind for field in plan.fields.values()})
        detail = f"{len(plan.fields)} numeric features: {', '.join(kinds) or 'none'}"
        progress.info("%s", detail, extra={"detail": detail})

    def _plan(
        self, input_dict: dict[str, list[types.Artifact]], spec: str
    ) -> DiscretizationPlan:
        columns = ExampleColumns.of(FeatureSpec.model_validate_json(spec))
        schema = io_utils.SchemaReader().read(
            io_utils.get_only_uri_in_dir(
                artifact_utils.get_single_uri(input_dict[keys.SCHEMA_KEY])
            )
        )
        check_schema(columns, schema)
        statistics = _statistics(
            artifact_utils.get_single_instance(input_dict[keys.STATISTICS_KEY])
        )
        check_types(columns, statistics)
        paths = split_files(
            artifact_utils.get_single_instance(input_dict[keys.EXAMPLES_KEY]), TRAIN
        )
        parts = [
            Part(int(numbers[0]), [paths[i] for i in numbers])
            for numbers in np.array_split(
                np.arange(len(paths)), min(len(paths), MOST_PARTS)
            )
        ]
        outcome_path = os.path.join(self._get_tmp_dir(), "outcome.json")
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Parts" >> beam.Create(parts)
                | "Spread" >> beam.Reshuffle()
                | "Sketch" >> beam.ParDo(SketchFiles(spec, statistics.num_examples))
                | "Gather" >> beam.combiners.ToList()
                | "Decide" >> beam.ParDo(WritePlan(spec, outcome_path))
            )
        outcome = json.loads(io_utils.read_string_file(outcome_path))
        if "problem" in outcome:
            what, where, fix = outcome["problem"]
            raise DataError(what, where=where, fix=fix)
        check_rows(outcome["rows"], statistics)
        return DiscretizationPlan.model_validate_json(outcome["plan"])


def _statistics(artifact: types.Artifact) -> statistics_pb2.DatasetFeatureStatistics:
    found = stats_artifact_utils.load_statistics(artifact, TRAIN).proto()
    return found.datasets[0]


def _warnings(reasons: dict[str, str], distinct: int) -> list[str]:
    told = [reasons[name] for name in ("duplicate", "non_finite") if name in reasons]
    return [reasons["encoder"], *told] if distinct < 2 else told
