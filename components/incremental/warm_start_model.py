"""Which model a run goes on from."""

import pathlib

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from clickwright.components.evaluation.champion import (
    BLESSING_KEY,
    INFRA_BLESSING_KEY,
    newest_blessed,
)
from clickwright.models.training.training_state import read_manifest, state_folder
from clickwright.schemas.errors import DataError

BASE_MODEL_KEY = "base_model"


class WarmStartModel(resolver.ResolverStrategy):
    """Resolves the latest blessed model of the span that a run goes on from.

    Which span that is was decided when the rows were chosen: the run holds those that
    a model of this span has not seen. Any other model has seen some of them, or lacks
    some that are not read again.

    Use it in a `Resolver` with plain channels: `base_model` (`Model`),
    `model_blessing` (`ModelBlessing`) and `infra_blessing` (`InfraBlessing`). The
    output `base_model` holds one artifact.

    Args:
        span: the number of the span.
    """

    def __init__(self, span: int) -> None:
        self._span = span

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns the model.

        Raises:
            DataError: there is none of that span, or its files are gone.
        """
        for model, blessing in newest_blessed(
            input_dict[BASE_MODEL_KEY],
            input_dict[BLESSING_KEY],
            input_dict.get(INFRA_BLESSING_KEY, []),
        ):
            if not pathlib.Path(model.uri).is_dir():
                continue
            if read_manifest(state_folder(model.uri)).span == self._span:
                found = {
                    **input_dict,
                    BASE_MODEL_KEY: [model],
                    BLESSING_KEY: [blessing],
                }
                if INFRA_BLESSING_KEY in found:
                    found[INFRA_BLESSING_KEY] = []
                return found
        raise DataError(
            f"There is no blessed model of the span {self._span}, which this run was to "
            "go on from.",
            where="the output folder's metadata",
            fix="run that span again, or set `incremental.warm_start: false` for one run",
        )
