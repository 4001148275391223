"""The policy that a scoring model makes."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from clickwright.experiments.off_policy.bandit_log import Codes, Floats
from clickwright.schemas.strict_yaml import StrictModel


class ScorePolicy(StrictModel):
    """How scores of candidates become the choice of one of them."""

    kind: Literal["greedy", "softmax"] = "greedy"
    """`greedy` takes the highest score, equal ones evenly; `softmax` takes each with a
    probability in proportion to exp(score / temperature)."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    epsilon: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """With this probability any candidate is taken, all alike."""

    def probabilities(self, scores: Floats, decision: Codes) -> Floats:
        """How likely each candidate is to be taken.

        Args:
            scores: [N] of the candidates.
            decision: [N] codes from 0; candidates with one code are chosen among.

        Returns:
            [N], with the sum 1 in each decision.
        """
        decisions = int(decision.max()) + 1
        highest = np.full(decisions, -np.inf)
        np.maximum.at(highest, decision, scores)
        below = scores - highest[decision]
        raw: Any = below == 0
        if self.kind == "softmax":
            raw = np.exp(below / self.temperature)
        total = np.bincount(decision, raw, decisions)
        size = np.bincount(decision, minlength=decisions)
        found: Floats = (1 - self.epsilon) * raw / total[decision]
        return found + self.epsilon / size[decision]
