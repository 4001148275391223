"""From logged exposures and outcomes to the report of an experiment."""

import datetime
import pathlib
from typing import Any

import ab_definition
import numpy as np
import pytest
from ab_definition import CTR, LATENCY
from ab_report_record import HEALTHY, SICK, ab_report
from event_rows import START, exposure, exposures, hours, outcome, outcomes
from report_page import Page, figures, table

from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.build_report import build_report
from clickwright.experiments.report.render import render, write_report
from clickwright.experiments.report.shadow_record import ShadowRecord
from clickwright.experiments.statistics.effect import Effect
from clickwright.schemas.errors import DataError
from clickwright.schemas.events import Exposure, Outcome
from clickwright.schemas.experiment import Experiment

HOSTILE = "</script><script>document.title='taken'</script><b>&amp;${7*7}"
UNITS = 400
AT = START + datetime.timedelta(days=5)


def definition(**changes: Any) -> Experiment:
    content = {
        "id": "test",
        "metrics": [CTR | {"minimum_effect": 0.1}, LATENCY],
        "stopping": {"minimum_days": 3, "maximum_days": 14},
        "slices": ["device"],
    }
    return ab_definition.definition(**content | changes)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Four days of 400 units, of which the treatment's click twice as often."""
    random = np.random.default_rng(5)
    shown: list[Exposure] = []
    done: list[Outcome] = []
    for unit in range(UNITS):
        treated = unit % 2 == 1
        for _ in range(1 + random.poisson(3)):
            number = len(shown)
            at = hours(random.uniform(0, 96))
            shown.append(
                exposure(
                    number,
                    unit=f"u{unit}",
                    variant="treatment" if treated else "control",
                    version=2 if treated else 1,
                    bucket=5_000 + unit if treated else unit,
                    at=at,
                    latency_ms=random.gamma(50, 0.1),
                    attributes={"device": "phone" if unit % 4 < 2 else "desktop"},
                )
            )
            if random.random() < (0.4 if treated else 0.2):
                later = at + datetime.timedelta(minutes=3)
                done.append(outcome(len(done), request_id=f"r{number}", at=later))
    folder = tmp_path_factory.mktemp("log")
    with EventLog(folder, "exposure") as written:
        written.append_table(exposures(*shown))
    with EventLog(folder, "outcome") as written:
        written.append_table(outcomes(*done))
    return folder


def built(log: pathlib.Path, **given: Any) -> AbReport:
    experiment = given.pop("experiment", None) or definition()
    stores = EventStore(log, "exposure"), EventStore(log, "outcome")
    return build_report(experiment, *stores, **({"at": AT} | given))


@pytest.fixture(scope="module")
def report(log: pathlib.Path) -> AbReport:
    return built(
        log,
        lineage={"treatment": {"run_id": "2026-10-31T09:26:53"}},
        true_lifts={"ctr": {"treatment": 1.0}},
    )


def test_the_report_holds_what_the_logs_say(report: AbReport) -> None:
    (ctr, latency) = report.effects

    assert report.health.trusted, report.health.failures
    assert (ctr.metric, ctr.units_control, ctr.units_arm) == ("ctr", 200, 200)
    assert ctr.control_mean == pytest.approx(0.2, abs=0.05)
    assert ctr.arm_mean == pytest.approx(0.4, abs=0.05)
    assert not latency.breached
    assert report.verdict.outcome == "better"
    assert report.verdict.arm == "treatment"
    control, treatment = report.arms
    assert control.exposures + treatment.exposures == report.exposures
    assert (control.target, control.versions) == (
        "ctr:stable",
        {"1": control.exposures},
    )
    assert treatment.lineage == {"run_id": "2026-10-31T09:26:53"}
    assert [item.value for item in report.slices] == ["desktop", "phone"]
    assert {item.day for item in report.novelty} == {0, 1, 2, 3}
    (truth,) = report.truth
    assert (truth.covered, truth.always_covered) == (True, True)


def test_the_last_day_of_the_curve_is_the_effect(report: AbReport) -> None:
    def numbers(effect: Effect) -> dict[str, Any]:
        return effect.model_dump(
            include={"lift", "lift_low", "lift_high", "always_low", "always_high"}
        )

    last = report.cumulative[-len(report.effects) :]
    assert [point.day for point in last] == [datetime.date(2026, 11, 4)] * 2
    for point, effect in zip(last, report.effects, strict=True):
        assert numbers(point.effect) == pytest.approx(numbers(effect))


def test_the_record_reads_back_from_json(report: AbReport) -> None:
    assert AbReport.model_validate_json(report.model_dump_json()) == report


def test_what_is_later_than_asked_is_left_out(
    log: pathlib.Path, report: AbReport
) -> None:
    early = built(log, at=hours(24))

    assert 0 < early.exposures < report.exposures
    assert early.last_at is not None and early.last_at <= hours(24)
    assert {
        check.name for check in early.health.checks if check.status != "ok"
    } == set()
    assert early.verdict.outcome == "running"
    assert "1.0 of at least 3 days" in early.verdict.sentence


