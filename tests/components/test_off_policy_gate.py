"""The gate before a push: its log, its bounds, its place in a run."""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import yaml
from report_page import Page, table
from report_record import evaluation, finished_run
from tiny_shop import CONFIG, SPEC, Shop

from clickwright.components.evaluation import choose_by_model as module
from clickwright.components.evaluation.choose_by_model import choose_by_model
from clickwright.components.evaluation.off_policy_gate import OffPolicyGate
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.experiments.off_policy.estimate_policy import estimate_policy
from clickwright.pipeline import steps
from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.report.render import render
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.spec import FeatureSpec

FEATURES = strict_yaml.parse(FeatureSpec, SPEC, "features.yaml")


class ByPrice:
    """A model that likes dear items."""

    def __init__(self, path: str) -> None:
        assert path == "model"

    def score(self, examples: list[bytes]) -> tf.Tensor:
        price = {"price": tf.io.FixedLenFeature([], tf.float32)}
        return tf.io.parse_example(examples, price)["price"] / 10


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Scorer", ByPrice)


CHOICES: dict[str, list[Any]] = {
    "decision": ["x", "y", "x", "y", "y"],
    "user": [1, 2, 1, 2, 2],
    "item": [10, 11, 12, 13, 14],
    "device": ["phone", "desktop", "phone", "desktop", "desktop"],
    "price": [3.0, 1.0, 5.0, 2.0, 7.0],
    "chosen": [1, None, 0, 1, 0],
    "propensity": [0.5, None, None, 0.25, None],
    "click": [1, None, None, 0, None],
}


def write(folder: pathlib.Path, **changes: Any) -> OffPolicyGate:
    columns = {k: v for k, v in (CHOICES | changes).items() if v is not None}
    pq.write_table(pa.table(columns), folder / "choices.parquet")
    return OffPolicyGate.model_validate(
        {
            "log": str(folder / "choices.parquet"),
            "reward": "click",
            "unit": "user",
            "min": 0.0,
            "policy": {"epsilon": 0.3},
        }
    )


