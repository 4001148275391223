"""Choices in columns of a table."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.off_policy.bandit_log import BanditLog, Floats
from clickwright.experiments.off_policy.reward_model import RewardModel
from clickwright.experiments.off_policy.table_policy import (
    TablePolicy,
    codes_of,
    text,
)
from clickwright.schemas.errors import DataError, did_you_mean


@dataclasses.dataclass(frozen=True)
class DecisionLog:
    """A table of choices, and what its columns mean.

    Attributes:
        table: one row a choice.
        action: column of what was chosen.
        reward: column of what it earned.
        propensity: column of the probability with which it was chosen.
        unit: column of the unit, whose choices are drawn together; None: there is none.
        context: columns that the reward model looks at, beside those of the policy.
        where: names the table in messages.
    """

    table: pa.Table
    action: str = "action"
    reward: str = "reward"
    propensity: str = "propensity"
    unit: str | None = None
    context: tuple[str, ...] = ()
    where: str = "the log"

    def actions(self) -> tuple[str, ...]:
        """The choices in the log, as text, in order."""
        values = self._column(self.action)
        return tuple(sorted(pc.unique(text(values)).to_pylist()))

    def seen_by(self, policy: TablePolicy, *, seed: int = 0) -> BanditLog:
        """The log as a policy of a table sees it, with a reward model fitted to it.

        Args:
            policy: the new policy.
            seed: deals the folds of the reward model.

        Raises:
            DataError: a column is missing or holds something else, or the policy does
                not know a context.
        """
        reward, propensity = self._numbers(self.reward), self._numbers(self.propensity)
        # Before all else: a model cannot be fitted to what is no number.
        unit = self._units()
        BanditLog(reward, propensity, np.zeros_like(reward), unit).check(self.where)
        logged = self.actions()
        every = (*logged, *(a for a in policy.actions if a not in set(logged)))
        action = codes_of(text(self._column(self.action)), every)
        place = codes_of(pa.array(policy.actions, pa.string()), every)
        chances = np.zeros((len(policy.contexts), len(every)))
        chances[:, place] = policy.probabilities
        code = policy.context_codes(self.table, self.where)
        context = self.table.select(dict.fromkeys((*policy.keys, *self._contexts())))
        model = RewardModel(reward, action, len(every), context, unit, seed)
        predicted, predicted_target = model.predict(code, chances)
        missing = chances[:, len(logged) :].sum(axis=1)
        return BanditLog(
            reward,
            propensity,
            chances[code, action],
            unit,
            predicted,
            predicted_target,
            unsupported=float(missing[code].mean()),
        )

    def seen_by_column(self, target: str) -> BanditLog:
        """The log with the new policy's probability of each logged choice in a column.

        What the policy does otherwise is not known: there is no doubly robust estimate.

        Raises:
            DataError: a column is missing or holds something else.
        """
        return BanditLog(
            self._numbers(self.reward),
            self._numbers(self.propensity),
            self._numbers(target),
            self._units(),
        )

    def _contexts(self) -> tuple[str, ...]:
        for name in self.context:
            self._column(name)
        return self.context

    def _units(self) -> np.ndarray | None:
        if self.unit is None:
            return None
        values = self._column(self.unit).combine_chunks()
        return np.asarray(values.dictionary_encode().indices, np.int64)

    def _numbers(self, name: str) -> Floats:
        try:
            values = pc.cast(self._column(name), pa.float64())
        except (pa.ArrowException, NotImplementedError) as error:
            raise DataError(
                f"`{name}` must be numbers. {error}",
                where=self.where,
                fix="name the right column",
            ) from error
        return np.array(values, np.float64)

    def _column(self, name: str) -> pa.ChunkedArray:
        known = self.table.column_names
        if name not in known:
            raise DataError(
                f"The log has no column `{name}`.{did_you_mean(name, known)} "
                f"Received: {', '.join(known)}.",
                where=self.where,
                fix="name the column with its option, or add it",
            )
        column = self.table[name]
        if column.null_count:
            raise DataError(
                f"`{name}` is absent in {column.null_count:,} of {len(column):,} rows.",
                where=self.where,
                fix="leave these rows out, or fill them",
            )
        return column
