"""Which blessed model a new model has to beat."""

from collections.abc import Iterator

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

MODEL_KEY = "model"
BASELINE_MODEL_KEY = "baseline_model"
BLESSING_KEY = "model_blessing"
INFRA_BLESSING_KEY = "infra_blessing"


class Champion(resolver.ResolverStrategy):
    """Resolves the model that was blessed last, the current model left out.

    One that failed in the model server is no champion, however good its metrics: it was
    never published, and a new model need not be as slow.

    TFX's own `LatestBlessedModelStrategy` gives the current model itself when a
    finished run is repeated: a model compared with itself, and an evaluation that is
    never taken from the cache. Here a repeated run resolves what the first one did.

    Use it in a `Resolver` with four channels: `model`, the current run's, and plain
    channels of all, `baseline_model` (`Model`), `model_blessing` (`ModelBlessing`) and
    `infra_blessing` (`InfraBlessing`, which may be left out). The output
    `baseline_model` holds one artifact, or none.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns the current model, and the champion if there is one."""
        current = {model.id for model in input_dict[MODEL_KEY]}
        for model, blessing in newest_blessed(
            input_dict[BASELINE_MODEL_KEY],
            input_dict[BLESSING_KEY],
            input_dict.get(INFRA_BLESSING_KEY, []),
        ):
            if model.id not in current:
                return _resolved(input_dict, [model], [blessing])
        return _resolved(input_dict, [], [])


def newest_blessed(
    models: list[types.Artifact],
    blessings: list[types.Artifact],
    infra_blessings: list[types.Artifact],
) -> Iterator[tuple[types.Artifact, types.Artifact]]:
    """Models that were blessed and did not fail in a server, the latest blessed first.

    Args:
        models: artifacts of type `Model`.
        blessings: artifacts of type `ModelBlessing`.
        infra_blessings: artifacts of type `InfraBlessing`.

    Yields:
        Each such model, with its blessing.
    """
    known = {model.id: model for model in models}
    served = {
        blessing.get_int_custom_property("current_model_id"): (
            blessing.get_int_custom_property("blessed") == 1
        )
        for blessing in _oldest_first(infra_blessings)
    }
    for blessing in reversed(_oldest_first(blessings)):
        judged = blessing.get_int_custom_property("current_model_id")
        blessed = blessing.get_int_custom_property("blessed") == 1
        if blessed and served.get(judged, True) and judged in known:
            yield known[judged], blessing


def _oldest_first(blessings: list[types.Artifact]) -> list[types.Artifact]:
    return sorted(blessings, key=lambda blessing: blessing.id)


def _resolved(
    input_dict: dict[str, list[types.Artifact]],
    models: list[types.Artifact],
    blessings: list[types.Artifact],
) -> dict[str, list[types.Artifact]]:
    found = {**input_dict, BASELINE_MODEL_KEY: models, BLESSING_KEY: blessings}
    if INFRA_BLESSING_KEY in found:
        found[INFRA_BLESSING_KEY] = []
    return found
