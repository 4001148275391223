"""Estimates of a policy from another one's log: arithmetic, bias, spread, refusal."""

import itertools
import math
import pathlib

import numpy as np
import pyarrow as pa
import pytest

from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.experiments.off_policy.bootstrap import BAGS, resampled_sums
from clickwright.experiments.off_policy.decision_log import DecisionLog
from clickwright.experiments.off_policy.estimate_policy import estimate_policy
from clickwright.experiments.off_policy.estimators import row_terms
from clickwright.experiments.off_policy.off_policy_options import OffPolicyOptions
from clickwright.experiments.off_policy.open_bandit import read_open_bandit
from clickwright.experiments.off_policy.overlap import Overlap
from clickwright.experiments.off_policy.overlap_rules import OverlapRules
from clickwright.experiments.off_policy.reward_model import RewardModel
from clickwright.experiments.off_policy.table_policy import TablePolicy
from clickwright.schemas.errors import DataError

LOGGING = np.array([0.5, 0.3, 0.2])
NEW = np.array([0.1, 0.3, 0.6])
EARNS = np.array([0.1, 0.3, 0.5])
VALUE = float(NEW @ EARNS)
ANY_OVERLAP = OffPolicyOptions(
    resamples=200,
    overlap=OverlapRules(
        effective_units=0, effective_share=0, effective_rewards=0, mean_weight_errors=99
    ),
)


def log_of(
    actions: np.ndarray,
    reward: np.ndarray,
    *,
    unit: np.ndarray | None = None,
    model: np.ndarray | None = None,
) -> BanditLog:
    """Choices of `LOGGING`, seen from `NEW`; `model` says what each choice earns."""
    return BanditLog(
        reward.astype(float),
        LOGGING[actions],
        NEW[actions],
        unit,
        None if model is None else model[actions],
        None if model is None else np.full(len(actions), NEW @ model),
    )


def drawn(rows: int, seed: int, model: np.ndarray | None = None) -> BanditLog:
    rng = np.random.default_rng(seed)
    actions = rng.choice(3, rows, p=LOGGING)
    return log_of(actions, rng.random(rows) < EARNS[actions], model=model)


def value_of(log: BanditLog, estimator: str, clip: float = math.inf) -> float:
    numerator, denominator = row_terms(log, clip)[estimator]
    return float(numerator.sum() / denominator.sum())


# Arithmetic.


def test_each_estimator_does_the_arithmetic_of_its_definition() -> None:
    actions = np.array([0, 2, 1, 2, 0])
    reward = np.array([1.0, 0.0, 2.0, 1.0, 0.0])
    model = np.array([0.2, 0.4, 0.9])
    log, clip = log_of(actions, reward, model=model), 2.5

    w = [NEW[a] / LOGGING[a] for a in actions]  # 0.2, 3, 1, 3, 0.2
    rows = list(zip(w, reward, actions, strict=True))
    expected = {
        "ips": sum(x * r for x, r, _ in rows) / 5,
        "snips": sum(x * r for x, r, _ in rows) / sum(w),
        "clipped": sum(min(x, clip) * r for x, r, _ in rows) / 5,
        "dm": sum(NEW[a] * model[a] for a in range(3)),
        "dr": sum(NEW @ model + x * (r - model[a]) for x, r, a in rows) / 5,
    }
    report = estimate_policy(log, ANY_OVERLAP.model_copy(update={"clip": clip}))

    assert expected["ips"] == pytest.approx(5.2 / 5)
    assert expected["clipped"] == pytest.approx(4.7 / 5)
    assert {e.estimator: e.value for e in report.estimates} == pytest.approx(expected)
    assert report.logged == pytest.approx(0.8)
    assert report.clipped_share == pytest.approx(2 / 5)
    for estimate in report.estimates:
        assert estimate.difference == pytest.approx(estimate.value - 0.8)


def test_the_same_policy_is_worth_what_it_earned() -> None:
    log = drawn(400, 0)
    same = BanditLog(log.reward, log.propensity, log.propensity)

    report = estimate_policy(same, ANY_OVERLAP)

    assert report.overlap.effective_units == pytest.approx(400)
    for estimate in report.estimates:
        assert estimate.value == pytest.approx(log.reward.mean())
        assert estimate.low == pytest.approx(report.logged_low)
        assert estimate.difference_low == pytest.approx(0)
        assert estimate.difference_high == pytest.approx(0)


