"""`clickwright ab`: experiments started, measured, decided on and ended."""

import dataclasses
import datetime
import errno
import json
import pathlib
import random
import types
from typing import Any

import pytest
import yaml
from ab_definition import CTR, LATENCY, definition_content
from model_folder import make_model
from tiny_shop import Command

from clickwright.components.publisher.version_store import VersionStore
from clickwright.experiments.decision.decision import Decision
from clickwright.experiments.decision.decision_journal import DecisionJournal
from clickwright.experiments.events.event_log import EventLog
from clickwright.experiments.events.log_options import LogOptions
from clickwright.experiments.experiment_book import ExperimentBook
from clickwright.pipeline import ab_commands
from clickwright.schemas.errors import storage_error
from clickwright.schemas.events import Exposure, Outcome

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
NAME = "crosses"


@dataclasses.dataclass
class Lab:
    """A serving root with a stable version and one on trial, and an experiment."""

    folder: pathlib.Path
    versions: list[int]

    @property
    def experiments(self) -> pathlib.Path:
        return self.folder / "experiments"

    @property
    def log(self) -> pathlib.Path:
        return self.folder / "log"

    @property
    def labels(self) -> dict[str, int]:
        return VersionStore(self.folder / "serving", "ctr").book.labels()

    @property
    def stopped(self) -> str | None:
        return ExperimentBook(self.experiments).stopped(NAME)

    @property
    def actions(self) -> list[tuple[str, tuple[str, ...]]]:
        decisions = DecisionJournal(self.experiments).of(NAME)
        return [(decision.action, decision.done) for decision in decisions]

    def define(self, **changes: Any) -> pathlib.Path:
        """Writes a definition that has run for four days of fourteen."""
        content = definition_content(
            id=NAME,
            hypothesis="Crosses raise clicks.",
            start=(NOW - 4 * DAY).isoformat(),
            end=(NOW + 10 * DAY).isoformat(),
            metrics=[CTR, LATENCY],
            stopping={"minimum_days": 3, "minimum_units": 100},
        )
        path = self.folder / f"{changes.get('id', NAME)}.yaml"
        path.write_text(yaml.safe_dump(content | changes, sort_keys=False))
        return path

    def fill_log(
        self,
        *,
        clicks: float = 0.2,
        latency: float = 10.0,
        control: int = 300,
        latest: datetime.datetime = NOW - DAY,
    ) -> None:
        """Logs 300 users an arm, ten requests each.

        Args:
            clicks: the treatment's click rate; the control's is 0.2.
            latency: the treatment's latency in ms; the control's is 10.
            control: users of the control.
            latest: when the last of a user's requests comes.
        """
        draw = random.Random(7)
        options = LogOptions(sync="never")
        with (
            EventLog(self.log, "exposure", options) as exposures,
            EventLog(self.log, "outcome", options) as outcomes,
        ):
            for user in range(300 + control):
                arm = user >= control
                for request in range(10):
                    at = latest - (9 - request) * 0.25 * DAY
                    name = f"{user}-{request}"
                    exposures.append(
                        Exposure(
                            request_id=name,
                            unit=f"user-{user}",
                            experiment=NAME,
                            variant="treatment" if arm else "control",
                            model="ctr",
                            version=self.versions[arm],
                            label="canary" if arm else "stable",
                            bucket=user + 5_000 * arm,
                            propensity=0.5,
                            at=at,
                            latency_ms=draw.uniform(0.8, 1.2)
                            * (latency if arm else 10.0),
                            candidates=1,
                        )
                    )
                    if draw.random() < (clicks if arm else 0.2):
                        outcomes.append(
                            Outcome(
                                outcome_id=name,
                                request_id=name,
                                name="click",
                                value=1.0,
                                at=at + datetime.timedelta(seconds=5),
                            )
                        )


