"""Training goes on from the model whose unseen rows the run reads."""

import pathlib

import pytest
from tfx import types
from tfx.types import standard_artifacts

from clickwright.components.incremental.warm_start_model import WarmStartModel
from clickwright.models.training.training_state import TrainingState, state_folder
from clickwright.models.training.training_state_manifest import TrainingStateManifest
from clickwright.schemas.errors import DataError


def model(folder: pathlib.Path, number: int, span: int | None) -> types.Artifact:
    """A model of a span; one without files where there is none."""
    artifact = standard_artifacts.Model()
    artifact.id, artifact.uri = number, str(folder / str(number))
    if span is not None:
        manifest = TrainingStateManifest(
            model="deepfm",
            params={},
            spec="tiny",
            spec_sha256="0" * 64,
            optimizer="adam",
            steps=1,
            rows=1,
            span=span,
            vocabularies={},
            variables=(),
            slots=(),
        )
        TrainingState(manifest, {}, (), {}).save(state_folder(artifact.uri))
    return artifact


def blessings(
    kind: type[types.Artifact], judged: dict[int, bool]
) -> list[types.Artifact]:
    found = []
    for number, (current, blessed) in enumerate(judged.items()):
        artifact = kind()
        artifact.id = number
        artifact.set_int_custom_property("current_model_id", current)
        artifact.set_int_custom_property("blessed", int(blessed))
        found.append(artifact)
    return found


def resolved(
    models: list[types.Artifact],
    span: int,
    blessed: dict[int, bool],
    served: dict[int, bool] | None = None,
) -> list[int]:
    found = WarmStartModel(span=span).resolve_artifacts(
        None,
        {
            "base_model": models,
            "model_blessing": blessings(standard_artifacts.ModelBlessing, blessed),
            "infra_blessing": blessings(standard_artifacts.InfraBlessing, served or {}),
        },
    )
    return [artifact.id for artifact in found["base_model"]]


def test_it_is_the_latest_blessed_model_of_the_span(tmp_path: pathlib.Path) -> None:
    models = [
        model(tmp_path, number, span)
        for number, span in ((1, 6), (2, 7), (3, 7), (4, 8), (5, None))
    ]
    blessed = dict.fromkeys((1, 2, 3, 4, 5), True)
    assert resolved(models, 7, blessed) == [3]
    assert resolved(models, 7, {**blessed, 3: False}) == [2]
    assert resolved(models, 7, blessed, {3: False}) == [2]
    assert resolved(models, 8, blessed) == [4]


def test_no_other_model_takes_its_place(tmp_path: pathlib.Path) -> None:
    models = [model(tmp_path, 1, 6)]
    with pytest.raises(DataError, match="no blessed model of the span 7"):
        resolved(models, 7, {1: True})


def test_a_model_without_its_state_is_told(tmp_path: pathlib.Path) -> None:
    models = [model(tmp_path, 1, None)]
    pathlib.Path(models[0].uri).mkdir()
    with pytest.raises(DataError, match="no training state"):
        resolved(models, 7, {1: True})
