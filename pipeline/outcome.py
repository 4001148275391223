"""What comes of a run, for those that keep it."""

import dataclasses

from tfx import types
from tfx.dsl.components.base import base_node


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Channels and nodes at the end of a pipeline.

    Attributes:
        statistics: `ExampleStatistics` that were found good.
        model: the `Model`.
        blessing: its `ModelBlessing`.
        infra_blessing: its `InfraBlessing`; None where no server tried it.
        report: the `AutoDisReport`; None without numeric features.
        last: the node after which all is done.
    """

    statistics: types.BaseChannel
    model: types.BaseChannel
    blessing: types.BaseChannel
    infra_blessing: types.BaseChannel | None
    report: types.BaseChannel | None
    last: base_node.BaseNode
