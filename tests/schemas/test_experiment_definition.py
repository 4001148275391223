"""Definitions that are taken, and what is said about those that are not."""

import datetime
import pathlib
from typing import Any

import pytest
from ab_definition import END, START, arms, definition, definition_content

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import load

WHOLE = """
id: crosses
hypothesis: Crosses of user and item raise clicks.
unit: user_id
unit_source: {input: user_id}
missing_unit: error
model: ctr
layer: {name: feed, buckets: [0, 5000]}
hash: {scheme: growthbook_v2, salt: crosses-2}
arms:
  control: {weight: 0.5, target: {model: ctr, label: stable}}
  treatment: {weight: 0.5, target: {model: ctr, version: 12}}
  trial: {weight: 0.0, target: {model: other}}
control: control
shadow: {arm: trial, share: 0.25}
start: 2026-11-01T00:00:00+02:00
end: 2026-11-15T00:00:00Z
ramp:
  - {at: 2026-11-01T00:00:00Z, share: 0.1}
  - {at: 2026-11-03T00:00:00Z, share: 1.0}
overrides: {qa-user-1: treatment}
propensity: implicit
metrics:
  - {name: ctr, kind: ratio, numerator: click, denominator: exposures,
     role: primary, direction: increase, minimum_effect: 0.02}
  - {name: revenue_per_user, kind: mean, value: revenue}
  - {name: gauc, kind: gauc, label: click}
  - {name: latency_ms, kind: ratio, numerator: latency_ms, denominator: exposures,
     role: guardrail, direction: decrease, margin: 0.2}
cuped: {covariates: before.parquet}
attribution: {window: 36h}
stopping: {rule: fixed, alpha: 0.01, minimum_days: 7, maximum_days: 14}
slices: [device, segment]
on_guardrail: alert
on_success: promote
privacy: {hash_units: true, secret_env: UNIT_SECRET}
"""


def test_a_whole_definition_is_read_and_survives_json(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "crosses.yaml"
    path.write_text(WHOLE)

    experiment = load(Experiment, path)

    assert experiment.outcomes == ("click", "revenue")
    assert experiment.primary.name == "ctr"
    assert experiment.attribution.window == datetime.timedelta(hours=36)
    assert experiment.start == datetime.datetime(2026, 10, 31, 22, tzinfo=datetime.UTC)
    assert experiment.salt == "crosses-2"
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment


def test_what_is_left_out_is_named_after_the_experiment_and_its_model() -> None:
    experiment = definition()

    assert experiment.salt == "crosses"
    assert experiment.layer.name == "ctr"
    assert experiment.layer.buckets == (0, 10_000)
    assert experiment.unit_source.header == "x-unit-id"
    assert experiment.share_at(START) == 1.0


def test_the_ramp_has_the_share_of_its_last_step_and_none_before_its_first() -> None:
    day = datetime.timedelta(days=1)
    experiment = definition(
        ramp=[
            {"at": (START + day).isoformat(), "share": 0.1},
            {"at": (START + 3 * day).isoformat(), "share": 0.5},
        ]
    )

    shares = [experiment.share_at(START + n * day) for n in range(5)]

    assert shares == [0.0, 0.1, 0.1, 0.5, 0.5]


def test_an_experiment_runs_from_its_start_until_just_before_its_end() -> None:
    moment = datetime.timedelta(microseconds=1)

    running = [definition().running_at(at) for at in (START, END - moment, END)]

    assert running == [True, True, False]
    assert not definition().running_at(START - moment)


CTR = definition_content()["metrics"][0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arms": arms(control=0.5, treatment=0.4)}, "must sum to 1.*0.9"),
        ({"arms": arms(control=1.0)}, "at least one other"),
        ({"arms": arms(control=1.5, treatment=-0.5)}, "less than or equal to 1"),
        ({"control": "stable"}, "`control` must be one of `control`, `treatment`"),
        ({"shadow": {"arm": "third"}}, "`shadow.arm` must be one of"),
        ({"shadow": {"arm": "control"}}, "must not be control"),
        ({"overrides": {"qa": "third"}}, "`overrides.qa` must be one of"),
        ({"end": "2026-11-01T00:00:00Z"}, "`start` must be before `end`"),
        ({"start": "2026-11-01T00:00:00"}, "`start`: .*timezone"),
        (
            {
                "ramp": [
                    {"at": "2026-11-01T00:00:00Z", "share": 0.5},
                    {"at": "2026-11-02T00:00:00Z", "share": 0.4},
                ]
            },
            "shares must not fall",
        ),
        ({"metrics": [CTR, {**CTR, "name": "other"}]}, "one metric must have the role"),
        ({"metrics": []}, "one metric must have the role"),
        (
            {"metrics": [CTR, {**CTR, "role": "secondary"}]},
            "must have names of their own",
        ),
        ({"metrics": [{**CTR, "minimum_effect": None}]}, "needs `minimum_effect`"),
        (
            {"metrics": [CTR, {**CTR, "name": "g", "role": "guardrail"}]},
            "needs `margin`",
        ),
        ({"metrics": [{**CTR, "kind": "median"}]}, "one of gauc, mean, ratio"),
        ({"metrics": [{**CTR, "numerator": "unit"}]}, "must not be one of.*'unit'"),
        ({"slices": ["click_before"]}, "nor end with `_before`"),
        ({"slices": ["click"]}, "must differ in name"),
        ({"layer": {"name": "feed", "buckets": [5, 5]}}, "`buckets` must grow"),
        ({"layer": {"name": "feed", "buckets": [0, 10_001]}}, "10000"),
        ({"unit_source": {}}, "either `header` or `input`"),
        ({"unit_source": {"header": "X-Unit\r\nX-Admin"}}, "must be a header"),
        ({"cuped": {}}, "either `days` or `covariates`"),
        ({"attribution": {"window": "1 day"}}, "`90s`, `30m`, `24h` or `7d`"),
        ({"stopping": {"minimum_days": 9, "maximum_days": 2}}, "must not exceed"),
        ({"id": "../crosses"}, "small letters, digits"),
        ({"hypothesis": "one\ntwo"}, "one line of text"),
        ({"weights": {}}, "unknown key"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused_with_the_rule(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        definition(**changes)

    assert error.value.where == "test.yaml"


def test_an_arm_has_a_label_or_a_version_not_both() -> None:
    changed = arms(control=0.5, treatment=0.5)
    changed["control"]["target"]["version"] = 3

    with pytest.raises(ConfigError, match="`label` or `version`, not both"):
        definition(arms=changed)
