"""A policy as a table of probabilities."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.off_policy.bandit_log import Codes, Floats
from clickwright.schemas.errors import DataError

ACTION, PROBABILITY = "action", "probability"
_SUM_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class TablePolicy:
    """How likely each choice is, by the context or whatever the context.

    Attributes:
        keys: columns of the log that the policy looks at; none: it looks at nothing.
        contexts: the values of these columns, as text, one tuple a row of the table.
        actions: the choices, as text.
        probabilities: [contexts, actions], each row with the sum 1.
    """

    keys: tuple[str, ...]
    contexts: tuple[tuple[str, ...], ...]
    actions: tuple[str, ...]
    probabilities: Floats

    @classmethod
    def uniform(cls, actions: Sequence[str]) -> Self:
        """Every choice with the same probability."""
        even = np.full((1, len(actions)), 1.0 / len(actions))
        return cls((), ((),), tuple(actions), even)

    @classmethod
    def of_choices(cls, action: pa.Array, context: pa.Table) -> Self:
        """The policy that made these choices, as its frequencies show it.

        Args:
            action: [N] the choices.
            context: N rows; the columns that the policy is to be told apart by.
        """
        counts = (
            pa.table({**_columns(context), ACTION: text(action)})
            .group_by([*context.column_names, ACTION])
            .aggregate([([], "count_all")])
        )
        total = counts.group_by(context.column_names).aggregate([("count_all", "sum")])
        if context.column_names:
            counts = counts.join(total, context.column_names)
            sums = counts["count_all_sum"]
        else:
            sums = total["count_all_sum"][0]
        share = pc.divide(pc.cast(counts["count_all"], pa.float64()), sums)
        table = counts.select([*context.column_names, ACTION])
        return cls.of_table(table.append_column(PROBABILITY, share), "the choices")

    @classmethod
    def of_table(cls, table: pa.Table, where: str) -> Self:
        """Reads a policy: the columns `action`, `probability`, and those it looks at.

        A choice that a context does not name has the probability 0 there.

        Raises:
            DataError: a column is missing, a choice stands twice, a value is absent, or
                the probabilities of a context do not add up to 1.
        """
        for name in (ACTION, PROBABILITY):
            if name not in table.column_names:
                raise DataError(
                    f"The column `{name}` is missing. Received: "
                    f"{', '.join(table.column_names)}.",
                    where=where,
                    fix="give `action`, `probability`, and the columns of the log that "
                    "the policy looks at",
                )
        keys = tuple(n for n in table.column_names if n not in (ACTION, PROBABILITY))
        rows = list(zip(*(text(table[key]).to_pylist() for key in keys), strict=True))
        rows = rows or [()] * table.num_rows
        action = text(table[ACTION]).to_pylist()
        try:
            chance = pc.cast(table[PROBABILITY], pa.float64()).to_numpy()
        except pa.ArrowException as error:
            raise DataError(
                f"`{PROBABILITY}` must be numbers: {error}.", where=where
            ) from error
        good = (chance >= 0) & (chance <= 1 + _SUM_TOLERANCE)
        if not good.all() or any(None in row for row in [*rows, tuple(action)]):
            raise DataError(
                "Every row needs a choice, its context and a probability from 0 to 1.",
                where=where,
                fix="fill or remove the rows that lack one",
            )
        contexts = {row: code for code, row in enumerate(dict.fromkeys(rows))}
        actions = {name: code for code, name in enumerate(dict.fromkeys(action))}
        places = [(contexts[r], actions[a]) for r, a in zip(rows, action, strict=True)]
        if len(set(places)) < len(places):
            raise DataError(
                "A choice stands twice in one context.",
                where=where,
                fix="keep one probability for each choice and context",
            )
        dense = np.zeros((len(contexts), len(actions)))
        for place, value in zip(places, chance, strict=True):
            dense[place] = value
        sums = dense.sum(axis=1)
        if not len(sums) or abs(sums - 1).max() > _SUM_TOLERANCE:
            worst = int(abs(sums - 1).argmax()) if len(sums) else 0
            shown = dict(zip(keys, list(contexts)[worst], strict=True)) if keys else ""
            raise DataError(
                "The probabilities of a context must add up to 1. Received: "
                f"{sums[worst] if len(sums) else 0:.6g} {shown}".rstrip()
                + ".",
                where=where,
                fix="give every choice that the policy makes",
            )
        return cls(keys, tuple(contexts), tuple(actions), dense)

    def context_codes(self, context: pa.Table, where: str) -> Codes:
        """[N] the row of `probabilities` for each row of the log.

        Raises:
            DataError: the log lacks a column that the policy looks at, or has a context
                that the policy does not know.
        """
        if not self.keys:
            return np.zeros(context.num_rows, np.int64)
        code = _joined(context, self.keys, self.contexts, where)
        if (code < 0).any():
            row = int(np.argmax(code < 0))
            shown = {key: context[key][row].as_py() for key in self.keys}
            raise DataError(
                f"The policy does not say what it does in the context {shown} (row "
                f"{row + 1}). It knows {len(self.contexts):,} contexts.",
                where=where,
                fix="add the context to the policy, or leave its rows out of the log",
            )
        return code


def text(values: pa.Array | pa.ChunkedArray) -> Any:
    """The values as text, so that the 3 of a CSV is the 3 of a Parquet file."""
    return pc.cast(values, pa.string())


def codes_of(values: Any, known: Sequence[str]) -> Codes:
    """[N] the place of each text among the known ones; -1 where it is not there."""
    found = pc.index_in(values, value_set=pa.array(known, pa.string()))
    return np.asarray(pc.fill_null(found, -1), dtype=np.int64)


def _columns(table: pa.Table) -> dict[str, Any]:
    return {name: text(table[name]) for name in table.column_names}


def _joined(
    context: pa.Table,
    keys: Sequence[str],
    contexts: Sequence[tuple[str, ...]],
    where: str,
) -> Codes:
    """The place of each row's context among those known, -1 for others."""
    code = np.zeros(context.num_rows, np.int64)
    place = np.zeros(len(contexts), np.int64)
    for at, key in enumerate(keys):
        if key not in context.column_names:
            raise DataError(
                f"The policy looks at `{key}`, which the log lacks.",
                where=where,
                fix="log it, or give a policy that does not look at it",
            )
        own = pa.array([row[at] for row in contexts], pa.string())
        values = own.unique().to_pylist()
        of_row = codes_of(text(context[key]), values)
        place = place * len(values) + codes_of(own, values)
        code = np.where((code < 0) | (of_row < 0), -1, code * len(values) + of_row)
    order = np.argsort(place)
    spot = np.minimum(np.searchsorted(place, code, sorter=order), len(place) - 1)
    found = order[spot]
    return np.where((code >= 0) & (place[found] == code), found, -1)
