"""AUC within groups."""

import numpy as np

from clickwright.components.evaluation.metrics.ranking import group_aucs
from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows


class GAUC(RowMetric):
    """Mean of the AUC within each group, weighted by the group's impressions.

    GAUC = sum_g w_g AUC_g / sum_g w_g, with w_g the weight of all rows of group g.
    Groups that hold one kind of label only have no AUC: they are skipped, and counted.
    `<name>_groups_used` and `<name>_groups_skipped` come with it.

    Args:
        group_key: feature whose rows are ranked against each other, mostly the user.
            Strings are hashed to 63 bits.
        name: key of the metric.

    References:
        Zhu et al., Optimized Cost per Click in Taobao Display Advertising (KDD 2017).
    """

    def __init__(self, group_key: str, name: str = "gauc") -> None:
        super().__init__(
            name, more_names=("groups_used", "groups_skipped"), group_key=group_key
        )

    def values(self, rows: ScoredRows) -> tuple[float, float, float]:
        """Returns GAUC, the number of groups used and of those skipped."""
        if not rows.usable:
            return np.nan, np.nan, np.nan
        groups = group_aucs(rows)
        used = ~np.isnan(groups.auc)
        if not used.any():
            return np.nan, 0.0, float(len(used))
        gauc = np.average(groups.auc[used], weights=groups.weight[used])
        return float(gauc), float(used.sum()), float((~used).sum())
