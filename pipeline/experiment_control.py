"""One experiment from its start to its end: what `watch` and people do to it."""

import datetime
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Literal

from clickwright.components.publisher.release_record import STABLE
from clickwright.experiments.decision.decide import closing_time, decide
from clickwright.experiments.decision.decision import Decision, Numbers
from clickwright.experiments.decision.decision_journal import (
    DecisionJournal,
    turning_points,
)
from clickwright.experiments.events.event_store import EventStore
from clickwright.experiments.experiment_book import STATE_FILE, ExperimentBook
from clickwright.experiments.report.ab_report import AbReport
from clickwright.experiments.report.build_report import build_report
from clickwright.pipeline import experiment_release
from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    DataError,
    MachineError,
)
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import load

State = Literal["waiting", "running", "ended", "stopped"]
_TRAFFIC = "no unit is assigned any more"
_LINEAGE = "lineage of "


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class ExperimentControl:
    """What may be done to a running experiment; each act is in the journal.

    Args:
        folder: the folder of the experiments that the router reads.
        name: id of the experiment.
        root: the serving root, where labels move; None: nothing is moved.
        log: the router's folder of logs; None: nothing is measured.
        clock: returns the time now, aware of its time zone.

    Raises:
        ConfigError: there is no such experiment, or the folder is refused.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        name: str,
        *,
        root: str | None = None,
        log: pathlib.Path | None = None,
        clock: Callable[[], datetime.datetime] = _now,
    ) -> None:
        self.book = ExperimentBook(folder, clock=clock)
        self.journal = DecisionJournal(folder)
        self.experiment = self.book.experiment(name)
        self._root = root
        self._log = log
        self._clock = clock

    @property
    def state(self) -> State:
        """Whether it has begun, and whether it has ended and how."""
        name, now = self.experiment.id, self._clock()
        if self.book.stopped(name) is not None:
            return "stopped"
        if now < self.experiment.start:
            return "waiting"
        return "running" if now < self.book.end(name) else "ended"

    def report(
        self, true_lifts: Mapping[str, Mapping[str, float]] | None = None
    ) -> AbReport:
        """Measures it as it stands now, or stood when it was stopped.

        Labels move then, and routers need a moment to follow.

        Args:
            true_lifts: what a simulator knows; see `build_report`.
        """
        name, at = self.experiment.id, self._clock()
        if self.book.stopped(name) is not None:
            at = min(at, self.book.end(name))
        decisions = self.journal.of(name)
        return build_report(
            self.experiment,
            EventStore(self._needed_log(), "exposure"),
            EventStore(self._needed_log(), "outcome"),
            at=at,
            lineage=self._lineage(decisions),
            decisions=turning_points(decisions),
            true_lifts=true_lifts,
        )

    def look(self) -> Decision:
        """Measures, decides, carries out and records.

        Returns:
            The decision; with what was done, if it ended the experiment.
        """
        self.book.reload()
        self.experiment = self.book.experiment(self.experiment.id)
        report = self.report()
        decision = decide(report, self.experiment, self._clock())
        wanted = decision.action in ("rollback", "stop") or (
            decision.action == "promote" and self.experiment.on_success == "promote"
        )
        if wanted and self.state != "stopped":
            return self._carry_out(decision, report)
        self.journal.append(decision)
        return decision

    @property
    def over(self) -> bool:
        """Whether nothing is left to decide: it was stopped, or its time is over."""
        return self.state == "stopped" or self._clock() >= closing_time(self.experiment)

    def stop(self, reason: str) -> Decision:
        """Ends it; the version on trial goes, if no other experiment needs it."""
        return self._person("stop", reason)

    def rollback(self, reason: str) -> Decision:
        """Ends it and takes its arm back, from trial or after it was promoted."""
        return self._person("rollback", reason)

    def promote(self, reason: str, arm: str | None = None) -> Decision:
        """Ends it and lets an arm's version answer users.

        Args:
            reason: why, for the journal.
            arm: the arm; None where there is only one beside control.

        Raises:
            ConfigError: there is no such arm, or more than one to choose from.
            DataError: the result is not trusted, a guardrail is breached, or the arm's
                version is not the one that was measured.
        """
        arms = [
            name for name in self.experiment.arms if name != self.experiment.control
        ]
        arm = arms[0] if arm is None and len(arms) == 1 else arm
        if arm not in arms:
            raise ConfigError(
                f"The arm to promote must be one of {', '.join(arms)}. "
                f"Received: {arm or 'none'}.",
                where=f"experiment `{self.experiment.id}`",
                fix="name it with --arm",
            )
        report = self.report()
        against = [check.text for check in report.health.failures] + [
            f"The guardrail {effect.metric} is breached."
            for effect in report.effects
            if effect.arm == arm and effect.breached
        ]
        if against:
            raise DataError(
                f"What speaks against it: {' '.join(against)}",
                where=f"experiment `{self.experiment.id}`, arm `{arm}`",
                fix="mend the cause and begin anew with another salt; a version can "
                "be released without its experiment by `clickwright models promote`",
            )
        numbers = decide(report, self.experiment, self._clock()).numbers
        decision = Decision(
            at=self._clock(),
            experiment=self.experiment.id,
            action="promote",
            reason=reason,
            by="person",
            arm=arm,
            numbers=numbers,
        )
        return self._carry_out(decision, report)

    def _person(self, action: Literal["stop", "rollback"], reason: str) -> Decision:
        decision = Decision(
            at=self._clock(),
            experiment=self.experiment.id,
            action=action,
            reason=reason,
            by="person",
            numbers=self._numbers_at_hand(),
        )
        return self._carry_out(decision, None)

    def _numbers_at_hand(self) -> Numbers:
        """What is measured; an experiment can be ended without."""
        if self._log is None:
            return {}
        try:
            report = self.report()
        except ClickwrightError as error:
            return {"log": {"unread": str(error)}}
        return decide(report, self.experiment, self._clock()).numbers

    def _carry_out(self, decision: Decision, report: AbReport | None) -> Decision:
        """Does what was decided, between its two lines of the journal."""
        try:
            self.journal.append(decision)
        except MachineError:
            # A full disk must not keep a harmful arm; the second line raises again.
            if decision.action != "rollback":
                raise
        done: list[str] = []
        try:
            if decision.action == "promote":
                version = self._promotable(decision.arm or "", report)
                # Nobody may be measured with labels that move.
                self._end(decision, done)
                done += experiment_release.promote(
                    self.experiment.model, version, self._needed_root()
                )
            else:
                # Without an experiment the newest version answers: the trial goes first.
                done += self._take_back(decision)
                self._end(decision, done)
        except ClickwrightError as error:
            done.append(f"failed: {error.what}")
            raise
        finally:
            decision = decision.model_copy(update={"done": tuple(done)})
            self.journal.append(decision)
        return decision

    def _end(self, decision: Decision, done: list[str]) -> None:
        if self.state in ("waiting", "running"):
            self.book.stop(self.experiment.id, decision.reason)
            done.append(_TRAFFIC)

    def _promotable(self, arm: str, report: AbReport | None) -> int:
        arms = report.arms if report else ()
        seen = next((a.versions for a in arms if a.name == arm), {})
        return experiment_release.promotable(
            self.experiment, arm, self._needed_root(), seen
        )

    def _take_back(self, decision: Decision) -> tuple[str, ...]:
        others: list[Experiment] = []
        promoted = None
        if decision.action == "stop":
            now = self._clock()
            others = [
                other
                for name, other in self.book.experiments.items()
                if name != self.experiment.id and now < self.book.end(name)
            ]
        else:
            promoted = self._promoted()
        return experiment_release.take_back(
            self.experiment, self._needed_root(), others=others, promoted=promoted
        )

    def _promoted(self) -> int | None:
        """The version that this experiment made stable."""
        prefix = f"{self.experiment.model}: {STABLE} is version "
        for decision in reversed(self.journal.of(self.experiment.id)):
            if decision.action == "promote":
                for text in decision.done:
                    if text.startswith(prefix):
                        return int(text.removeprefix(prefix))
        return None

    def _lineage(self, decisions: list[Decision]) -> dict[str, dict[str, str]]:
        """What was known of the arms when it started; labels may have moved since."""
        started = [d.numbers for d in decisions if d.action == "start"]
        if not started:
            return self._lineage_now()
        found = {}
        for arm in self.experiment.arms:
            facts = started[-1].get(f"{_LINEAGE}{arm}", {})
            found[arm] = {name: str(fact) for name, fact in facts.items()}
        return found

    def _lineage_now(self) -> dict[str, dict[str, str]]:
        """For a definition that was put into the folder by hand."""
        if self._root is None:
            return {}
        try:
            versions = experiment_release.versions(self.experiment, self._root)
        except ConfigError:
            return {}  # an arm is served no more
        return experiment_release.lineage(
            self.experiment, versions, self._root, self.book.folder
        )

    def _needed_log(self) -> pathlib.Path:
        if self._log is None:
            raise ConfigError(
                "The logs are needed to measure.", fix="give --log, the router's folder"
            )
        return self._log

    def _needed_root(self) -> str:
        if self._root is None:
            raise ConfigError(
                "The serving root is needed to move labels.",
                fix="give --root, `<out>/serving` of a run",
            )
        return self._root


def start(
    definition: pathlib.Path,
    folder: pathlib.Path,
    *,
    root: str | None = None,
    clock: Callable[[], datetime.datetime] = _now,
) -> ExperimentControl:
    """Puts a definition among those that the router reads, or in its own place there.

    Args:
        definition: the YAML file.
        folder: the folder of the router's experiments.
        root: the serving root; None: the arms' targets are not looked for.
        clock: returns the time now, aware of its time zone.

    Raises:
        ConfigError: the definition breaks a rule, an arm's target is not served, it
            takes units of another experiment, or it changes a running one.
        MachineError: the folder cannot be written to.
    """
    experiment = load(Experiment, definition)
    versions = experiment_release.versions(experiment, root) if root else {}
    folder.mkdir(parents=True, exist_ok=True)
    # As before, if it is there: a file may have any name.
    name = next(
        (path.name for path in _yaml_files(folder) if _id_of(path) == experiment.id),
        f"{experiment.id}.yaml",
    )
    text = definition.read_text(encoding="utf-8")
    if (folder / name).absolute() != definition.absolute():
        _check(name, text, folder, clock)
        write_text(folder / name, text)
    control = ExperimentControl(folder, experiment.id, root=root, clock=clock)
    lineage = experiment_release.lineage(experiment, versions, root, definition.parent)
    control.journal.append(
        Decision(
            at=clock(),
            experiment=experiment.id,
            action="start",
            reason=experiment.hypothesis,
            by="person",
            numbers={
                "weights": {name: arm.weight for name, arm in experiment.arms.items()},
                **{f"{_LINEAGE}{arm}": dict(facts) for arm, facts in lineage.items()},
            },
        )
    )
    return control


def _check(
    name: str, text: str, folder: pathlib.Path, clock: Callable[[], datetime.datetime]
) -> None:
    """Tries a file in a copy of the folder: routers read the folder itself."""
    with tempfile.TemporaryDirectory() as copy:
        copied = pathlib.Path(copy)
        state = folder / STATE_FILE
        for path in (*_yaml_files(folder), *([state] if state.exists() else [])):
            (copied / path.name).write_bytes(path.read_bytes())
        (copied / name).write_text(text, encoding="utf-8")
        try:
            ExperimentBook(copied, clock=clock)
        except ClickwrightError as error:
            where = error.where.replace(copy, str(folder))
            raise type(error)(error.what, where=where, fix=error.fix) from error


def _yaml_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
    )


def _id_of(path: pathlib.Path) -> str:
    return load(Experiment, path).id
