"""Compressed tables in which no two ids share a vector."""

from typing import Any, Literal

from clickwright.models.layers.table_compression import TableCompression


class QuotientRemainder(TableCompression):
    """An id's vector is `R[id mod m] + Q[id div m]`, `m = ceil(V / collisions)`.

    A table of `V` ids keeps `m + ceil(V / m)` rows. The pair of rows is the id's own,
    so two ids have the same vector only by accident of the values. The sum, not the
    product that the paper prefers: tables start near zero and are drawn there by
    their penalty, where a product has next to no gradient.

    References:
        Shi et al., Compositional Embeddings Using Complementary Partitions for
        Memory-Efficient Recommendation Systems, KDD 2020 (arXiv 1909.02107).
    """

    kind: Literal["quotient_remainder"] = "quotient_remainder"

    @property
    def lookups(self) -> int:
        """The remainder's row and the quotient's."""
        return 2

    def kept_rows(self, rows: int) -> int:
        """`m + ceil(V / m)`."""
        remainders: int = self._shared_rows(rows)
        return remainders + -(-rows // remainders)

    def rows_of(self, ids: Any, tables: Any) -> list[Any]:
        """Remainders first, the quotients' rows behind them."""
        remainders = self._shared_rows(tables)  # [T]
        return [ids % remainders, remainders + ids // remainders]
