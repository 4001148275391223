"""Which earlier report the use of the bins is compared with."""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.orchestration.portable.mlmd import event_lib

from clickwright.components.inspection.spec import EXAMPLES_KEY, PREVIOUS_REPORT_KEY

_FINGERPRINT = "input_fingerprint"
"""Custom property that TFX's ExampleGens set on the examples."""


class PreviousReport(resolver.ResolverStrategy):
    """Resolves the latest report of data that differ from the current.

    Data are the same when they are the same artifact or have the same ExampleGen
    fingerprint: a repeated run resolves what the first one did, and stays cached.

    Use it in a `Resolver` with two channels: `examples`, the current run's, and
    `previous_report`, a plain `Channel(type=AutoDisReport)`. The resolver's output
    `previous_report` holds one artifact, or none.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns the current examples, and the report before if there is one."""
        current = _fingerprints(store, [a.id for a in input_dict[EXAMPLES_KEY]])
        latest_first = sorted(
            input_dict[PREVIOUS_REPORT_KEY], key=lambda report: report.id, reverse=True
        )
        previous = next(
            (
                report
                for report in latest_first
                if _fingerprints(store, _examples_of(store, report.id)) != current
            ),
            None,
        )
        return {
            **input_dict,
            PREVIOUS_REPORT_KEY: [] if previous is None else [previous],
        }


def _examples_of(store: mlmd.MetadataStore, report: int) -> list[int]:
    """Returns the ids of the examples that a report was made from."""
    makers = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([report])
        if event_lib.is_valid_output_event(event)
    }
    return [
        event.artifact_id
        for event in store.get_events_by_execution_ids(list(makers))
        if event_lib.is_valid_input_event(event, EXAMPLES_KEY)
    ]


def _fingerprints(store: mlmd.MetadataStore, examples: list[int]) -> frozenset[str]:
    return frozenset(
        artifact.custom_properties[_FINGERPRINT].string_value or str(artifact.id)
        for artifact in store.get_artifacts_by_id(examples)
    )
