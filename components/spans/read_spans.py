"""What the spans of a run hold, and whether they hold what they held before."""

from collections.abc import Mapping, Sequence

from clickwright.components.spans.span_choice import SpanChoice
from clickwright.components.spans.span_folder import SpanFolder
from clickwright.components.spans.span_record import SpanRead
from clickwright.schemas.errors import DataError


def read_spans(
    spans: SpanFolder,
    choice: SpanChoice,
    seen: Mapping[int, SpanRead],
    splits: Sequence[str],
) -> tuple[SpanRead, ...]:
    """Fingerprints the spans of a run, and looks at all that models learned from.

    Content is read only where names, sizes or times of files are not those of before.

    Args:
        spans: the log.
        choice: the spans of the run.
        seen: spans that blessed models have learned from, as they were then.
        splits: folders of each span.

    Returns:
        Each span of the choice, in its order.

    Raises:
        DataError: a span that a blessed model has learned from holds other rows now.
    """
    chosen = dict(choice.parts())
    prints: dict[int, tuple[str, str]] = {}
    for span in spans.paths:
        known = seen.get(span)
        if known is None and span not in chosen:
            continue
        stat = spans.stat(span, splits)
        if known is not None and known.stat == stat:
            prints[span] = (known.fingerprint, stat)
            continue
        prints[span] = (spans.fingerprint(span, splits), stat)
        if known is not None and known.fingerprint != prints[span][0]:
            raise DataError(
                f"The span {span} has arrived twice: a blessed model has learned from "
                "other rows of that number.",
                where=str(spans.paths[span]),
                fix="bring its earlier files back and lay the new rows into a span "
                "with a new number; or start anew with another --out",
            )
    return tuple(
        SpanRead(
            span=span, part=part, fingerprint=prints[span][0], stat=prints[span][1]
        )
        for span, part in choice.parts()
    )