def test_overlap_is_measured_over_units() -> None:
    log = log_of(
        np.array([0, 2, 1, 2]),
        np.array([1.0, 0.0, 2.0, 1.0]),
        unit=np.array([7, 7, 9, 4]),
    )

    found = Overlap.of(log)

    weights = [3.2, 1.0, 3.0]  # of the units 7, 9 and 4
    mean = 7.2 / 4
    errors = [3.2 - 2 * mean, 1.0 - mean, 3.0 - mean]
    assert (found.rows, found.units) == (4, 3)
    assert found.effective_units == pytest.approx(7.2**2 / sum(w**2 for w in weights))
    assert found.effective_rewards == pytest.approx((0.2 + 2 + 3) ** 2 / 13.04)
    assert found.mean_weight == pytest.approx(mean)
    assert found.mean_weight_error == pytest.approx(
        math.sqrt(1.5 * sum(e**2 for e in errors)) / 4
    )
    assert found.largest_weight == pytest.approx(3.0)


# Bias.


@pytest.mark.parametrize("estimator", ["ips", "dr"])
def test_the_mean_over_all_logs_that_could_be_is_the_true_value(
    estimator: str,
) -> None:
    """All 216 logs of three rows, each with its probability: no chance is left."""
    model, mean, total = np.array([0.9, -2.0, 0.3]), 0.0, 0.0

    for choices in itertools.product(itertools.product(range(3), (0, 1)), repeat=3):
        actions = np.array([action for action, _ in choices])
        reward = np.array([earned for _, earned in choices])
        chance = float(
            np.prod(LOGGING[actions])
            * np.prod(np.where(reward == 1, EARNS[actions], 1 - EARNS[actions]))
        )
        total += chance
        mean += chance * value_of(log_of(actions, reward, model=model), estimator)

    assert total == pytest.approx(1.0)
    assert mean == pytest.approx(VALUE, abs=1e-12)


def test_the_bias_of_snips_falls_with_the_rows_and_that_of_dm_stays() -> None:
    model = np.array([0.0, 0.0, 1.0])

    logs = {rows: [drawn(rows, s, model) for s in range(3000)] for rows in (5, 500)}
    bias = {rows: np.mean([value_of(x, "snips") for x in logs[rows]]) for rows in logs}

    assert abs(bias[5] - VALUE) > 0.01
    assert abs(bias[500] - VALUE) < 0.002
    assert value_of(logs[500][0], "dm") - VALUE == pytest.approx(0.6 - VALUE)


def test_clipping_trades_bias_for_spread() -> None:
    logs = [drawn(50, seed) for seed in range(2000)]

    plain = np.array([value_of(log, "ips") for log in logs])
    clipped = np.array([value_of(log, "clipped", clip=1.5) for log in logs])

    lost = 0.2 * 0.5 * (0.6 / 0.2 - 1.5)  # what weights above the limit would add
    assert clipped.mean() == pytest.approx(VALUE - lost, abs=0.005)
    assert clipped.std() < 0.7 * plain.std()


def test_a_good_reward_model_makes_the_doubly_robust_estimate_sharper() -> None:
    logs = [drawn(200, seed, EARNS) for seed in range(1000)]

    ips = np.array([value_of(log, "ips") for log in logs])
    dr = np.array([value_of(log, "dr") for log in logs])

    assert dr.mean() == pytest.approx(VALUE, abs=0.005)
    assert dr.std() < 0.85 * ips.std()


# Spread.


def test_resamples_spread_as_theory_says() -> None:
    rng = np.random.default_rng(3)
    terms = rng.exponential(size=(3000, 2))

    sums = resampled_sums(terms, 4000, seed=1)

    assert sums.mean(axis=0) == pytest.approx(terms.sum(axis=0), rel=0.005)
    theory = np.cov(terms.T, bias=True) * 3000
    assert np.cov(sums.T) == pytest.approx(theory, rel=0.1, abs=0.1 * theory[0, 0])


