"""The state on disk."""

import errno
import pathlib
from typing import Any

import numpy as np
import pytest
from training_rows import RECORD

from clickwright.models.training.checkpoint import Checkpoint, State
from clickwright.models.training.epoch_part import EpochPart
from clickwright.schemas.errors import DataError, MachineError


def make_state(*arrays: np.ndarray[Any, Any]) -> State:
    names = tuple(f"layer/{n}" for n in range(len(arrays)))
    return State(names, arrays, [], arrays, [], (RECORD,), EpochPart())


def test_checkpoints_come_back_as_they_were(tmp_path: pathlib.Path) -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.array(7, np.int64)]
    part = EpochPart(steps=3, rows=9, seconds=0.5, loss=1 / 3, weight=9.0)
    names = ("a", "b", "c")
    state = State(names, arrays, arrays[:1], arrays[::-1], arrays[1:], (RECORD,), part)
    checkpoint = Checkpoint(tmp_path / "deep" / "er")
    assert checkpoint.load() is None
    checkpoint.save(state)
    found = checkpoint.load()
    assert found is not None and found.records == (RECORD,)
    assert (found.names, found.part) == (names, part)
    for group in ("model", "optimizer", "best", "best_optimizer"):
        for one, other in zip(
            getattr(found, group), getattr(state, group), strict=True
        ):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_a_failing_write_leaves_the_last_checkpoint_whole(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(make_state(np.zeros(3)))

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(MachineError, match="No space is left") as error:
        checkpoint.save(make_state(np.ones(3)))
    assert str(tmp_path) in error.value.where
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    found = checkpoint.load()
    assert found is not None and found.model[0].tolist() == [0.0, 0.0, 0.0]


def test_a_damaged_checkpoint_is_refused_with_its_path(tmp_path: pathlib.Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    checkpoint.save(make_state(np.zeros(300)))
    file = tmp_path / "state.npz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="checkpoint is damaged") as error:
        checkpoint.load()
    assert error.value.where == str(file)