def test_weights_that_the_units_do_not_fit_make_it_untrusted(log: pathlib.Path) -> None:
    arms = ab_definition.definition_content()["arms"]
    arms["control"]["weight"], arms["treatment"]["weight"] = 0.7, 0.3

    found = built(log, experiment=definition(arms=arms))

    assert found.verdict.outcome == "untrusted"
    assert "sample ratio" in {check.name for check in found.health.failures}
    assert "lift" not in found.verdict.sentence
    assert any("sample ratio" in reason for reason in found.verdict.reasons)


def test_an_experiment_that_nobody_saw_has_a_report(log: pathlib.Path) -> None:
    found = built(log, experiment=definition(id="another"))

    assert (found.exposures, found.first_at) == (0, None)
    assert found.verdict.outcome == "untrusted"
    assert "Untrusted" in Page(render(found)).text


def test_a_shadow_is_compared_by_its_scores(tmp_path: pathlib.Path) -> None:
    arms = ab_definition.definition_content()["arms"]
    arms["control"]["weight"], arms["treatment"]["weight"] = 1.0, 0.0
    experiment = definition(arms=arms, shadow={"arm": "treatment"})
    with EventLog(tmp_path, "exposure") as written:
        written.append_table(
            exposures(
                exposure(0, shadow_version=2, shadow_difference=0.25),
                exposure(1, shadow_version=2, shadow_difference=0.5),
                exposure(2),  # no answer of the shadow
            )
        )
    with EventLog(tmp_path, "outcome"):
        pass

    found = built(tmp_path, experiment=experiment)

    assert found.shadow == ShadowRecord(
        arm="treatment", requests=2, mean_difference=0.375, largest_difference=0.5
    )
    assert found.effects == ()
    assert "treatment got copies of 2 requests" in Page(render(found)).text


def test_a_true_lift_of_what_is_not_measured_is_refused(log: pathlib.Path) -> None:
    with pytest.raises(DataError, match="Measured are: ctr of treatment"):
        built(log, true_lifts={"ctr": {"treatmnet": 0.1}})


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(ab_report()))


def test_the_page_says_the_effects_with_both_intervals(page: Page) -> None:
    effect = ab_report().effects[0]
    row = table(page, "Each arm against control.")[1]

    assert row[:2] == ["ctrprimary", "treatment"]
    assert row[4].startswith(f"{effect.lift:+.2%}")
    assert row[5] == f"{effect.lift_low:+.2%} to {effect.lift_high:+.2%}"
    assert row[6] == f"{effect.always_low:+.2%} to {effect.always_high:+.2%}"


def test_the_page_says_whether_the_truth_is_covered(page: Page) -> None:
    (_, row) = table(page, "The true lifts")

    assert row == ["ctr", "treatment", "+30.00%", "yes", "yes"]
    assert "the interval covers it" in page.text


def test_the_page_has_the_arms_with_their_runs_and_the_journal(page: Page) -> None:
    assert table(page, "What each arm asks for")[2] == [
        "treatment",
        "40.00%",
        "ctr:canary",
        "600",
        "4,900",
        "1795294536 (4,890), 1795294438 (10)",
    ]
    assert "2026-10-31T09:26:53" in page.text
    assert [row[1] for row in table(page, "The journal")[1:]] == ["continue", "start"]


def test_an_untrusted_effect_is_no_headline(page: Page) -> None:
    lift = f"{ab_report().effects[0].lift:+.2%}"
    untrusted = render(ab_report(health=SICK))

    def headline(text: str) -> str:
        return text.split('id="verdict"')[1].split("</section>")[0]

    assert lift in headline(render(ab_report(health=HEALTHY)))
    assert lift not in headline(untrusted)
    assert "untrusted" in headline(untrusted)


def test_the_band_begins_where_there_are_units_enough(page: Page) -> None:
    drawn = figures(page)["cumulative/0/0"]
    band = next(trace for trace in drawn["data"] if trace["name"] == "always valid")

    known = [
        point.effect
        for point in ab_report().cumulative
        if (point.effect.arm, point.effect.metric) == ("treatment", "ctr")
    ]
    banded = [effect.always_low for effect in known if effect.always_low is not None]
    assert len(banded) < len(known)
    assert band["y"][: len(banded)] == pytest.approx(banded)


def test_the_page_may_load_nothing(page: Page) -> None:
    policies = [
        attributes["content"] or ""
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]

    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'")
    assert not [a for _, a in page.tags if "src" in a]


def test_a_hostile_value_stays_text() -> None:
    found = ab_report(
        experiment=definition(hypothesis=HOSTILE),
        decisions=(),
        verdict=ab_report().verdict.model_copy(
            update={"headline": HOSTILE, "sentence": f"`{HOSTILE}`"}
        ),
    )

    hostile = Page(render(found))

    assert len(hostile.scripts) == 3
    assert hostile.text.count(HOSTILE) >= 3


def test_the_page_replaces_an_older_one_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "deep" / "report.html"

    size = write_report(ab_report(), path)

    assert path.stat().st_size == size
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
