"""Names of a storage's objects stay below the folder that they are for."""

import pathlib

import pytest

from clickwright.schemas.errors import DataError
from clickwright.schemas.path_below import path_below

FOLDER = pathlib.Path("log")


@pytest.mark.parametrize("name", ["a.csv", "train/a.csv", "train/a..b", "..a/b", "./a"])
def test_a_name_below_the_folder_is_its_path(name: str) -> None:
    assert path_below(FOLDER, name, "memory://log") == FOLDER / name


@pytest.mark.parametrize("name", ["../a.csv", "train/../../a", "/etc/a", "a/.."])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="leads out of its folder") as caught:
        path_below(FOLDER, name, "memory://log")
    assert repr(name) in str(caught.value)
    assert caught.value.where == "memory://log"
