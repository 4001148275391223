"""P-values for several tests read together."""

from collections.abc import Sequence

import tea_tasting
import tea_tasting.experiment


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusts p-values so that one below `alpha` by chance among all is as rare.

    Holm's step-down procedure, right under any dependence between the tests.

    Args:
        p_values: one a test; None where there is none, which counts for nothing.

    Returns:
        The adjusted p-values, in the same order.
    """
    given = {
        str(index): {"pvalue": value}
        for index, value in enumerate(p_values)
        if value is not None
    }
    if not given:
        return list(p_values)
    adjusted = tea_tasting.adjust_fwer(
        tea_tasting.experiment.ExperimentResult(given),
        arbitrary_dependence=True,
        method="bonferroni",
    )
    found = adjusted["-"]
    return [
        None if value is None else float(found[str(index)]["pvalue_adj"])
        for index, value in enumerate(p_values)
    ]
