"""What a choice is expected to earn, for the doubly robust estimate."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickwright.experiments.off_policy.bandit_log import Codes, Floats
from clickwright.experiments.off_policy.table_policy import text

FOLDS = 5
_CELLS_AT_ONCE = 4_000_000


class RewardModel:
    """A regression on the context and the choice, each row predicted without itself.

    Logistic where all rewards are 0 or 1, else linear, with the least of penalties:
    the estimate is unbiased whatever it predicts, as the propensities are known. Rows
    of one unit are in one fold, so that no row is predicted by its unit's others.

    Args:
        reward: [N].
        action: [N] codes of the choices.
        actions: how many choices there are.
        context: N rows; text and whole numbers are names, other numbers are amounts.
        unit: [N] codes; None where each row is one.
        seed: deals the folds.
    """

    def __init__(
        self,
        reward: Floats,
        action: Codes,
        actions: int,
        context: pa.Table,
        unit: Codes | None,
        seed: int,
    ) -> None:
        self._reward, self._action, self._actions = reward, action, actions
        self._binary = bool(np.isin(reward, (0.0, 1.0)).all())
        self._context = _encoded(context)
        if unit is None:
            unit = np.arange(len(reward))
        _, codes = np.unique(unit, return_inverse=True)
        dealt = np.random.default_rng(seed).permutation(codes.max() + 1) % FOLDS
        self._fold: Codes = dealt[codes]

    def predict(self, context: Codes, probabilities: Floats) -> tuple[Floats, Floats]:
        """Predicts the logged choices, and the mean over a policy's choices.

        Args:
            context: [N] row of `probabilities` for each row of the log.
            probabilities: [contexts, actions] of the policy.

        Returns:
            Two arrays [N].
        """
        logged = np.empty(len(self._reward))
        target = np.empty(len(self._reward))
        rows_at_once = max(1, _CELLS_AT_ONCE // self._actions)
        for fold in np.unique(self._fold):
            of_context, of_action = self._fit(self._fold != fold)
            rows = np.flatnonzero(self._fold == fold)
            score = self._context[rows] @ of_context[:-1] + of_context[-1]
            logged[rows] = self._value(score + of_action[self._action[rows]])
            for first in range(0, len(rows), rows_at_once):
                part = slice(first, first + rows_at_once)
                values = self._value(score[part, None] + of_action)
                chance = probabilities[context[rows[part]]]
                target[rows[part]] = (values * chance).sum(axis=1)
        return logged, target

    def _fit(self, rows: Any) -> tuple[Floats, Floats]:
        """Coefficients of the context, the constant last, and of the choices."""
        import scipy.sparse
        from sklearn.linear_model import LogisticRegression, Ridge

        reward = self._reward[rows]
        width = self._context.shape[1]
        if len(np.unique(reward)) < 2:  # also where there is no row at all
            flat = float(reward.mean()) if len(reward) else 0.0
            constant = _logit(flat) if self._binary else flat
            return np.append(np.zeros(width), constant), np.zeros(self._actions)
        chosen = scipy.sparse.csr_matrix(
            (np.ones(len(self._action)), (np.arange(len(self._action)), self._action)),
            shape=(len(self._action), self._actions),
        )
        inputs = scipy.sparse.hstack([self._context, chosen]).tocsr()[rows]
        model = LogisticRegression(max_iter=1000) if self._binary else Ridge()
        model.fit(inputs, reward)
        weights = np.ravel(model.coef_)
        constant = float(np.ravel(model.intercept_)[0])
        return np.append(weights[:width], constant), weights[width:]

    def _value(self, score: Floats) -> Floats:
        if not self._binary:
            return score
        import scipy.special

        values: Floats = scipy.special.expit(score)
        return values


def _encoded(context: pa.Table) -> Any:
    """[N, columns] sparse: a column a name, amounts in standard units."""
    import scipy.sparse

    parts = [scipy.sparse.csr_matrix((context.num_rows, 0))]
    for name in context.column_names:
        values = context[name]
        if pa.types.is_floating(values.type):
            amount = np.nan_to_num(np.asarray(pc.fill_null(values, 0.0), np.float64))
            spread = float(amount.std()) or 1.0
            parts.append(scipy.sparse.csr_matrix((amount - amount.mean()) / spread).T)
            continue
        names = pc.fill_null(text(values), "")
        known = pc.unique(names)
        code = np.asarray(pc.index_in(names, value_set=known), np.int64)
        parts.append(
            scipy.sparse.csr_matrix(
                (np.ones(len(code)), (np.arange(len(code)), code)),
                shape=(len(code), len(known)),
            )
        )
    return scipy.sparse.hstack(parts).tocsr()


def _logit(chance: float) -> float:
    kept = min(max(chance, 1e-6), 1 - 1e-6)
    return float(np.log(kept / (1 - kept)))