def test_more_units_than_bags_keep_the_spread() -> None:
    terms = np.random.default_rng(4).exponential(size=(5 * BAGS, 1))

    sums = resampled_sums(terms, 500, seed=1)

    assert sums.mean() == pytest.approx(terms.sum(), rel=0.002)
    assert sums.std() == pytest.approx(terms.std() * math.sqrt(5 * BAGS), rel=0.1)


def test_intervals_cover_the_true_value_as_often_as_they_say() -> None:
    options = ANY_OVERLAP.model_copy(update={"confidence": 0.9})
    covered = dict.fromkeys(("ips", "snips", "dr"), 0)

    for seed in range(400):
        report = estimate_policy(drawn(400, seed, np.array([0.0, 0.5, 0.5])), options)
        for name in covered:
            estimate = report.estimate(name)
            assert estimate is not None
            covered[name] += estimate.low <= VALUE <= estimate.high

    for name, times in covered.items():
        assert times / 400 == pytest.approx(0.9, abs=0.05), name


def test_rows_of_one_unit_are_no_evidence_of_their_own() -> None:
    log = drawn(300, 0)
    again = BanditLog(
        np.repeat(log.reward, 9),
        np.repeat(log.propensity, 9),
        np.repeat(log.target, 9),
        unit=np.repeat(np.arange(300), 9),
    )

    once = estimate_policy(log, ANY_OVERLAP).estimate("snips")
    nine = estimate_policy(again, ANY_OVERLAP).estimate("snips")

    assert once is not None
    assert nine is not None
    assert nine.model_dump() == pytest.approx(once.model_dump())


# Refusal.


def refusals_of(log: BanditLog) -> str:
    report = estimate_policy(log)
    assert (report.estimates == ()) == bool(report.refusals)
    return "; ".join(report.refusals)


def test_a_policy_that_the_log_shows_well_is_estimated() -> None:
    assert refusals_of(drawn(2000, 0)) == ""


def test_a_few_large_weights_are_refused() -> None:
    log = drawn(2000, 0)
    propensity = log.propensity.copy()
    propensity[:3] = 1e-5

    found = refusals_of(BanditLog(log.reward, propensity, log.target))

    assert "units of 2,000; 100 are needed" in found


def test_choices_that_the_log_cannot_make_are_refused() -> None:
    """The new policy makes a third of its choices where the log's makes none."""
    log = drawn(5000, 0)

    found = refusals_of(BanditLog(log.reward, log.propensity, log.target * 2 / 3))

    assert "must be 1: the propensities are wrong, or" in found


def test_too_few_rewards_are_refused() -> None:
    log = drawn(5000, 0)
    reward = np.zeros(5000)
    reward[:9] = 1

    found = refusals_of(BanditLog(reward, log.propensity, log.target))

    assert "10 are needed" in found


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "propensity",
            0.0,
            "`propensity` must be above 0 and at most 1. Received: 0.0",
        ),
        ("propensity", 30.0, "Received: 30.0 in row 8 \\(1 such rows\\)"),
        ("reward", np.nan, "`reward` must be a number. Received: nan"),
        ("target", -0.1, "`target` must be from 0 to 1"),
    ],
)
def test_numbers_that_no_policy_logs_are_refused(
    name: str, value: float, message: str
) -> None:
    log = drawn(20, 0)
    getattr(log, name)[7] = value

    with pytest.raises(DataError, match=message):
        estimate_policy(log)


# Tables.


def decisions(rows: int = 4000, seed: int = 0) -> DecisionLog:
    """Even choices of three offers; phones like `c`, desktops like `a`."""
    rng = np.random.default_rng(seed)
    phone = rng.random(rows) < 0.5
    action = rng.integers(3, size=rows)
    chance = np.where(phone, [[0.1], [0.2], [0.6]], [[0.5], [0.2], [0.1]])
    return DecisionLog(
        pa.table(
            {
                "device": np.where(phone, "phone", "desktop"),
                "action": np.array(["a", "b", "c"])[action],
                "propensity": np.full(rows, 1 / 3),
                "reward": (rng.random(rows) < chance[action, np.arange(rows)]) * 1,
                "user": rng.integers(500, size=rows),
                "age": rng.normal(40, 9, rows),
            }
        ),
        unit="user",
        context=("age",),
    )


