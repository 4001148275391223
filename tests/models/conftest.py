"""Fixtures of the tests of the models."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformed_shop import Transformed


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> "Transformed":
    """1,200 training and 600 validation rows of every kind, transformed."""
    from transformed_shop import make_rows, transform  # imports Beam: seconds

    folder = tmp_path_factory.mktemp("transformed")
    return transform(folder, make_rows(1200, seed=1), make_rows(600, seed=2))
