"""Which values are tried next: Keras Tuner's algorithms, with rules of our own.

The first trial has the configured values. Values that do not fit together are never
tried. A Gaussian process that proposes what was tried before gives way to chance.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine import trial as trial_module
from sklearn.exceptions import ConvergenceWarning

from clickwright.components.tuner.params import TunerParams
from clickwright.schemas.errors import ConfigError

_DRAWS = 1000
"""Random draws before the values are said not to fit together."""
OBJECTIVE = "score"
"""Name that Keras Tuner has for what is compared."""

Accept = Callable[[Mapping[str, Any]], bool]


class _Fitting(keras_tuner.Oracle):
    """Random values that fit together, after those of the configuration."""

    accept: Accept

    def _random_values(self) -> dict[str, Any] | None:
        if not self.trials:
            return {hp.name: hp.default for hp in self.hyperparameters.space}
        for _ in range(_DRAWS):
            values: dict[str, Any] | None = super()._random_values()
            if values is None or self.accept(values):
                return values
        raise ConfigError(
            f"None of {_DRAWS:,} random choices of values fit together.",
            where="tuner.space",
            fix="leave out values that the model refuses beside the others, such as "
            "`heads` that do not divide a width",
        )


class _Random(_Fitting, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Hyperband(_Fitting, keras_tuner.oracles.HyperbandOracle):
    pass


class _Bayesian(_Fitting, keras_tuner.oracles.BayesianOptimizationOracle):
    def populate_space(self, trial_id: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            # Few trials leave the length of the kernel open; it is bounded.
            warnings.simplefilter("ignore", ConvergenceWarning)
            response: dict[str, Any] = super().populate_space(trial_id)
        values = response["values"]
        if response["status"] == trial_module.TrialStatus.RUNNING and (
            self._duplicate(values) or not self.accept(values)
        ):
            response = self._random_populate_space()
        return response


def make_oracle(
    params: TunerParams,
    space: keras_tuner.HyperParameters,
    accept: Accept,
    *,
    direction: str,
    seed: int,
    epochs: int,
) -> keras_tuner.Oracle:
    """What chooses the values of trials.

    Args:
        params: the search's.
        space: what to search; defaults are the configured values.
        accept: whether values fit together.
        direction: `max` or `min`: which scores are better.
        seed: of the choices.
        epochs: most epochs of a trial.
    """
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, direction),
        "hyperparameters": space,
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": seed + 1,  # Keras Tuner takes 0 for none
        # The search counts failures itself, and tells the first one.
        "max_consecutive_failed_trials": params.trials + 1,
    }
    oracle: keras_tuner.Oracle
    if params.algorithm == "random":
        oracle = _Random(max_trials=params.trials, **common)
    elif params.algorithm == "bayesian":
        # Keras Tuner's own is three times the parameters: often all trials.
        first = max(3, min(2 * len(space.space), params.trials // 3))
        oracle = _Bayesian(max_trials=params.trials, num_initial_points=first, **common)
    else:
        oracle = _Hyperband(max_epochs=epochs, hyperband_iterations=None, **common)
        oracle.max_trials = params.trials
    oracle.accept = accept
    oracle.verbose = 0
    return oracle
