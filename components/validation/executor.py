"""Runs TensorFlow Data Validation on every split and refuses what it finds."""

import os
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import (
    anomalies_pb2,
    schema_pb2,
    statistics_pb2,
)
from tfx import types
from tfx.components.example_validator.executor import (
    ARTIFACT_PROPERTY_BLESSED_KEY,
    BLESSED_VALUE,
    DEFAULT_FILE_NAME,
)
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, writer_utils

from clickwright.components.validation.findings import findings
from clickwright.components.validation.spec import (
    ANOMALIES_KEY,
    BASELINE_STATISTICS_KEY,
    SCHEMA_KEY,
    SOURCE_KEY,
    STATISTICS_KEY,
)
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import SPLITS

TRAIN = SPLITS[0]
_COMPARISONS = frozenset(
    value
    for name, value in anomalies_pb2.AnomalyInfo.Type.items()
    if name.startswith("COMPARATOR_")
)
_NOTHING_TO_COMPARE = frozenset(
    {anomalies_pb2.AnomalyInfo.COMPARATOR_CONTROL_DATA_MISSING}
)


class Executor(base_executor.BaseExecutor):
    """Validates the statistics of each split."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Validates, and writes `Split-<name>/SchemaDiff.pb` for each split.

        Args:
            input_dict: `statistics` and `schema`, one artifact each;
                `baseline_statistics`, one artifact, none, or absent.
            output_dict: `anomalies`, one `ExampleAnomalies` artifact in TFX's layout.
            exec_properties: `source`, where the rows came from.

        Raises:
            DataError: names the source and, a line each, split, column, what was
                expected and what was found.
        """
        statistics = _statistics(
            artifact_utils.get_single_instance(input_dict[STATISTICS_KEY])
        )
        schema = io_utils.SchemaReader().read(
            io_utils.get_only_uri_in_dir(
                artifact_utils.get_single_uri(input_dict[SCHEMA_KEY])
            )
        )
        baseline = [
            _statistics(artifact)[TRAIN]
            for artifact in input_dict.get(BASELINE_STATISTICS_KEY, [])
        ]
        anomalies = validate(statistics, schema, baseline[0] if baseline else None)

        artifact = artifact_utils.get_single_instance(output_dict[ANOMALIES_KEY])
        artifact.split_names = artifact_utils.encode_split_names(list(anomalies))
        for split, found in anomalies.items():
            folder = artifact_utils.get_split_uri([artifact], split)
            writer_utils.write_anomalies(os.path.join(folder, DEFAULT_FILE_NAME), found)
        lines = [
            line
            for split, found in anomalies.items()
            for line in findings(split, found, statistics[split], schema)
        ]
        if lines:
            # TFX discards the outputs of a failed executor: the message has it all.
            raise DataError(
                f"{len(lines)} finding{'s' * (len(lines) > 1)} in the data:\n  "
                + "\n  ".join(lines)
                + "\n",
                where=exec_properties[SOURCE_KEY],
                fix="mend the data where they are made, or, if they are right, change "
                "what `features.yaml` says of these columns (`presence`, `values`, "
                "`min`, `max`, `drift`, `skew`).",
            )
        artifact.set_json_value_custom_property(
            ARTIFACT_PROPERTY_BLESSED_KEY, dict.fromkeys(anomalies, BLESSED_VALUE)
        )


def validate(
    statistics: dict[str, statistics_pb2.DatasetFeatureStatisticsList],
    schema: schema_pb2.Schema,
    baseline: statistics_pb2.DatasetFeatureStatisticsList | None,
) -> dict[str, anomalies_pb2.Anomalies]:
    """Returns the anomalies of each split.

    The training split is compared with `baseline` by the schema's drift comparators,
    every other split with the training split by its skew comparators.
    """
    result = {}
    for split, current in statistics.items():
        found = tfdv.validate_statistics(
            current, schema, previous_statistics=baseline if split == TRAIN else None
        )
        _keep(found, lambda kind: kind not in _NOTHING_TO_COMPARE)
        if split != TRAIN:
            skew = tfdv.validate_statistics(
                statistics[TRAIN], schema, serving_statistics=current
            )
            # What is wrong with the training split itself stands under its name.
            _keep(skew, lambda kind: kind in _COMPARISONS - _NOTHING_TO_COMPARE)
            for column, info in skew.anomaly_info.items():
                found.anomaly_info[column].path.CopyFrom(info.path)
                found.anomaly_info[column].reason.extend(info.reason)
            found.drift_skew_info.extend(skew.drift_skew_info)
        result[split] = found
    return result


def _statistics(
    artifact: types.Artifact,
) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    return {
        split: stats_artifact_utils.load_statistics(artifact, split).proto()
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _keep(anomalies: anomalies_pb2.Anomalies, wanted: Any) -> None:
    """Drops the reasons whose type is not wanted, and columns left without any."""
    for column, info in list(anomalies.anomaly_info.items()):
        kept = [reason for reason in info.reason if wanted(reason.type)]
        del info.reason[:]
        info.reason.extend(kept)
        if not kept:
            del anomalies.anomaly_info[column]