BY_DEVICE = TablePolicy.of_table(
    pa.table(
        {
            "device": ["phone", "phone", "desktop"],
            "action": ["c", "a", "a"],
            "probability": [0.8, 0.2, 1.0],
        }
    ),
    "policy.csv",
)


def test_a_policy_by_context_is_worth_what_its_contexts_earn() -> None:
    log = decisions()

    seen = log.seen_by(BY_DEVICE)
    report = estimate_policy(seen)

    rows = log.table.to_pylist()
    chances = {("phone", "c"): 0.8, ("phone", "a"): 0.2, ("desktop", "a"): 1.0}
    assert seen.target.tolist() == [
        chances.get((row["device"], row["action"]), 0.0) for row in rows
    ]
    true = 0.5 * (0.8 * 0.6 + 0.2 * 0.1) + 0.5 * 0.5
    for name in ("ips", "snips", "dr"):
        estimate = report.estimate(name)
        assert estimate is not None
        assert estimate.low < true < estimate.high
        assert estimate.difference_low > 0, name
    assert report.overlap.units == 500


def test_the_reward_model_is_that_of_scikit_learn_without_the_row_itself() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    action, unit = rng.integers(3, size=200), rng.integers(40, size=200)
    age = rng.normal(size=200)
    reward = action + age + rng.normal(size=200)
    model = RewardModel(reward, action, 3, pa.table({"age": age}), unit, seed=0)
    policy = np.array([[0.2, 0.3, 0.5]])

    logged, target = model.predict(np.zeros(200, np.int64), policy)

    inputs = np.column_stack([(age - age.mean()) / age.std(), np.eye(3)[action]])
    folds = np.random.default_rng(0).permutation(40) % 5
    fold = folds[np.unique(unit, return_inverse=True)[1]]
    for own in range(5):
        rows = fold == own
        fitted = Ridge().fit(inputs[~rows], reward[~rows])
        assert logged[rows] == pytest.approx(fitted.predict(inputs[rows]), abs=1e-6)
        each = [
            fitted.predict(
                np.column_stack([inputs[rows, :1], np.eye(3)[[a] * sum(rows)]])
            )
            for a in range(3)
        ]
        assert target[rows] == pytest.approx(policy[0] @ np.array(each), abs=1e-6)


def test_a_model_of_a_log_without_rewards_says_so() -> None:
    model = RewardModel(
        np.zeros(6), np.arange(6) % 2, 2, pa.table({"x": ["a"] * 6}), None, seed=0
    )

    logged, target = model.predict(np.zeros(6, np.int64), np.array([[0.5, 0.5]]))

    assert logged == pytest.approx(np.zeros(6), abs=1e-5)
    assert target == pytest.approx(np.zeros(6), abs=1e-5)


def test_frequencies_of_choices_are_a_policy() -> None:
    action = pa.array(["a", "b", "a", "a", "b", "b", "b", "b"])
    place = pa.table({"place": [1, 1, 1, 1, 2, 2, 2, 2]})

    found = TablePolicy.of_choices(action, place)
    anywhere = TablePolicy.of_choices(action, place.select([]))

    chances = {
        (*context, name): found.probabilities[row, column]
        for row, context in enumerate(found.contexts)
        for column, name in enumerate(found.actions)
    }
    assert chances == {("1", "a"): 0.75, ("1", "b"): 0.25, ("2", "a"): 0, ("2", "b"): 1}
    assert dict(zip(anywhere.actions, anywhere.probabilities[0], strict=True)) == {
        "a": 3 / 8,
        "b": 5 / 8,
    }


