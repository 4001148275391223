"""Searches, and writes what the Trainer and the report take."""

import pathlib
from typing import Any

from tfx import types
from tfx.components.tuner import executor as tfx_executor
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as tfx_keys
from tfx.utils import json_utils

from clickwright.components.hyperparameters import (
    read_hyperparameters,
    write_hyperparameters,
)
from clickwright.components.tuner import spec as keys
from clickwright.components.tuner.sections import by_section
from clickwright.components.tuner.trial_search import TrialSearch
from clickwright.models.training.tuned import TUNED


class Executor(tfx_executor.Executor):
    """TFX's executor of the Tuner, which hands on what it is given."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Searches, and writes the best values and all trials.

        Args:
            input_dict: `examples` and `transform_graph`, one artifact each; `given`,
                hyperparameters to hand on, one, none, or absent.
            output_dict: `best_hyperparameters` and `tuner_results`, one artifact each.
            exec_properties: as in TFX's `TunerSpec`.

        Raises:
            ClickwrightError: see `tuner_fn` and `TrialSearch.search`.
        """
        given = read_hyperparameters(input_dict.get(keys.GIVEN_KEY, []))
        config = json_utils.loads(exec_properties[tfx_keys.CUSTOM_CONFIG_KEY])
        content = json_utils.dumps({**config, "hyperparameters": given})
        found = tfx_executor.search(
            input_dict,
            {**exec_properties, tfx_keys.CUSTOM_CONFIG_KEY: content},
            self._get_tmp_dir(),
        )
        if not isinstance(found, TrialSearch):
            raise TypeError(f"`tuner_fn` must give a TrialSearch. Received: {found!r}")
        tfx_executor.write_best_hyperparameters(found, output_dict)
        best = output_dict[tfx_keys.BEST_HYPERPARAMETERS_KEY]
        result = found.result()
        tuned = by_section(result.best_trial.values)
        write_hyperparameters(
            best, {**read_hyperparameters(best), **given, TUNED: tuned}
        )
        results = output_dict[tfx_keys.TUNER_RESULTS_KEY]
        result.write(pathlib.Path(artifact_utils.get_single_uri(results)))
        found.discard()
