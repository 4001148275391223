"""Two runs never share an output folder."""

import pathlib

import pytest

from clickwright.pipeline.lock import exclusive
from clickwright.schemas.errors import MachineError


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: pathlib.Path) -> None:
    with (
        exclusive(tmp_path / "out"),
        pytest.raises(MachineError, match="Another run") as caught,
        exclusive(tmp_path / "out"),
    ):
        pass

    assert str(tmp_path / "out") in caught.value.where


def test_the_folder_is_free_again_afterwards(tmp_path: pathlib.Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path):
            assert (tmp_path / ".lock").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with (
        pytest.raises(MachineError, match="cannot be written"),
        exclusive(tmp_path / "file" / "out"),
    ):
        pass