def test_a_choice_that_was_never_logged_is_counted_and_refused() -> None:
    log = decisions()
    policy = TablePolicy((), ((),), ("a", "z"), np.array([[0.9, 0.1]]))

    seen = log.seen_by(policy)

    assert seen.unsupported == pytest.approx(0.1)
    assert "10.00% of the new policy's choices are nowhere" in refusals_of(seen)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"action": ["a"]}, "`probability` is missing"),
        ({"action": ["a"], "probability": [0.5]}, "add up to 1. Received: 0.5"),
        ({"action": ["a", "b"], "probability": [1.5, -0.5]}, "from 0 to 1"),
        ({"action": ["a", None], "probability": [0.5, 0.5]}, "needs a choice"),
        ({"action": ["a", "a"], "probability": [0.5, 0.5]}, "stands twice"),
        ({"action": ["a"], "probability": ["much"]}, "must be numbers"),
        ({"action": [], "probability": []}, "add up to 1. Received: 0"),
    ],
)
def test_a_table_that_is_no_policy_is_refused(
    columns: dict[str, list[object]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        TablePolicy.of_table(pa.table(columns), "policy.csv")


def test_a_context_that_the_policy_does_not_know_is_refused() -> None:
    log = decisions()
    phones = TablePolicy(("device",), (("phone",),), ("a",), np.array([[1.0]]))
    unlogged = TablePolicy(("hour",), (("1",),), ("a",), np.array([[1.0]]))

    with pytest.raises(DataError, match="in the context {'device': 'desktop'}"):
        log.seen_by(phones)
    with pytest.raises(DataError, match="looks at `hour`, which the log lacks"):
        log.seen_by(unlogged)


def test_a_column_that_is_not_there_or_not_whole_is_refused() -> None:
    table = decisions().table
    holes = table.set_column(
        table.column_names.index("reward"), "reward", [[None, *[1] * 3999]]
    )

    with pytest.raises(DataError, match="no column `rewards`. Did you mean `reward`?"):
        DecisionLog(table, reward="rewards").seen_by(BY_DEVICE)
    with pytest.raises(DataError, match="`reward` is absent in 1 of 4,000 rows"):
        DecisionLog(holes).seen_by(BY_DEVICE)
    with pytest.raises(DataError, match="`device` must be numbers"):
        DecisionLog(table, reward="device").seen_by(BY_DEVICE)


# The Open Bandit data.


@pytest.fixture(scope="module")
def open_bandit(shared_data: pathlib.Path) -> pathlib.Path:
    folder = shared_data / "open_bandit"
    if not folder.is_dir():
        pytest.skip(f"the Open Bandit data are not at {folder}")
    return folder


def policy_of(log: DecisionLog, name: str) -> TablePolicy:
    """Thompson sampling learned all week: its frequencies are its mean over the week."""
    if name == "random":
        return TablePolicy.uniform(log.actions())
    return TablePolicy.of_choices(log.table["action"], log.table.select(["position"]))


@pytest.mark.parametrize(
    ("campaign", "logged", "new"),
    [("men", "random", "bts"), ("men", "bts", "random"), ("women", "random", "bts")],
)
def test_one_policys_log_tells_what_the_other_earned(
    open_bandit: pathlib.Path, campaign: str, logged: str, new: str
) -> None:
    """With 46 to 69 clicks a log, intervals reach 40 to 50 % to both sides: the sample
    can tell that an estimate is not far off, and no more."""
    log = read_open_bandit(open_bandit, logged, campaign)
    other = read_open_bandit(open_bandit, new, campaign)
    earned = np.array(other.table["reward"], float)
    error = earned.std() / math.sqrt(len(earned))

    report = estimate_policy(log.seen_by(policy_of(other, new)))

    assert report.refusals == ()
    for name in ("ips", "snips", "clipped", "dr"):
        estimate = report.estimate(name)
        assert estimate is not None
        own = (estimate.high - estimate.low) / (2 * 1.96)
        # Both means are estimates: the one from clicks that the other never saw.
        assert abs(estimate.value - earned.mean()) < 1.96 * math.hypot(own, error), name
        assert own < 0.0025


def test_propensities_of_a_millionth_are_refused(open_bandit: pathlib.Path) -> None:
    log = read_open_bandit(open_bandit, "bts", "women")

    report = estimate_policy(log.seen_by(policy_of(log, "random")))

    assert report.estimates == ()
    assert "the weighted log is worth 2.1 units of 10,000" in report.refusals[0]
    assert report.overlap.largest_weight == pytest.approx(1 / 46 / 1e-6, rel=1e-4)


def test_a_data_set_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="The log cannot be read"):
        read_open_bandit(tmp_path, "random", "men")
