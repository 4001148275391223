"""What a request says about itself beside its content."""

import functools
import re
import secrets
from collections.abc import Mapping, Sequence

import grpc

from clickwright.schemas.errors import DataError
from clickwright.schemas.events import MAX_ATTRIBUTES, check_attributes, check_id
from clickwright.serving.server.serving_error import ServingError

REQUEST_ID = "x-request-id"
EXPERIMENT = "x-experiment"
VARIANT = "x-variant"
ATTRIBUTES = "x-attributes"
HOPS = "x-router-hops"

_FORWARDED = ("authorization", "traceparent", "tracestate")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")
_MAX_ATTRIBUTES_TEXT = MAX_ATTRIBUTES * 130  # characters


class Headers:
    """gRPC's metadata, or HTTP's headers, of one request.

    Args:
        pairs: names in small letters, and values.

    Attributes:
        request_id: the caller's, or a new one.

    Raises:
        ServingError: the caller's id is none.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        self._twice: set[str] = set()
        for name, value in pairs:
            if value and self._values.setdefault(name, value) != value:
                self._twice.add(name)
        given = self.get(REQUEST_ID)
        if given is not None and not _REQUEST_ID.fullmatch(given):
            raise _invalid(
                f"`{REQUEST_ID}` must be 1 to 128 letters, digits or any of ._:/=+-"
            )
        self.request_id = given or secrets.token_hex(16)

    def get(self, name: str) -> str | None:
        """Returns a header's value; None where it is absent or empty.

        Raises:
            ServingError: it stands there twice, with different values.
        """
        if name in self._twice:
            raise _invalid(f"`{name}` has more than one value")
        return self._values.get(name)

    def attributes(self) -> Mapping[str, str]:
        """Returns what slices are made from.

        Raises:
            ServingError: they break a rule.
        """
        text = self.get(ATTRIBUTES)
        return _attributes(text) if text is not None else {}

    def forwarded(self, max_hops: int) -> list[tuple[str, str]]:
        """Returns what goes on to the model server.

        Args:
            max_hops: routers that a request may pass.

        Raises:
            ServingError: it has passed so many.
        """
        text = self.get(HOPS) or "0"
        hops = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else max_hops
        if hops >= max_hops:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"The request has passed {max_hops} routers: one of them sends it in a "
                "circle, or `--max_hops` is too low",
            )
        found = [(HOPS, str(hops + 1)), (REQUEST_ID, self.request_id)]
        for name in _FORWARDED:
            if (value := self.get(name)) is not None:
                found.append((name, value))
        return found


def checked_unit(value: str) -> str:
    """Returns a unit's id; what is said of one that is refused does not hold it.

    Raises:
        ServingError: it is too long, or holds what is not printable.
    """
    try:
        return check_id(value, "")
    except DataError:
        raise _invalid(
            "The unit's id must be 1 to 256 printable characters without spaces around "
            "them"
        ) from None


@functools.lru_cache(maxsize=4096)
def _attributes(text: str) -> Mapping[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    names = [name.strip() for name, _, _ in pairs]
    if (
        len(text) > _MAX_ATTRIBUTES_TEXT
        or not all(equals for _, equals, _ in pairs)
        or len(set(names)) < len(names)
    ):
        raise _invalid(
            f"`{ATTRIBUTES}` must be `name=value,name=value`, each name once"
        )
    try:
        return check_attributes(
            {name: pair[2].strip() for name, pair in zip(names, pairs, strict=True)}, ""
        )
    except DataError as error:
        raise _invalid(f"`{ATTRIBUTES}`: {error.what}") from None


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
