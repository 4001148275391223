"""The simulated shop online: the same users under every arm, and what is true."""

import datetime
import pathlib

import numpy as np
import pytest
import yaml

from clickwright.pipeline.demo.online_shop import Hour, OnlineShop
from clickwright.pipeline.demo.run_inputs import run_inputs
from clickwright.pipeline.demo.simulated_clock import SimulatedClock
from clickwright.pipeline.demo.traffic_options import TrafficOptions
from clickwright.pipeline.demo.true_lifts import TrueLifts
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.marketplace.simulator import PAGE
from clickwright.schemas.marketplace.source import MarketplaceOptions, MarketplaceSource
from clickwright.schemas.marketplace.truth import DAY, NO_ITEM, START
from clickwright.schemas.marketplace.world import Floats
from clickwright.schemas.strict_yaml import load

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
SHOP = MarketplaceOptions(impressions=4_000, users=60, items=80, days=14, seed=3)
TRAFFIC = TrafficOptions(page_views=800, candidates=15, seed=1)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load(Experiment, CONFIGS / "experiments" / "marketplace.yaml")


@pytest.fixture
def shop(experiment: Experiment) -> OnlineShop:
    return OnlineShop(SHOP, experiment, TRAFFIC)


def noise(hour: Hour) -> Floats:
    return np.random.default_rng(hour.number).random(hour.views.items.shape)


def test_page_views_follow_the_log_hour_by_hour(
    shop: OnlineShop, experiment: Experiment
) -> None:
    hours = []
    for hour in shop.hours():
        hours.append(hour)
        for arm in experiment.arms:
            shop.show(hour, arm, noise(hour))

    time = np.concatenate([hour.views.timestamp for hour in hours])
    assert len(time) == TRAFFIC.page_views
    assert np.all(np.diff(time) >= 0)
    assert time[0] >= START + SHOP.days * DAY == experiment.start.timestamp()
    assert time[-1] < experiment.end.timestamp()
    assert all(h.views.items.shape[1] == TRAFFIC.candidates for h in hours)


def test_arms_that_rank_alike_live_in_equal_worlds(
    shop: OnlineShop, experiment: Experiment
) -> None:
    for hour in shop.hours():
        one, other = (shop.show(hour, arm, noise(hour)) for arm in experiment.arms)
        np.testing.assert_array_equal(one.clicks, other.clicks)
        np.testing.assert_array_equal(one.revenue, other.revenue)
        control, treatment = hour.requests.values()
        np.testing.assert_array_equal(control.history, treatment.history)


def test_what_is_clicked_under_an_arm_is_history_there_alone(
    shop: OnlineShop, experiment: Experiment
) -> None:
    clicked: dict[str, set[tuple[int, int]]] = {arm: set() for arm in experiment.arms}
    for hour in shop.hours():
        for arm, requests in hour.requests.items():
            known = {
                (int(user), int(item))
                for user, row, times in zip(
                    requests.user, requests.history, requests.history_times, strict=True
                )
                for item in row[(row != NO_ITEM) & (times >= START + SHOP.days * DAY)]
            }
            assert known <= clicked[arm]
        for arm, scores in zip(
            experiment.arms, (noise(hour), -noise(hour)), strict=True
        ):
            visit = shop.show(hour, arm, scores)
            shown = np.take_along_axis(hour.views.items, visit.position, axis=1)
            row, place = np.nonzero(visit.clicks)
            clicked[arm] |= set(
                zip(
                    hour.views.user[row].tolist(),
                    shown[row, place].tolist(),
                    strict=True,
                )
            )
    control, treatment = clicked.values()
    assert control != treatment


def test_the_best_candidates_are_shown_best_first(shop: OnlineShop) -> None:
    hour = next(shop.hours())
    scores = noise(hour)

    visit = shop.show(hour, "control", scores)

    assert visit.position.shape == (len(scores), PAGE)
    ranked = np.take_along_axis(scores, visit.position, axis=1)
    np.testing.assert_array_equal(ranked, np.sort(scores, axis=1)[:, ::-1][:, :PAGE])


def test_models_get_the_columns_of_the_log(shop: OnlineShop) -> None:
    hour = next(shop.hours())
    spec = MarketplaceSource.spec()
    users = shop.user_columns(hour.views)
    items = shop.item_columns(hour.views.items[0])

    wanted = set(spec.columns()) - set(spec.labels)
    assert wanted <= set(users.column_names) | set(items)
    assert users.num_rows == len(hour.views.user)
    assert {len(column) for column in items.values()} == {TRAFFIC.candidates}


def test_the_log_is_what_is_known_of_users_before(shop: OnlineShop) -> None:
    assert shop.pages_before.sum() == SHOP.impressions / PAGE
    assert 0 < shop.clicks_before.sum() < SHOP.impressions
    assert not shop.clicks_before[shop.pages_before == 0].any()


def test_the_true_lift_is_that_of_expected_sums_over_who_takes_part(
    shop: OnlineShop, experiment: Experiment
) -> None:
    truth = TrueLifts(experiment)
    clicks = {arm: 0.0 for arm in experiment.arms}
    for hour in shop.hours():
        part = hour.views.user % 2 == 0
        for arm, scores in (
            ("control", noise(hour)),
            (
                "treatment",
                np.stack([shop.item_columns(i)["price"] for i in hour.views.items]),
            ),
        ):
            visit = shop.show(hour, arm, scores)
            truth.add(arm, visit, part)
            clicks[arm] += visit.expected_clicks[part].sum()

    lifts = truth.lifts()

    # Nobody knows a true GAUC, nor how long a server takes.
    assert set(lifts) == {"clicks_per_page", "revenue_per_user", "ecpm"}
    assert lifts["clicks_per_page"] == {
        "treatment": pytest.approx(clicks["treatment"] / clicks["control"] - 1)
    }
    assert lifts["ecpm"] == lifts["revenue_per_user"]


def test_a_simulated_clock_goes_only_forward() -> None:
    clock = SimulatedClock(START)
    clock.advance(START + 60)
    clock.advance(START + 30)

    assert clock.now() == datetime.datetime(2024, 1, 1, 0, 1, tzinfo=datetime.UTC)


def test_traffic_needs_a_run_that_defined_an_experiment(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="No run has defined an experiment"):
        run_inputs(CONFIGS / "marketplace_deepfm.yaml", tmp_path)


def test_traffic_needs_the_shop_that_can_be_simulated(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"no others\. Received: `frappe`"):
        run_inputs(CONFIGS / "frappe_deepfm.yaml", tmp_path)


def test_the_last_definition_of_a_run_is_taken(tmp_path: pathlib.Path) -> None:
    for number in (9, 12):
        folder = tmp_path / "artifacts" / "ExperimentGen" / "experiment" / str(number)
        folder.mkdir(parents=True)
        (folder / "experiment.yaml").write_text(yaml.safe_dump({"id": number}))

    found = run_inputs(CONFIGS / "marketplace_deepfm.yaml", tmp_path)

    assert found.definition.parent.name == "12"
    assert (found.root, found.shop.seed) == (tmp_path / "serving", 7)
