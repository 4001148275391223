import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import row_reference


@pytest.mark.parametrize("settings", row_reference.SETTINGS, ids=str)
@pytest.mark.parametrize("form", ["slices", "dense"])
@pytest.mark.parametrize("case", row_reference.CASES)
def test_steps_are_those_of_plain_loops_over_rows(
    case: str, form: str, settings: dict[str, Any]
) -> None:
    row_reference.check(case, form, settings)
