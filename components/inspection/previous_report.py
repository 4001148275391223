"""Which earlier report the use of the bins is compared with."""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from clickwright.components.inspection.spec import EXAMPLES_KEY, PREVIOUS_REPORT_KEY
from clickwright.components.origin import fingerprints, fingerprints_behind


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
        current = fingerprints(store, [a.id for a in input_dict[EXAMPLES_KEY]])
        latest_first = sorted(
            input_dict[PREVIOUS_REPORT_KEY], key=lambda report: report.id, reverse=True
        )
        previous = next(
            (
                report
                for report in latest_first
                if fingerprints_behind(store, report.id) != current
            ),
            None,
        )
        return {
            **input_dict,
            PREVIOUS_REPORT_KEY: [] if previous is None else [previous],
        }