def test_a_model_is_put_beside_each_logged_choice(tmp_path: pathlib.Path) -> None:
    log = choose_by_model(write(tmp_path), FEATURES, "model")

    assert log.reward.tolist() == [1, 0]
    assert log.propensity.tolist() == [0.5, 0.25]
    assert log.target == pytest.approx([0.3 / 2, 0.3 / 3])  # it would take 12 and 14
    assert log.predicted == pytest.approx([0.3, 0.2])
    assert log.predicted_target == pytest.approx(
        [0.85 * 0.5 + 0.15 * 0.3, 0.8 * 0.7 + 0.1 * (0.1 + 0.2)]
    )
    assert log.unit is not None
    assert log.unit.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": [1, 0, 1, 1, 0]}, "must be taken. Received: 2 of `decision` 'x'"),
        ({"chosen": [0, 0, 1, 0, 0]}, "must be taken. Received: 0 of `decision` 'y'"),
        ({"propensity": None}, "no column `propensity`"),
        ({"device": None}, "no column `device`"),
        ({"price": ["much"] * 5}, "must hold float32"),
        ({name: [] for name in CHOICES}, "The log of choices is empty"),
    ],
)
def test_a_log_without_whole_choices_is_refused(
    tmp_path: pathlib.Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        choose_by_model(write(tmp_path, **changes), FEATURES, "model")


def test_a_taken_candidate_without_a_propensity_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    gate = write(tmp_path, propensity=[None, 0.5, 0.5, 0.5, 0.5])

    with pytest.raises(DataError, match="`propensity` must be above 0"):
        estimate_policy(choose_by_model(gate, FEATURES, "model"))


def test_a_file_that_is_not_parquet_is_refused(tmp_path: pathlib.Path) -> None:
    gate = write(tmp_path)
    (tmp_path / "choices.parquet").write_text("decision,chosen\n")

    with pytest.raises(DataError, match="The log of choices cannot be read"):
        choose_by_model(gate, FEATURES, "model")


# Bounds.


def gate(**rules: Any) -> OffPolicyGate:
    return strict_yaml.parse(OffPolicyGate, {"log": "x.parquet"} | rules, "run.yaml")


def evidence(target: float, earns: float = 0.5) -> BanditLog:
    """2,000 even choices of two; the new policy takes the first with `target`."""
    rng = np.random.default_rng(0)
    first = rng.random(2000) < 0.5
    reward = rng.random(2000) < np.where(first, earns, 0.2)
    return BanditLog(
        reward.astype(float), np.full(2000, 0.5), np.where(first, target, 1 - target)
    )


def test_the_low_end_of_the_interval_is_held_against_the_bounds() -> None:
    report = estimate_policy(evidence(0.9))
    found = report.estimate("snips")
    assert found is not None
    low, drop = found.low, found.difference_low

    assert gate(min=low - 1e-6, max_drop=0.0).failures(report) == ()
    (sentence,) = gate(min=low + 1e-6).failures(report)
    assert sentence.startswith(f"off-policy snips {found.value:.6g} may be as low as")
    assert drop > 0
    (worse,) = gate(max_drop=0.05).failures(estimate_policy(evidence(0.1)))
    assert "of the log; 0.05 is allowed" in worse


def test_another_estimator_decides_where_it_is_named() -> None:
    report = estimate_policy(evidence(0.9))
    low = {e.estimator: e.low for e in report.estimates}
    assert low["ips"] != low["snips"]

    between = (low["ips"] + low["snips"]) / 2
    broken = {
        name: bool(gate(min=between, estimator=name).failures(report))
        for name in ("ips", "snips")
    }

    assert sorted(broken.values()) == [False, True]


def test_what_cannot_be_estimated_is_not_blessed() -> None:
    few = BanditLog(np.ones(20), np.full(20, 0.5), np.full(20, 0.5))

    found = gate(min=0.0).failures(estimate_policy(few))

    assert found[0].startswith("off-policy: no estimate: the weighted log is worth 20")


def test_a_gate_without_a_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one of `min` and `max_drop`"):
        gate()


# In a run.


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    made = Shop(tmp_path)
    made.write_spec(SPEC)
    made.write_config(with_gate())
    (tmp_path / "choices.parquet").write_text("one")
    return made


def with_gate(**changes: Any) -> dict[str, Any]:
    off_policy = {"log": "choices.parquet", "min": 0.1} | changes
    return CONFIG | {"evaluation": CONFIG["evaluation"] | {"off_policy": off_policy}}


def test_the_log_lies_beside_the_configuration_and_counts_as_input(shop: Shop) -> None:
    config = LoadedConfig(shop.config)
    before = steps.signatures(config, "x")

    assert config.off_policy is not None
    assert config.off_policy.log == str((shop.folder / "choices.parquet").resolve())
    assert steps.signatures(config, "x") == before
    os.utime(shop.folder / "choices.parquet", (1, 1))
    after = steps.signatures(config, "x")
    changed = {name for name in before if before[name] != after[name]}
    assert {"ModelEvaluator", "Publisher"} <= changed
    assert "Trainer" not in changed


def test_a_log_that_is_not_there_stops_the_run_before_any_work(shop: Shop) -> None:
    (shop.folder / "choices.parquet").unlink()

    with pytest.raises(DataError, match="no such log of choices"):
        steps.signatures(LoadedConfig(shop.config), "x")


def test_the_report_shows_the_estimates_or_why_there_are_none() -> None:
    good, few = evidence(0.9), evidence(0.9)
    few = BanditLog(few.reward[:20], few.propensity[:20], few.target[:20])
    pages = []
    for log in (good, few):
        judged = dataclasses.replace(evaluation(), off_policy=estimate_policy(log))
        pages.append(Page(render(finished_run(evaluation=judged))))

    rows = {row[0]: row[1:] for row in table(pages[0], "choices of another policy")}

    snips = estimate_policy(good).estimate("snips")
    assert snips is not None
    assert list(rows) == ["Estimate", "the log itself", "ips", "snips", "clipped"]
    assert rows["snips"][:2] == [
        f"{snips.value:.5g}",
        f"{snips.low:.4g} to {snips.high:.4g}",
    ]
    assert [r[0] for r in table(pages[1], "choices of another policy")][1:] == [
        "the log itself"
    ]
    assert "No off-policy estimate: the weighted log is worth" in pages[1].text


def test_a_bad_gate_is_refused_with_its_field(shop: Shop) -> None:
    content = yaml.safe_load(shop.config.read_text())
    content["evaluation"]["off_policy"]["estimator"] = "snip"
    shop.write_config(content)

    with pytest.raises(ConfigError, match=r"`evaluation.off_policy.estimator`.*snips"):
        LoadedConfig(shop.config)


def test_the_evaluator_takes_the_gate(tmp_path: pathlib.Path) -> None:
    from tfx import types
    from tfx.types import standard_artifacts

    from clickwright.components.evaluation.component import ModelEvaluator

    made = write(tmp_path)
    channels = [
        types.Channel(type=kind)
        for kind in (standard_artifacts.Examples, standard_artifacts.Model)
    ]
    plain, gated = (
        ModelEvaluator(
            *channels,
            feature_spec=FEATURES,
            thresholds=Thresholds(),
            off_policy=off_policy,
        ).exec_properties
        for off_policy in (None, made)
    )

    assert "off_policy" not in {k for k, v in plain.items() if v is not None}
    assert OffPolicyGate.model_validate_json(gated["off_policy"]) == made
    assert gated["off_policy_log"] == made.fingerprint()
