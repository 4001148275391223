"""What a pipeline has that differs with the place where it runs."""

from typing import Any, Protocol

from tfx import types
from tfx.dsl.components.base import base_node

from clickwright.pipeline.outcome import Outcome


class Site(Protocol):
    """Where a run takes place: this machine, or containers on a cluster.

    Each method makes the nodes that it needs and returns what the others read of
    them.

    Attributes:
        local: whether this machine runs it.
        pipeline_name: name of the pipeline.
        root: where artifacts go.
        destination: serving root that models are published to.
        checkpoints: folder of training states; None for none.
        origin: where the rows come from, for messages; a text, or a runtime parameter.
        connection: of ML Metadata; None where the cluster has its own.
        nodes: the nodes made so far.
    """

    local: bool
    pipeline_name: str
    root: str
    destination: str
    checkpoints: str | None
    origin: Any
    connection: Any
    nodes: list[base_node.BaseNode]

    def examples(self) -> types.BaseChannel:
        """The log, as `Examples`."""

    def schema(self) -> types.BaseChannel:
        """The `Schema` of the feature spec."""

    def previous_statistics(self, statistics: types.BaseChannel) -> types.BaseChannel:
        """`ExampleStatistics` of earlier good data; none where there are none."""

    def base_model(self) -> types.BaseChannel | None:
        """The `Model` that training goes on from; None where no run ever does."""

    def item_tables(
        self, transform_graph: types.BaseChannel
    ) -> types.BaseChannel | None:
        """`HyperParameters` that say where item tables are; None without such."""

    def lend_item_tables(self, reader: base_node.BaseNode) -> None:
        """Lets a component read the item tables that its hyperparameters point at."""

    def previous_report(self, examples: types.BaseChannel) -> types.BaseChannel:
        """The `AutoDisReport` of earlier data; none where there is none."""

    def champion(self, model: types.BaseChannel) -> types.BaseChannel:
        """The `Model` that the new one has to beat; none where there is none."""

    def conclude(self, outcome: Outcome) -> None:
        """Keeps of a run what later runs compare with."""
