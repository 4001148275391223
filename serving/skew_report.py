"""How far answers lie from those that were kept."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SignatureSkew:
    """One signature, answered in one way.

    Attributes:
        signature: its name.
        way: who answered: `SavedModel`, `gRPC` or `REST`.
        requests: requests that were answered.
        rows: rows in their answers.
        largest: the largest difference, absolute where the kept value is at most 1 in
            size and relative to it otherwise; infinite where a value is not a number on
            one side alone.
        place: where it is: request, output, position and both values; empty where all
            are equal.
        problem: what the first request came to that got no such answer; empty where
            all were answered.
    """

    signature: str
    way: str
    requests: int
    rows: int
    largest: float
    place: str = ""
    problem: str = ""

    def within(self, tolerance: float) -> bool:
        """Whether all was answered, with no difference above `tolerance`."""
        return not self.problem and self.largest <= tolerance


@dataclass(frozen=True)
class SkewReport:
    """Every signature of the kept requests, in every way they were answered.

    Attributes:
        skews: in the order of the file, the ways side by side.
        skipped: kept requests of other kinds than Predict, which are not replayed.
    """

    skews: tuple[SignatureSkew, ...]
    skipped: int = 0

    @property
    def signatures(self) -> Sequence[str]:
        """The signatures of the requests, each once."""
        return tuple(dict.fromkeys(s.signature for s in self.skews))

    @property
    def ways(self) -> Sequence[str]:
        """Who answered, each once."""
        return tuple(dict.fromkeys(s.way for s in self.skews))

    def of(self, signature: str, way: str) -> SignatureSkew | None:
        """The answers to one signature in one way."""
        found = (s for s in self.skews if (s.signature, s.way) == (signature, way))
        return next(found, None)

    def failures(
        self, tolerance: float, required: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Says what lies outside the tolerance, one sentence each.

        Args:
            tolerance: the largest difference allowed.
            required: signatures that must be among the requests.
        """
        found = [
            f"`{name}`: no kept request asks for it"
            for name in sorted(set(required) - set(self.signatures))
        ]
        for skew in self.skews:
            name = f"`{skew.signature}` over {skew.way}"
            if skew.way == "SavedModel":
                name = f"`{skew.signature}` in the SavedModel"
            if skew.problem:
                found.append(f"{name}: {skew.problem}")
            elif not skew.within(tolerance):
                size = "not a number" if math.isinf(skew.largest) else skew.largest
                size = size if isinstance(size, str) else f"{size:.3g}"
                found.append(
                    f"{name}: off by {size}, {tolerance:.3g} is allowed; {skew.place}"
                )
        return tuple(found)
