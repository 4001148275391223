"""Which spans a run reads, and what for."""

import dataclasses
from collections.abc import Iterable

from clickwright.components.spans.span_record import Part
from clickwright.components.spans.span_request import SpanRequest
from clickwright.schemas.errors import DataError
from clickwright.schemas.incremental import Incremental


@dataclasses.dataclass(frozen=True)
class SpanChoice:
    """The spans of one run.

    Attributes:
        newest: is divided into training, validation and test.
        whole: earlier ones, for training.
        rest: the parent's, of which the rows after its training split are for
            training now; None where there are none.
        sample: those of which the reservoir takes a sample.
        parent: span of the model to start from; None for a cold start.
    """

    newest: int
    whole: tuple[int, ...] = ()
    rest: int | None = None
    sample: tuple[int, ...] = ()
    parent: int | None = None

    def __str__(self) -> str:
        """In words, such as `span 8 from the model of span 7`."""
        if self.parent is not None:
            return f"span {self.newest} from the model of span {self.parent}"
        many = "spans" if self.whole else "span"
        return f"{many} {ranges([*self.whole, self.newest])} from scratch"

    def parts(self) -> list[tuple[int, Part]]:
        """The spans with the part that each plays, the oldest first.

        The one with the rest is there twice where it is sampled too.
        """
        found: list[tuple[int, Part]] = [(span, "sample") for span in self.sample]
        if self.rest is not None:
            found.append((self.rest, "rest"))
        found += [(span, "whole") for span in self.whole]
        return [*found, (self.newest, "newest")]

    def by_part(self) -> list[tuple[Part, list[int]]]:
        """The spans of each part, of those parts that there are."""
        found: dict[Part, list[int]] = {}
        for span, part in self.parts():
            found.setdefault(part, []).append(span)
        return list(found.items())


def choose_spans(
    there: Iterable[int],
    request: SpanRequest,
    params: Incremental,
    parent: int | None,
    *,
    by_time: bool,
    where: str = "",
) -> SpanChoice:
    """Chooses the spans of a run.

    A cold start reads the window that ends with the newest span; where the log begins
    later, from its first span on. A warm start reads what its parent has not seen.

    Args:
        there: the spans that are there.
        request: what the user asked for.
        params: window and reservoir.
        parent: span of the model to start from, which lies before the newest; None
            for a cold start.
        by_time: whether rows are divided by time, so that those which the parent was
            tested on are for training once they are older.
        where: the folder, for messages.

    Raises:
        DataError: a span is not there that must be.
    """
    known = sorted(there)
    newest = newest_span(known, request, where)
    window = newest - params.window + 1
    if request.first is not None or parent is None:
        first = request.first if request.first is not None else max(window, known[0])
        _check_gaps(known, range(first, newest + 1), where)
        return SpanChoice(newest, tuple(range(first, newest)))
    _check_gaps(known, range(parent if by_time else parent + 1, newest + 1), where)
    sample: tuple[int, ...] = ()
    if params.reservoir:
        sample = tuple(span for span in known if window <= span <= parent)
    return SpanChoice(
        newest,
        tuple(range(parent + 1, newest)),
        parent if by_time else None,
        sample,
        parent,
    )


def newest_span(there: Iterable[int], request: SpanRequest, where: str = "") -> int:
    """The newest span that is asked for.

    Raises:
        DataError: it is not there.
    """
    known = sorted(there)
    newest = request.last
    if newest is None and known:
        newest = known[-1]
    if newest is None:
        raise DataError(
            "There are no spans.",
            where=where,
            fix="lay the files into `span-1/`, `span-2/` and so on, or leave out "
            "`incremental`",
        )
    if newest not in known:
        raise DataError(
            f"The span {newest} is not there. There are: {ranges(known) or 'none'}.",
            where=where,
            fix=f"lay its files into `span-{newest}/`, or ask for one that is there",
        )
    return newest


def ranges(spans: Iterable[int]) -> str:
    """Spans as text, such as `1..4, 6`."""
    found: list[list[int]] = []
    for span in sorted(spans):
        if found and span == found[-1][1] + 1:
            found[-1][1] = span
        else:
            found.append([span, span])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in found)


def _check_gaps(known: list[int], needed: range, where: str) -> None:
    missing = sorted(set(needed) - set(known))
    if missing:
        raise DataError(
            f"There is a gap: the spans {needed[0]}..{needed[-1]} are needed, and "
            f"{ranges(missing)} {'is' if len(missing) == 1 else 'are'} not there.",
            where=where,
            fix="bring what is missing; or ask for a cold start on spans without a gap, "
            f"such as --span {_last_run(known, needed[-1])}",
        )


def _last_run(known: list[int], newest: int) -> str:
    """The longest range without a gap that ends with `newest`."""
    first = newest
    while first - 1 in known:
        first -= 1
    return f"{first}..{newest}"
