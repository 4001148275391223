"""Which data an artifact was made from, as ML Metadata has it."""

import ml_metadata as mlmd
from tfx.orchestration.portable.mlmd import event_lib
from tfx.types.standard_component_specs import EXAMPLES_KEY

_FINGERPRINT = "input_fingerprint"
"""Custom property that TFX's ExampleGens set on the examples."""


def fingerprints_behind(store: mlmd.MetadataStore, artifact: int) -> frozenset[str]:
    """Fingerprints of the examples that an artifact was made from in one step."""
    makers = {
        event.execution_id
        for event in store.get_events_by_artifact_ids([artifact])
        if event_lib.is_valid_output_event(event)
    }
    return fingerprints(
        store,
        [
            event.artifact_id
            for event in store.get_events_by_execution_ids(list(makers))
            if event_lib.is_valid_input_event(event, EXAMPLES_KEY)
        ],
    )


def fingerprints(store: mlmd.MetadataStore, examples: list[int]) -> frozenset[str]:
    """Fingerprints of examples; the id of those that an ExampleGen gave none."""
    return frozenset(
        artifact.custom_properties[_FINGERPRINT].string_value or str(artifact.id)
        for artifact in store.get_artifacts_by_id(examples)
    )