@pytest.fixture
def lab(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    root = tmp_path / "serving"
    store = VersionStore(root, "ctr")
    versions = [
        store.publish(
            make_model(tmp_path / label, label.encode()), provenance={}, label=label
        ).version
        for label in ("stable", "canary")
    ]
    lab = Lab(tmp_path, versions)
    # A watch that does not end with its experiment would wait here.
    monkeypatch.setattr(ab_commands, "time", types.SimpleNamespace(sleep=pytest.fail))
    monkeypatch.setenv("CLICKWRIGHT_SERVING_ROOT", str(root))
    monkeypatch.setenv("CLICKWRIGHT_EXPERIMENTS", str(lab.experiments))
    monkeypatch.setenv("CLICKWRIGHT_EVENT_LOG", str(lab.log))
    return lab


def test_an_experiment_is_started_and_its_versions_recorded(
    lab: Lab, command: Command
) -> None:
    code, out, shown = command("ab", "start", lab.define())

    assert code == 0, shown
    assert out.startswith(f"{NAME}: running, from ")
    assert list(ExperimentBook(lab.experiments).experiments) == [NAME]
    (decision,) = DecisionJournal(lab.experiments).of(NAME)
    control, treatment = lab.versions
    assert decision.numbers["lineage of control"]["version"] == str(control)
    assert decision.numbers["lineage of treatment"]["version"] == str(treatment)
    assert "published" in decision.numbers["lineage of treatment"]


def test_what_the_run_told_of_an_arm_is_kept_while_its_version_is(
    lab: Lab, command: Command
) -> None:
    told = {
        "control": {"version": "1", "auc": "0.6"},
        "treatment": {"version": str(lab.versions[1]), "auc": "0.7"},
    }
    (lab.folder / "lineage.json").write_text(json.dumps(told))

    command("ab", "start", lab.define())

    (decision,) = DecisionJournal(lab.experiments).of(NAME)
    assert decision.numbers["lineage of treatment"]["auc"] == "0.7"
    assert "auc" not in decision.numbers["lineage of control"]


def test_a_running_experiment_may_end_later_but_not_change_its_weights(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    later = NOW + 20 * DAY

    assert command("ab", "start", lab.define(end=later.isoformat()))[0] == 0
    assert ExperimentBook(lab.experiments).end(NAME) == later
    arms = {
        name: {"weight": weight, "target": {"model": "ctr", "label": label}}
        for name, weight, label in (
            ("control", 0.9, "stable"),
            ("treatment", 0.1, "canary"),
        )
    }
    code, _, shown = command("ab", "start", lab.define(arms=arms))

    assert code == 1
    assert "must not change under the salt" in shown
    assert f"{lab.experiments}/{NAME}.yaml" in shown
    assert (
        ExperimentBook(lab.experiments).experiment(NAME).arms["control"].weight == 0.5
    )


def test_an_arm_that_nobody_serves_is_refused(lab: Lab, command: Command) -> None:
    arms = {
        "control": {"weight": 0.5, "target": {"model": "ctr", "label": "stable"}},
        "treatment": {"weight": 0.5, "target": {"model": "ctr", "label": "canery"}},
    }

    code, _, shown = command("ab", "start", lab.define(arms=arms))

    assert code == 1
    assert "Did you mean `canary`?" in shown
    assert not lab.experiments.exists()


def test_the_state_of_the_experiments_is_shown(lab: Lab, command: Command) -> None:
    command("ab", "start", lab.define())
    bounds = {
        "start": (NOW + 30 * DAY).isoformat(),
        "end": (NOW + 40 * DAY).isoformat(),
    }
    command("ab", "start", lab.define(id="next", **bounds))

    code, out, _ = command("ab", "status")

    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert lines[NAME].split()[1:4] == ["ctr", "running", "100%"]
    assert lines["next"].split()[1:4] == ["ctr", "waiting", "0%"]
    rows = json.loads(command("ab", "status", "next", "--json")[1])
    assert rows[0]["decision"]["action"] == "start"
    assert "Crosses raise clicks." in command("ab", "status", NAME)[1]


def test_a_stop_ends_traffic_and_trial(lab: Lab, command: Command) -> None:
    command("ab", "start", lab.define())

    code, out, _ = command(*("ab", "stop", NAME, "--reason", "the sale began"))

    assert code == 0
    assert "stop: the sale began" in out
    assert lab.stopped == "the sale began"
    stable = lab.versions[0]
    assert lab.labels == {"canary": stable, "stable": stable}
    moved = f"ctr: canary is version {stable}"
    assert lab.actions[1:] == [
        ("stop", ()),
        ("stop", (moved, "no unit is assigned any more")),
    ]
    assert "stopped" in command("ab", "status")[1]


def test_a_stop_leaves_the_trial_to_another_experiment(
    lab: Lab, command: Command
) -> None:
    layers = [{"name": "feed", "buckets": [low, low + 5_000]} for low in (0, 5_000)]
    command("ab", "start", lab.define(layer=layers[0]))
    command("ab", "start", lab.define(id="other", layer=layers[1]))

    assert command("ab", "stop", NAME, "--reason", "enough")[0] == 0

    assert lab.labels["canary"] == lab.versions[1]


def test_labels_that_cannot_move_leave_the_traffic_and_are_recorded(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    store = VersionStore(lab.folder / "serving", "ctr")

    with store.storage.change_model():
        code, _, shown = command("ab", "rollback", NAME, "--reason", "slow")

    assert code == 1
    assert "Another process is changing" in shown
    assert lab.stopped is None
    assert lab.actions[-1][1][0].startswith("failed: Another process")


def test_a_journal_that_cannot_be_written_keeps_no_harmful_arm(
    lab: Lab, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("ab", "start", lab.define())

    def append(journal: DecisionJournal, decision: Decision) -> None:
        raise storage_error(OSError(errno.ENOSPC, "full"), journal.path)

    monkeypatch.setattr(DecisionJournal, "append", append)
    assert command("ab", "stop", NAME, "--reason", "enough")[0] == 1
    assert lab.stopped is None
    code, _, shown = command("ab", "rollback", NAME, "--reason", "slow")

    assert code == 1
    assert "No space is left on the disk." in shown
    assert lab.labels["canary"] == lab.versions[0]
    assert lab.stopped == "slow"


def test_units_and_days_are_planned_from_a_rate(lab: Lab, command: Command) -> None:
    arguments = ("ab", "plan", lab.define(), "--rate", "0.2", "--units-per-day", "9000")

    code, out, shown = command(*arguments)
    made = json.loads(command(*arguments, "--json")[1])

    assert code == 0, shown
    assert f"units: {made['units']:,} (control " in out
    assert f"days: {made['days']}" in out
    assert made["by_day"][-1]["days"] == 14


def test_a_plan_needs_one_place_to_start_from(lab: Lab, command: Command) -> None:
    code, _, shown = command("ab", "plan", lab.define(), "--mean", "3")

    assert code == 1
    assert "--mean with --variance" in shown


def test_an_unknown_experiment_is_named(lab: Lab, command: Command) -> None:
    command("ab", "start", lab.define())

    code, _, shown = command("ab", "stop", "croses", "--reason", "x")

    assert code == 1
    assert "Did you mean `crosses`?" in shown


# With a log.


def test_the_report_puts_health_first_and_effects_behind(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    lab.fill_log(clicks=0.3)
    page = lab.folder / "report.html"

    code, out, shown = command("ab", "report", NAME, "--out", page)

    assert code == 0, shown
    assert "treatment is better" in out
    assert "latency_ms" in out
    assert page.read_text().count("<html") == 1
    record = json.loads(command("ab", "report", NAME, "--json", "--out", page)[1])
    assert record["arms"][1]["versions"] == {str(lab.versions[1]): 3000}
    assert record["arms"][1]["lineage"]["version"] == str(lab.versions[1])


def test_a_definition_that_was_not_started_has_its_lineage_from_the_root(
    lab: Lab, command: Command
) -> None:
    lab.experiments.mkdir()
    lab.define().rename(lab.experiments / "by_hand.yaml")
    lab.fill_log(control=10)

    found = ("ab", "report", NAME, "--json", "--out", lab.folder / "report.html")

    arms = json.loads(command(*found)[1])["arms"]
    assert arms[1]["lineage"]["version"] == str(lab.versions[1])


def test_effects_of_an_untrusted_experiment_are_not_printed(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    lab.fill_log(clicks=0.3, control=200)

    code, out, _ = command("ab", "report", NAME, "--out", lab.folder / "report.html")

    assert code == 0
    assert "Untrusted" in out
    assert "always valid" not in out


def test_a_breached_guardrail_rolls_the_label_back_by_itself(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    lab.fill_log(clicks=0.3, latency=15.0)

    code, out, shown = command("ab", "watch", NAME)

    assert code == 0, shown
    assert "rollback treatment: `treatment` breaks the guardrail latency_ms" in out
    stable = lab.versions[0]
    assert lab.labels == {"canary": stable, "stable": stable}
    assert "breaks the guardrail" in str(lab.stopped)
    last = DecisionJournal(lab.experiments).of(NAME)[-1]
    numbers = last.numbers["latency_ms of treatment"]
    assert numbers["breached"] is True
    assert float(str(numbers["harm_low"])) > 0.2
    assert last.done == (
        f"ctr: canary is version {stable}",
        "no unit is assigned any more",
    )


def test_a_breach_is_left_to_people_where_the_definition_says_so(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define(on_guardrail="alert"))
    lab.fill_log(latency=15.0)

    assert "alert treatment" in command("ab", "watch", NAME, "--once")[1]

    assert lab.labels["canary"] == lab.versions[1]
    assert lab.stopped is None


def test_a_winner_is_promoted_and_can_be_taken_back(lab: Lab, command: Command) -> None:
    command("ab", "start", lab.define(on_success="promote"))
    lab.fill_log(clicks=0.3)
    stable, trial = lab.versions

    code, out, shown = command("ab", "watch", NAME)

    assert code == 0, shown
    assert "promote treatment" in out
    assert lab.labels == {"canary": trial, "stable": trial}
    assert lab.actions[-1] == (
        "promote",
        ("no unit is assigned any more", f"ctr: stable is version {trial}"),
    )
    assert command("ab", "rollback", NAME, "--reason", "complaints")[0] == 0
    assert lab.labels == {"canary": stable, "stable": stable}
    last = DecisionJournal(lab.experiments).of(NAME)[-1]
    assert last.done == (f"ctr: stable is version {stable}",)
    assert last.numbers["ctr of treatment"]["always_significant"] is True


def test_what_is_logged_after_the_stop_is_left_out(lab: Lab, command: Command) -> None:
    command("ab", "start", lab.define())
    command("ab", "stop", NAME, "--reason", "enough")
    ended = ExperimentBook(lab.experiments).end(NAME)
    lab.fill_log(latest=ended + datetime.timedelta(seconds=1))

    found = ("ab", "report", NAME, "--json", "--out", lab.folder / "report.html")

    assert json.loads(command(*found)[1])["exposures"] == 5400


def test_a_winner_waits_for_a_person_unless_the_definition_says_otherwise(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    lab.fill_log(clicks=0.3)

    assert "promote treatment" in command("ab", "watch", NAME, "--once")[1]
    assert lab.labels["stable"] == lab.versions[0]
    assert lab.stopped is None

    code, _, shown = command("ab", "promote", NAME, "--reason", "clicks rose")

    assert code == 0, shown
    assert lab.labels["stable"] == lab.versions[1]


def test_a_person_cannot_promote_what_is_not_trusted(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    lab.fill_log(clicks=0.3, control=200)

    code, _, shown = command("ab", "promote", NAME, "--reason", "clicks rose")

    assert code == 1
    assert "What speaks against it:" in shown
    assert lab.labels["stable"] == lab.versions[0]
    assert lab.stopped is None


def test_a_version_that_was_not_measured_is_not_promoted(
    lab: Lab, command: Command
) -> None:
    command("ab", "start", lab.define())
    lab.fill_log(clicks=0.3)
    measured = lab.versions[1]
    newer = VersionStore(lab.folder / "serving", "ctr").publish(
        make_model(lab.folder / "newer", b"newer"), provenance={}, label="canary"
    )

    code, _, shown = command("ab", "promote", NAME, "--reason", "clicks rose")

    assert code == 1
    assert f"version {newer.version} now, but version {measured} was measured" in shown
    assert lab.labels["stable"] == lab.versions[0]
    assert lab.stopped is None


def test_a_watch_goes_on_while_the_log_cannot_be_read(
    lab: Lab, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("ab", "start", lab.define())

    def wait(seconds: float) -> None:
        assert seconds == 300
        lab.fill_log(latency=15.0)

    monkeypatch.setattr(ab_commands, "time", types.SimpleNamespace(sleep=wait))
    code, out, shown = command("ab", "watch", NAME)

    assert code == 0
    assert "There is no such folder of logs." in shown
    assert "rollback treatment" in out


def test_a_plan_starts_from_the_log_of_an_earlier_experiment(
    lab: Lab, command: Command
) -> None:
    lab.fill_log()
    definition = lab.define(id="next")

    code, out, shown = command(
        *("ab", "plan", definition, "--log", lab.log, "--past", NAME, "--json")
    )

    assert code == 0, shown
    assert json.loads(out)["baseline"]["mean"] == pytest.approx(0.2, abs=0.02)
