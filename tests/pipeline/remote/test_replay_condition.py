"""Conditions of tasks."""

from typing import Any

import pytest

from clickwright.pipeline.remote.replay.condition import Condition
from clickwright.schemas.errors import ConfigError

GIVEN: dict[str, Any] = {
    "inputs": {
        "parameter_values": {"mode": "fast", "count": 3.0, "on": True},
        "artifacts": {
            "model": {
                "artifacts": [
                    {"uri": "gs://b/m", "metadata": {"blessed": 1.0, "note": "it's"}}
                ]
            }
        },
    }
}
MODEL = "inputs.artifacts['model'].artifacts[0]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"({MODEL}.metadata['blessed'] == 1.0)", True),
        (f"!({MODEL}.metadata['blessed'] == 1.0)", False),
        (f"({MODEL}.uri == 'gs://b/m')", True),
        (f"(({MODEL}.uri + '/x') == 'gs://b/m/x')", True),
        (f'{MODEL}.metadata["note"] == "it\'s"', True),
        ("inputs.parameter_values['count'] > 2.0 && false || true", True),
        ("inputs.parameter_values['count'] >= 3 && 1 <= 0", False),
        ("inputs.parameter_values['mode'] != 'fast'", False),
        ("inputs.parameter_values['on']", True),
        ("inputs.parameter_values['mode'] == 1.0", False),
        ("-1.0 < 0.0", True),
        ("1.5e3 == 1500.0", True),
    ],
)
def test_a_condition_is_evaluated(text: str, expected: bool) -> None:
    assert Condition(text, "Task").holds(GIVEN) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{MODEL}.metadata['absent'] == 1.0", "there is no `absent`"),
        ("inputs.artifacts['model'].artifacts[1].uri == ''", "there is no `1`"),
        ("inputs.parameter_values['count']", "not true or false"),
        ("'a' < 1.0", "cannot be compared"),
        ("'a' + 1.0 == 'a1'", "cannot be added"),
        ("(true", "`\\)` is missing"),
        ("true true", "`true` is not understood"),
        ("size('a') == 1.0", "there is no `size`"),
        ("true ? 1 : 2", "is not understood"),
        ("!1.0", "not true or false"),
        ("", "it ends early"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Condition(text, "Task").holds(GIVEN)
    assert caught.value.where == "Task"
