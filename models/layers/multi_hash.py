"""Compressed tables in which an id takes several rows by hashing."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from clickwright.models.layers.table_compression import TableCompression

_GOLDEN = 0x9E3779B9
"""2 ** 32 over the golden ratio: its multiples differ in all of their bits."""


class MultiHash(TableCompression):
    """An id's vector is `sum_k T[h_k(id)]`, `T` of `ceil(V / collisions)` rows.

    Two ids collide in one row often, in all `hashes` rows with a chance of about
    `1 / rows ** hashes`. These are hash embeddings without their weights an id, which
    would cost `hashes` values for every id. The functions are one 32-bit mixer
    (lowbias32) with a seed each, the same on every machine and backend.

    References:
        Svenstrup et al., Hash Embeddings for Efficient Word Representations, NeurIPS
        2017 (arXiv 1709.03933).
    """

    kind: Literal["multi_hash"] = "multi_hash"
    hashes: Annotated[int, Field(ge=2, le=8)] = 2
    """Hash functions, so rows a vector is the sum of (the paper's k)."""

    @property
    def lookups(self) -> int:
        """One row a hash function."""
        return self.hashes

    def kept_rows(self, rows: int) -> int:
        """`ceil(V / collisions)`."""
        kept: int = self._shared_rows(rows)
        return kept

    def rows_of(self, ids: Any, tables: Any) -> list[Any]:
        """The hashes, modulo the table's rows."""
        kept = self._shared_rows(tables)  # [T]
        return [_mixed(ids ^ _int32(_GOLDEN * k)) % kept for k in range(self.hashes)]


def _mixed(x: Any) -> Any:
    """Int32 arithmetic that overflows on purpose: as on the bits of an uint32."""
    x = (x ^ _shifted(x, 16)) * _int32(0x7FEB352D)
    x = (x ^ _shifted(x, 15)) * _int32(0x846CA68B)
    return x ^ _shifted(x, 16)


def _shifted(x: Any, bits: int) -> Any:
    """The bits shifted right, with zeros behind them whatever the sign."""
    return (x // (1 << bits)) % (1 << (32 - bits))


def _int32(bits: int) -> int:
    """The number that the lower 32 bits are as an int32."""
    return int(np.uint32(bits & 0xFFFFFFFF).astype(np.int32))
