"""A run that goes on from a model keeps the plan of that model's numbers."""

import pathlib
from typing import Any

import pytest
from tfx.types import artifact_utils, standard_artifacts
from transformed_shop import PLAN, SPEC

from clickwright.components.discretizer.artifacts import DiscretizationPlan as Artifact
from clickwright.components.discretizer.executor import Executor
from clickwright.models.training.training_state import TrainingState, state_folder
from clickwright.models.training.training_state_manifest import (
    TrainingStateManifest,
    spec_sha256,
)
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.spec import FeatureSpec


@pytest.fixture
def parent(tmp_path: pathlib.Path) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    return model


def keep_plan(parent: standard_artifacts.Model) -> None:
    manifest = TrainingStateManifest(
        model="fm",
        params={},
        spec=SPEC.name,
        spec_sha256=spec_sha256(SPEC),
        optimizer="adam",
        steps=0,
        rows=0,
        vocabularies={},
        variables=(),
        slots=(),
    )
    TrainingState(manifest, {}, [], {}, PLAN).save(state_folder(parent.uri))


def plan_of(
    parent: standard_artifacts.Model, folder: pathlib.Path, spec: FeatureSpec = SPEC
) -> DiscretizationPlan:
    made: Any = Artifact()
    made.uri = str(folder / "plan")
    Executor().Do(
        {"base_model": [parent]},
        {"plan": [made]},
        {"feature_spec": spec.model_dump_json()},
    )
    return DiscretizationPlan.read(pathlib.Path(artifact_utils.get_single_uri([made])))


def test_the_plan_is_the_parents(
    parent: standard_artifacts.Model, tmp_path: pathlib.Path
) -> None:
    keep_plan(parent)
    assert plan_of(parent, tmp_path) == PLAN


def test_a_parent_of_another_schema_is_refused_before_any_row_is_read(
    parent: standard_artifacts.Model, tmp_path: pathlib.Path
) -> None:
    keep_plan(parent)
    content = SPEC.model_dump(mode="json")
    content["features"]["price"]["scaling"] = "z_score"
    spec = FeatureSpec.model_validate(content, strict=False)
    with pytest.raises(ConfigError, match="another feature spec than `every_kind`"):
        plan_of(parent, tmp_path, spec)


def test_a_parent_without_a_state_is_refused(
    parent: standard_artifacts.Model, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(DataError, match="no training state to start from"):
        plan_of(parent, tmp_path)
