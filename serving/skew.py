"""Whether a model answers as it did: kept requests, sent again."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictLog

from clickwright.schemas.errors import DataError
from clickwright.schemas.prediction_logs import read_logs
from clickwright.serving.scorer import Array, Scorer, ScoringError
from clickwright.serving.skew_report import SignatureSkew, SkewReport

_RANKED = {"items", "scores"}
"""Outputs of `top_k`: items best first, and their scores."""


def skew(requests: pathlib.Path, scorers: Mapping[str, Scorer]) -> SkewReport:
    """Sends kept requests again and compares the answers with the kept ones.

    The golden file of a model holds the answers of its training graph, so that this
    proves that the model is served as it was trained. A log of requests with their
    answers shows in the same way whether another version or server answers alike.

    Args:
        requests: a file of prediction logs.
        scorers: who answers, by the name that the report calls them.

    Returns:
        The largest difference of each signature and scorer.

    Raises:
        DataError: the file is damaged or holds no request of Predict.
    """
    tallies: dict[tuple[str, str], _Tally] = {}
    skipped = 0
    for number, log in enumerate(read_logs(requests), 1):
        if not log.HasField("predict_log"):
            skipped += 1
            continue
        spec = log.predict_log.request.model_spec
        signature = spec.signature_name or "serving_default"
        for way, scorer in scorers.items():
            tally = tallies.setdefault((signature, way), _Tally(signature, way))
            tally.add(number, log.predict_log, scorer)
    if not tallies:
        raise DataError(
            f"No request of Predict is kept there; {skipped} of other kinds are.",
            where=str(requests),
            fix="give the golden file of an exported model, or a log of Predict",
        )
    return SkewReport(tuple(tally.result() for tally in tallies.values()), skipped)


@dataclasses.dataclass
class _Tally:
    """What is known so far of one signature, answered in one way."""

    signature: str
    way: str
    requests: int = 0
    rows: int = 0
    largest: float = 0.0
    place: str = ""
    problem: str = ""

    def add(self, number: int, log: PredictLog, scorer: Scorer) -> None:
        """Sends one request and compares the answer."""
        kept = {k: tf.make_ndarray(t) for k, t in log.response.outputs.items()}
        try:
            found = scorer(log.request)
            if list(found) == [""] and len(kept) == 1:
                found = {next(iter(kept)): found[""]}
            differences = list(_differences(kept, found))
        except ScoringError as error:
            self.problem = self.problem or f"request {number}: {error}"
            return
        self.requests += 1
        self.rows += max((len(x) for x in kept.values() if x.ndim), default=0)
        for size, place in differences:
            if size > self.largest:
                self.largest, self.place = size, f"request {number}, {place}"

    def result(self) -> SignatureSkew:
        """The whole."""
        return SignatureSkew(**dataclasses.asdict(self))


def _differences(
    kept: Mapping[str, Array], found: Mapping[str, Array]
) -> Iterator[tuple[float, str]]:
    """The largest difference of each output, and where it is.

    Raises:
        ScoringError: an output is absent, or of another shape or type.
    """
    for name, values in kept.items():
        if name not in found:
            given = ", ".join(f"`{n}`" for n in sorted(found)) or "none"
            raise ScoringError(f"the answer has no output `{name}`, but {given}")
        if found[name].shape != values.shape:
            raise ScoringError(
                f"`{name}` has the shape {list(found[name].shape)} instead of "
                f"{list(values.shape)}"
            )
        numeric = values.dtype.kind in "fiub"
        if numeric != (found[name].dtype.kind in "fiub"):
            raise ScoringError(
                f"`{name}` holds {found[name].dtype} instead of {values.dtype}"
            )
    if set(kept) == _RANKED and kept["items"].shape == kept["scores"].shape:
        yield from _ranked_differences(kept, found)
        return
    for name, values in kept.items():
        yield _largest(name, values, _difference(values, found[name]), found[name])


def _difference(kept: Array, found: Array) -> Array:
    """Difference of each value; values that are no floats are equal or not."""
    if kept.dtype.kind != "f":
        return np.where(kept == found, 0.0, np.inf)
    a, b = kept.astype(np.float64), found.astype(kept.dtype).astype(np.float64)
    with np.errstate(invalid="ignore"):
        size = np.abs(a - b) / np.maximum(1.0, np.abs(a))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isfinite(size), size, np.inf))


def _largest(name: str, kept: Array, sizes: Array, found: Array) -> tuple[float, str]:
    if not sizes.size:
        return 0.0, ""
    at = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
    index = ", ".join(str(i) for i in at)
    place = f"{name}[{index}]: {_shown(found[at])} instead of {_shown(kept[at])}"
    return float(sizes[at]), place


def _shown(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, np.floating) else repr(value)


def _ranked_differences(
    kept: Mapping[str, Array], found: Mapping[str, Array]
) -> Iterator[tuple[float, str]]:
    """Compares lists of the best items.

    Items with almost equal scores may change places, or the last one with the first
    that is left out. So items are compared by their score, and one that a list lacks by
    how far its score is above that list's last. Places with the score minus infinity
    stand for nothing.
    """
    sizes = _difference(kept["scores"], found["scores"])
    yield _largest("scores", kept["scores"], sizes, found["scores"])
    for row in range(len(kept["items"])):
        lists = []
        for answer in (kept, found):
            scores = answer["scores"][row].astype(np.float64)
            pairs = zip(answer["items"][row].tolist(), scores.tolist(), strict=True)
            lists.append({item: s for item, s in pairs if s != -np.inf})
        for one, other in (lists, lists[::-1]):
            # Where places are left over, all items are there: none may be lacking.
            full = len(other) == kept["items"].shape[1]
            last = min(other.values()) if full else -np.inf
            for item, score in one.items():
                size = max(0.0, score - last)
                if item in other:
                    size = abs(score - other[item])
                size /= max(1.0, abs(score))
                if not np.isfinite(size):
                    size = np.inf
                place = "among the kept items alone"
                if item in other:
                    place = "its score"
                elif one is lists[1]:
                    place = "among the found items alone"
                yield size, f"items[{row}], {item!r}: {place}"
