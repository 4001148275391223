"""TFX's Transform executor, and a look at what it learned."""

import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx import types
from tfx.components.example_gen.utils import SPAN_PROPERTY_NAME
from tfx.components.transform import executor as transform_executor
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import (
    CUSTOM_CONFIG_KEY,
    EXAMPLES_KEY,
    TRANSFORM_GRAPH_KEY,
)
from tfx.utils import json_utils

from clickwright.components.incremental.parent_model import parent_folder
from clickwright.components.transform.spec import BASE_MODEL_KEY, PLAN_KEY
from clickwright.models import preprocessing
from clickwright.models.export_params import GOLDEN_ROWS
from clickwright.models.incremental.parent_checks import check_spec
from clickwright.models.preprocessing import SPEC_KEY
from clickwright.models.training.data_span import write_data_span
from clickwright.models.training.training_state import (
    VOCABULARIES_FILE,
    read_manifest,
)
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import DataError
from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE
from clickwright.schemas.spec import SPLITS, FeatureSpec, LearnedVocabulary

_OURS = (PLAN_KEY, BASE_MODEL_KEY)

progress = logging.getLogger("clickwright.progress")


class Executor(transform_executor.Executor):
    """Scales by the plan, and refuses vocabularies larger than the spec allows."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Transforms by the plan, then checks the learned vocabularies.

        The check stands here because the run must fail in this component: whatever
        reads the artifact later may rely on `max_size`.

        Args:
            input_dict: as in TFX's executor; `plan`, one `DiscretizationPlan`, and
                `base_model`, one `Model`; each of them none, or absent.
            output_dict: as in TFX's executor; the transform graph's folder gets a
                copy of the plan, the number of the data's span, if it has one, and
                rows of the split `valid` for golden requests.
            exec_properties: as in TFX's executor; `custom_config` holds the spec.

        Raises:
            ConfigError: the plan belongs to another spec, or cannot be read; the
                model that training goes on from does.
            DataError: names each feature whose vocabulary exceeds `max_size`; that
                model has no training state.
        """
        config = json_utils.loads(exec_properties[CUSTOM_CONFIG_KEY])
        spec = FeatureSpec.model_validate_json(config[SPEC_KEY])
        plan = _plan(input_dict.get(PLAN_KEY, []))
        if plan is not None:
            plan.check(spec)
            config[preprocessing.PLAN_KEY] = plan.model_dump_json()
        parent = parent_folder(input_dict.get(BASE_MODEL_KEY, []))
        if parent is not None:
            check_spec(read_manifest(parent), spec, parent)
            config[preprocessing.VOCABULARIES_KEY] = str(parent / VOCABULARIES_FILE)
        super().Do(
            {key: found for key, found in input_dict.items() if key not in _OURS},
            output_dict,
            {**exec_properties, CUSTOM_CONFIG_KEY: json_utils.dumps(config)},
        )
        folder = artifact_utils.get_single_uri(output_dict[TRANSFORM_GRAPH_KEY])
        if plan is not None:
            plan.write(pathlib.Path(folder))
        span = max(_span(artifact) for artifact in input_dict[EXAMPLES_KEY])
        if span:
            write_data_span(pathlib.Path(folder), span)
        valid = [
            artifact_utils.get_split_uri([artifact], SPLITS[1])
            for artifact in input_dict[EXAMPLES_KEY]
        ]
        keep_rows(valid, pathlib.Path(folder) / GOLDEN_ROWS_FILE)
        graph = tft.TFTransformOutput(folder)
        sizes = {name: graph.vocabulary_size_by_name(name) for name in learned(spec)}
        check_sizes(spec, sizes)
        detail = f"{sum(sizes.values()):,} values in {len(sizes)} vocabularies"
        progress.info("%s", detail, extra={"detail": detail})


def keep_rows(folders: Sequence[str], path: pathlib.Path) -> None:
    """Writes some rows of a split to a file, the same ones each time.

    They come from all shards in turn, as neighbours in a log may be of one user.

    Args:
        folders: folders of the split, of gzipped TFRecords.
        path: the gzipped TFRecord file.
    """
    shards = sorted(
        str(file) for folder in folders for file in pathlib.Path(folder).glob("*.gz")
    )
    rows = tf.data.Dataset.from_tensor_slices(shards).interleave(
        lambda shard: tf.data.TFRecordDataset(shard, "GZIP"),
        cycle_length=max(1, len(shards)),
    )
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows.take(GOLDEN_ROWS):
            writer.write(row.numpy())


def _span(examples: types.Artifact) -> int:
    """The number of the examples' span; 0, as TFX has it, where they have none."""
    if not examples.has_custom_property(SPAN_PROPERTY_NAME):
        return 0
    return int(examples.get_int_custom_property(SPAN_PROPERTY_NAME))


def _plan(artifacts: Sequence[types.Artifact]) -> DiscretizationPlan | None:
    if not artifacts:
        return None
    uri = artifact_utils.get_single_uri(list(artifacts))
    return DiscretizationPlan.read(pathlib.Path(uri))


def learned(spec: FeatureSpec) -> dict[str, LearnedVocabulary]:
    """Returns the learned vocabularies, by feature."""
    return {
        name: feature.vocabulary
        for name, feature in spec.vocabulary_features().items()
        if isinstance(feature.vocabulary, LearnedVocabulary)
    }


def check_sizes(spec: FeatureSpec, sizes: Mapping[str, int]) -> None:
    """Refuses learned vocabularies that are larger than their `max_size`.

    Args:
        spec: the feature spec.
        sizes: number of values in each learned vocabulary, by feature.

    Raises:
        DataError: names each such feature, its size, and `max_size`.
    """
    too_large = [
        f"`{name}` has {sizes[name]:,} values that occur at least "
        f"{vocabulary.min_count} times in the training split, `max_size` is "
        f"{vocabulary.max_size:,}"
        for name, vocabulary in learned(spec).items()
        if sizes[name] > vocabulary.max_size
    ]
    if too_large:
        raise DataError(
            f"Vocabularies larger than `max_size`: {'; '.join(too_large)}.",
            where=f"feature spec `{spec.name}`, `features.<name>.vocabulary`",
            fix="raise `max_size` or `min_count`, or choose `kind: hash`.",
        )
