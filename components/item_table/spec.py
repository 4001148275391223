"""Names and types of ItemTableGen's channels and parameters."""

from typing import Any, ClassVar

from tfx.types import standard_artifacts
from tfx.types.component_spec import (
    ChannelParameter,
    ComponentSpec,
    ExecutionParameter,
)

from clickwright.components.item_table.artifacts import ItemTable
from clickwright.components.source.artifacts import PreparedData

PREPARED_KEY = "prepared"
TRANSFORM_GRAPH_KEY = "transform_graph"
ITEM_TABLE_KEY = "item_table"
HYPERPARAMETERS_KEY = "hyperparameters"
FEATURE_SPEC_KEY = "feature_spec"
ITEMS_KEY = "items"
FINGERPRINTS_KEY = "fingerprints"


class ItemTableGenSpec(ComponentSpec):
    """The vocabularies in, tables of the entities out.

    The parameters are JSON: the feature spec, and by entity the path of its item data
    and their fingerprint, so that changed data are not taken from the cache. Item data
    of prepared files lie where these say.
    """

    PARAMETERS: ClassVar[dict[str, Any]] = {
        FEATURE_SPEC_KEY: ExecutionParameter(type=str),
        ITEMS_KEY: ExecutionParameter(type=str),
        FINGERPRINTS_KEY: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        TRANSFORM_GRAPH_KEY: ChannelParameter(type=standard_artifacts.TransformGraph),
        PREPARED_KEY: ChannelParameter(type=PreparedData, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        ITEM_TABLE_KEY: ChannelParameter(type=ItemTable),
        HYPERPARAMETERS_KEY: ChannelParameter(type=standard_artifacts.HyperParameters),
    }
