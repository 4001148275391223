"""The state of a training, on disk."""

import json
import pathlib

import numpy as np
import pytest
from warm_rows import OLD, SPEC, keep, make_rows, make_trainer

from clickwright.models.incremental.warm_start import learned_variables
from clickwright.models.training.training_state import (
    SLOTS_FILE,
    VARIABLES_FILE,
    TrainingState,
    read_manifest,
    state_folder,
)
from clickwright.models.training.training_state_manifest import spec_sha256
from clickwright.schemas.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    trainer = make_trainer("fm", OLD)
    for batch in make_rows(100, 1).batches(64):
        trainer._train_on_batch(1, batch)
    folder = keep(trainer, tmp_path_factory.mktemp("model") / "training-state", "fm")
    state = TrainingState.read(folder)
    for name, variable in learned_variables(trainer.model).items():
        np.testing.assert_array_equal(state.variables[name], variable.numpy())
    return folder


def test_a_state_comes_back_as_it_was(
    folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    state = TrainingState.read(folder)
    words = {**state.vocabularies, "item": ["é", "\udcff", "\x00"]}
    other = TrainingState(state.manifest, state.variables, state.slots, words)
    (tmp_path / "again").mkdir()  # is replaced
    other.save(tmp_path / "again")
    again = TrainingState.read(tmp_path / "again")
    assert again.vocabularies == words and again.plan is None
    assert list(again.variables) == list(state.variables)
    for one, two in zip(
        [*again.variables.values(), *again.slots],
        [*state.variables.values(), *state.slots],
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype
    assert [p.name for p in tmp_path.iterdir()] == ["again"]


def test_a_manifest_says_what_the_state_is_of(folder: pathlib.Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.model, manifest.span, manifest.rows) == ("fm", 1, 200)
    assert manifest.spec_sha256 == spec_sha256(SPEC)
    assert manifest.vocabularies == {"user": 9, "item": 14}
    assert manifest.steps == 2 and manifest.parent is None
    kinds = {(s.of, s.kind) for s in manifest.slots}
    assert kinds == {
        (v.name, kind) for v in manifest.variables for kind in ("momentum", "velocity")
    }
    changed = manifest.model_copy(update={"rows": 201})
    assert changed.sha256 != manifest.sha256 == read_manifest(folder).sha256


@pytest.mark.parametrize("name", [VARIABLES_FILE, SLOTS_FILE, "manifest.json"])
def test_a_damaged_state_is_refused(
    folder: pathlib.Path, tmp_path: pathlib.Path, name: str
) -> None:
    copy = tmp_path / "state"
    TrainingState.read(folder).save(copy)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (copy / name).write_bytes(content)
    with pytest.raises(DataError, match="The training state is damaged") as error:
        TrainingState.read(copy)
    assert error.value.where == str(copy / name)


def test_a_model_without_a_state_is_told_of(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="holds no training state") as error:
        TrainingState.read(state_folder(tmp_path / "Format-Serving"))
    assert error.value.where == str(tmp_path / "training-state")
    assert "incremental.warm_start: false" in error.value.fix


def test_a_state_holds_no_pickle(folder: pathlib.Path) -> None:
    for path in (folder / VARIABLES_FILE, folder / SLOTS_FILE):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays.files)
    assert json.loads((folder / "vocabularies.json").read_text())["user"] == OLD["user"]
