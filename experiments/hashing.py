"""From a salt and a unit to a bucket, and from a unit to its pseudonym.

References:
    GrowthBook, "Build your own SDK": FNV-1a with 32 bits over the UTF-16 code units of
    the text; version 1 has 1,000 buckets, version 2 hashes twice and has 10,000.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clickwright.schemas.experiment import BUCKETS

Scheme = Literal["clickwright", "growthbook_v1", "growthbook_v2"]
Buckets = npt.NDArray[np.int32]

_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193
_V1_BUCKETS = 1_000
_CHUNK = 1 << 16  # units that are hashed together: tens of MB


def bucket(scheme: Scheme, salt: str, unit: str) -> int:
    """Returns the bucket of a unit, from 0 to 9,999.

    Clickwright's scheme takes the first 8 bytes of the SHA-256 of the salt, a line
    break and the unit, as a big-endian integer modulo 10,000.

    Args:
        scheme: the hash; `growthbook_v1` reaches each tenth bucket alone.
        salt: another salt deals the units anew.
        unit: the id as the request has it, before any pseudonym.
    """
    match scheme:
        case "clickwright":
            return _sha256_bucket(f"{salt}\n{unit}")
        case "growthbook_v1":
            return _v1(unit + salt)
        case "growthbook_v2":
            return fnv1a32(str(fnv1a32(salt + unit))) % BUCKETS


def layer_bucket(scheme: Scheme, layer: str, unit: str) -> int:
    """Returns the bucket of a unit in a layer, from 0 to 9,999.

    It hangs on nothing of the experiment but the family of its scheme, so that the
    experiments of a layer agree on it, and it is independent of their own buckets.
    GrowthBook's schemes take GrowthBook's namespaces.
    """
    if scheme == "clickwright":
        return _sha256_bucket(f"layer\n{layer}\n{unit}")
    return _v1(f"{unit}__{layer}")


def buckets(scheme: Scheme, salt: str, units: Sequence[str]) -> Buckets:
    """Returns the `bucket` of each unit; shape [units]."""
    match scheme:
        case "clickwright":
            return _each(_sha256_bucket, (f"{salt}\n{unit}" for unit in units), units)
        case "growthbook_v1":
            return _in_chunks(lambda chunk: _v1_all(chunk, salt), units)
        case "growthbook_v2":
            return _in_chunks(lambda chunk: _v2_all(chunk, salt), units)


def layer_buckets(scheme: Scheme, layer: str, units: Sequence[str]) -> Buckets:
    """Returns the `layer_bucket` of each unit; shape [units]."""
    if scheme == "clickwright":
        texts = (f"layer\n{layer}\n{unit}" for unit in units)
        return _each(_sha256_bucket, texts, units)
    return _in_chunks(lambda chunk: _v1_all(chunk, f"__{layer}"), units)


def fnv1a32(text: str, state: int = _FNV_OFFSET) -> int:
    """Returns the FNV-1a hash of a text's UTF-16 code units; `state` goes on from one.

    A code unit is taken whole, as GrowthBook does, not byte by byte.
    """
    if not text.isascii():
        units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2")
        codes: Sequence[int] = units.tolist()
    else:
        codes = text.encode()
    for code in codes:
        state = (state ^ code) * _FNV_PRIME & 0xFFFFFFFF
    return state


def pseudonym(unit: str, secret: bytes) -> str:
    """Returns what stands in the log for a unit: HMAC-SHA256, 64 hexadecimal digits.

    Without the secret nobody can try out ids to find whose records these are; a plain
    hash of a phone number would be undone in minutes.
    """
    return hmac.new(secret, unit.encode(), hashlib.sha256).hexdigest()


def _sha256_bucket(text: str) -> int:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def _v1(text: str) -> int:
    return fnv1a32(text) % _V1_BUCKETS * (BUCKETS // _V1_BUCKETS)


def _each(
    of: Callable[[str], int], texts: Iterator[str], units: Sequence[str]
) -> Buckets:
    return np.fromiter((of(text) for text in texts), np.int32, count=len(units))


def _in_chunks(of: Callable[[Sequence[str]], Any], units: Sequence[str]) -> Buckets:
    """Hashes so many at a time that their code units fit the memory."""
    parts = [
        of(units[start : start + _CHUNK]) for start in range(0, len(units), _CHUNK)
    ]
    return np.concatenate([np.empty(0, np.int32), *parts]).astype(np.int32)


def _v1_all(units: Sequence[str], salt: str) -> npt.NDArray[np.uint32]:
    states = _fnv1a32_all(units, _FNV_OFFSET)
    for code in np.frombuffer(salt.encode("utf-16-le"), "<u2").astype(np.uint32):
        states = (states ^ code) * np.uint32(_FNV_PRIME)
    return states % np.uint32(_V1_BUCKETS) * np.uint32(BUCKETS // _V1_BUCKETS)


def _v2_all(units: Sequence[str], salt: str) -> npt.NDArray[np.uint32]:
    inner = _fnv1a32_all(units, fnv1a32(salt))
    digits = inner.astype(np.str_).tolist()
    return _fnv1a32_all(digits, _FNV_OFFSET) % np.uint32(BUCKETS)


def _fnv1a32_all(texts: Sequence[str], state: int) -> npt.NDArray[np.uint32]:
    """`fnv1a32` of each text, one code unit of all texts at a time."""
    encoded = [text.encode("utf-16-le", "surrogatepass") for text in texts]
    lengths = np.fromiter(map(len, encoded), np.int64, count=len(encoded)) // 2
    longest = int(lengths.max(initial=0))
    # The padding is never read: a finished text keeps its state.
    padded = b"".join(text.ljust(2 * longest, b"\0") for text in encoded)
    codes = np.frombuffer(padded, "<u2").reshape(len(encoded), longest)
    states = np.full(len(encoded), state, np.uint32)
    for position in range(longest):
        mixed = (states ^ codes[:, position]) * np.uint32(_FNV_PRIME)
        states = np.where(position < lengths, mixed, states)
    return states
