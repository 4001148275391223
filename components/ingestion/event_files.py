"""Where the event logs of a feature spec lie."""

import json
import os
from collections.abc import Mapping
from typing import Any

from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from clickwright.components.ingestion.spec import EVENTS_KEY
from clickwright.schemas.spec import FeatureSpec


def event_files(
    spec: FeatureSpec, exec_properties: Mapping[str, Any]
) -> dict[str, str]:
    """Returns the Parquet file of each sequence that is made from events.

    Args:
        spec: names the files that lie beside the splits, in the same span.
        exec_properties: those of `LogExampleGen`, spans filled in.
    """
    given = json.loads(exec_properties.get(EVENTS_KEY) or "{}")
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config
    )
    span = os.path.dirname(os.path.dirname(config.splits[0].pattern))
    beside = os.path.join(
        exec_properties[standard_component_specs.INPUT_BASE_KEY], span
    )
    return {
        name: given.get(name) or os.path.join(beside, events.file)
        for name, events in spec.event_logs().items()
    }
