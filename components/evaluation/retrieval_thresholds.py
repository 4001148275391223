"""What a retrieval model must reach to be blessed."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Self

import pydantic

from clickwright.components.evaluation.thresholds import HigherIsBetter
from clickwright.models.metrics.ranking_metrics import NAMES
from clickwright.schemas.strict_yaml import StrictModel

CUTOFFS = (5, 10, 20)
"""Values of K that are always measured."""
MOST = 100
"""Largest K: an exported model gives so many items."""
_METRIC = re.compile(rf"({'|'.join(NAMES)})@([1-9][0-9]*)")


class RetrievalThresholds(StrictModel):
    """Rules by metric, `hr@K`, `ndcg@K`, `mrr@K` or `recall@K`.

    A metric that is not a number breaks any rule. With no rule at all nothing is
    blessed: that a model was never judged must not look like praise.
    """

    model_config = pydantic.ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, HigherIsBetter]

    @pydantic.model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.rules():
            found = _METRIC.fullmatch(name)
            if found is None or int(found[2]) > MOST:
                raise ValueError(
                    f"rules are for {', '.join(NAMES)} at a K of 1 to {MOST}, such as "
                    f"`ndcg@10`. Received: `{name}`"
                )
        return self

    def rules(self) -> dict[str, HigherIsBetter]:
        """Returns the rules that were given, by metric."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def compares(self) -> bool:
        """Whether a rule compares with the blessed model."""
        return any(rule.max_drop is not None for rule in self.rules().values())

    @property
    def cutoffs(self) -> Sequence[int]:
        """Values of K that are measured."""
        own = {int(name.partition("@")[2]) for name in self.rules()}
        return sorted({*CUTOFFS, *own})

    def failures(
        self,
        metrics: Mapping[str, float],
        baseline: Mapping[str, float] | None,
        split: str,
    ) -> tuple[str, ...]:
        """Says which rules are broken, one sentence for each.

        Args:
            metrics: of the model.
            baseline: of the blessed model, on the same rows; None where there is none.
            split: the rows' split.
        """
        broken = []
        for key, rule in self.rules().items():
            name, value = f"{split} {key}", metrics[key]
            if math.isnan(value):
                broken.append(f"{name} is not a number: no request could be ranked")
                continue
            if rule.min is not None and value < rule.min:
                broken.append(f"{name} {value:.6g} is below the floor {rule.min:.6g}")
            if rule.max is not None and value > rule.max:
                broken.append(f"{name} {value:.6g} is above the limit {rule.max:.6g}")
            if rule.max_drop is not None and baseline is not None:
                drop = baseline[key] - value
                if drop > rule.max_drop:
                    broken.append(
                        f"{name} lies {drop:.6g} below that of the blessed model; "
                        f"{rule.max_drop:.6g} is allowed"
                    )
        return tuple(broken)
