"""Which blessed model a new model has to beat."""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

MODEL_KEY = "model"
BASELINE_MODEL_KEY = "baseline_model"
BLESSING_KEY = "model_blessing"


class Champion(resolver.ResolverStrategy):
    """Resolves the model that was blessed last, the current model left out.

    TFX's own `LatestBlessedModelStrategy` gives the current model itself when a
    finished run is repeated: a model compared with itself, and an evaluation that is
    never taken from the cache. Here a repeated run resolves what the first one did.

    Use it in a `Resolver` with three channels: `model`, the current run's, and plain
    channels of all, `baseline_model` (`Model`) and `model_blessing`
    (`ModelBlessing`). The output `baseline_model` holds one artifact, or none.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns the current model, and the champion if there is one."""
        models = {model.id: model for model in input_dict[BASELINE_MODEL_KEY]}
        current = {model.id for model in input_dict[MODEL_KEY]}
        blessings = sorted(
            input_dict[BLESSING_KEY], key=lambda blessing: blessing.id, reverse=True
        )
        for blessing in blessings:
            judged = blessing.get_int_custom_property("current_model_id")
            blessed = blessing.get_int_custom_property("blessed") == 1
            if blessed and judged in models and judged not in current:
                return {
                    **input_dict,
                    BASELINE_MODEL_KEY: [models[judged]],
                    BLESSING_KEY: [blessing],
                }
        return {**input_dict, BASELINE_MODEL_KEY: [], BLESSING_KEY: []}
