"""Which spans a user asks for."""

import dataclasses
import re
from typing import Self

from clickwright.schemas.errors import ConfigError

_FORM = re.compile(r"(?:(?P<first>\d{1,18})\.\.)?(?P<last>\d{1,18})")
LATEST = "latest"


@dataclasses.dataclass(frozen=True)
class SpanRequest:
    """The spans of a run.

    Attributes:
        last: the newest of them; the latest that is there when None.
        first: the oldest, for a cold start on just these; chosen by window and parent
            when None.
    """

    last: int | None = None
    first: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `latest`, a number, or a range such as `3..9`.

        Raises:
            ConfigError: it is none of these, or a range that runs backwards.
        """
        if text == LATEST:
            return cls()
        found = _FORM.fullmatch(text)
        if found is not None:
            last = int(found["last"])
            first = None if found["first"] is None else int(found["first"])
            if first is None or first <= last:
                return cls(last, first)
        raise ConfigError(
            f"Spans must be `{LATEST}`, a number, or a range from the older to the newer. "
            f"Received: {text!r}.",
            where="span",
            fix="give `latest`, `14` or `8..14`",
        )
