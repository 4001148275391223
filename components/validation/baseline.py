"""Which earlier data the current data are compared with."""

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.orchestration.portable.mlmd import event_lib

from clickwright.components.origin import fingerprints_behind
from clickwright.components.validation.component import DataValidator
from clickwright.components.validation.spec import (
    BASELINE_STATISTICS_KEY,
    STATISTICS_KEY,
)

_GOOD = frozenset(
    {metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED}
)


class PreviousGoodStatistics(resolver.ResolverStrategy):
    """Resolves the statistics of the last good data that differ from the current.

    Good are data that a `DataValidator` let through: drifted data that stopped a run
    never become the baseline. Data are the same when they are the same artifact or
    have the same ExampleGen fingerprint: a repeated run resolves what the first one
    did, and stays cached.

    Use it in a `Resolver` with two channels: `statistics`, the current run's, and
    `baseline_statistics`, a plain `Channel(type=ExampleStatistics)`. The resolver's
    output `baseline_statistics` holds one artifact, or none.
    """

    def resolve_artifacts(
        self,
        store: mlmd.MetadataStore,
        input_dict: dict[str, list[types.Artifact]],
    ) -> dict[str, list[types.Artifact]]:
        """Returns the current statistics, and the baseline if there is one."""
        earlier = {a.id: a for a in input_dict[BASELINE_STATISTICS_KEY]}
        current = {fingerprints_behind(store, a.id) for a in input_dict[STATISTICS_KEY]}
        baseline = next(
            (
                earlier[i]
                for i in _validated(store)
                if i in earlier and fingerprints_behind(store, i) not in current
            ),
            None,
        )
        return {
            **input_dict,
            BASELINE_STATISTICS_KEY: [] if baseline is None else [baseline],
        }


def _validated(store: mlmd.MetadataStore) -> list[int]:
    """Returns ids of the statistics that were found good, the latest first."""
    executions = [
        execution.id
        for execution in store.get_executions_by_type(DataValidator.get_class_type())
        if execution.last_known_state in _GOOD
    ]
    events = [
        event
        for event in store.get_events_by_execution_ids(executions)
        if event_lib.is_valid_input_event(event, STATISTICS_KEY)
    ]
    events.sort(key=lambda event: event.execution_id, reverse=True)
    return list(dict.fromkeys(event.artifact_id for event in events))
