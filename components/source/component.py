"""The component that brings a run's data to where containers read them."""

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec

from clickwright.components.source.artifacts import PreparedData
from clickwright.components.source.executor import Executor
from clickwright.components.source.source_facts import SourceFacts
from clickwright.components.source.spec import SourceGenSpec


class SourceGen(base_component.BaseComponent):
    """Prepares a data set, or takes the user's own files, as an artifact.

    Args:
        facts: what data they are.
        data: address of the files, a folder or one that fsspec knows (`gs://`,
            `s3://`); empty for a data set that needs none. A text or a runtime
            parameter.
        span: `latest` or the number of a span, likewise.

    Outputs:
        `prepared`: `PreparedData`, with the fingerprint and the span as custom
        properties.
    """

    SPEC_CLASS = SourceGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, facts: SourceFacts, data: Any, span: Any) -> None:
        super().__init__(
            SourceGenSpec(
                data=data,
                span=span,
                source=facts.model_dump_json(),
                prepared=types.Channel(type=PreparedData),
            )
        )
