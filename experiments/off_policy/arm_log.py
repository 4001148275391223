"""The arms of an experiment as choices: what another way of giving them would earn."""

import numpy as np
import pyarrow as pa

from clickwright.experiments.off_policy.decision_log import DecisionLog
from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.experiment import Experiment


def arm_log(
    units: pa.Table, experiment: Experiment, reward: str, where: str
) -> DecisionLog:
    """Takes each unit of an experiment as one choice, of its arm.

    The assignment is random, so a policy that gives arms by the experiment's slices
    (the new model on phones only) can be judged before it is tried.

    Args:
        units: one row a unit, as from `unit_table`.
        experiment: says how likely each arm was, and which slices there are.
        reward: the outcome to sum up over a unit, such as `click`.
        where: names the log in messages.

    Raises:
        ConfigError: the experiment has no such outcome.
    """
    known = (*experiment.outcomes, "exposures")
    if reward not in known:
        raise ConfigError(
            f"The experiment has no outcome `{reward}`.{did_you_mean(reward, known)} "
            f"Known: {', '.join(known)}.",
            where=where,
            fix="name the outcome with --reward",
        )
    chance = {name: arm.weight for name, arm in experiment.arms.items()}
    variant = units["variant"].to_pylist()
    slices = list(experiment.slices)
    table = pa.table(
        {
            "action": units["variant"],
            "reward": units[reward].cast(pa.float64()),
            "propensity": np.array([chance[name] for name in variant], float),
            **{name: units[name].fill_null("") for name in slices},
        }
    )
    return DecisionLog(table, context=tuple(slices), where=where)
