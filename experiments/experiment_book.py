"""The experiments of a folder, checked one against the other and against their past."""

import contextlib
import datetime
import fcntl
import hashlib
import itertools
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping

import pydantic

from clickwright.schemas.atomic_file import write_text
from clickwright.schemas.errors import (
    ClickwrightError,
    ConfigError,
    DataError,
    did_you_mean,
    storage_error,
)
from clickwright.schemas.experiment import Experiment, Instant
from clickwright.schemas.strict_yaml import StrictModel, load

STATE_FILE = "running.json"
_LOCK_FILE = ".running.lock"
_DEALING = ("arms", "control", "layer", "model", "unit", "unit_source")
"""Fields that decide which unit gets what, beside the salt."""

Clock = Callable[[], datetime.datetime]
_Signature = tuple[tuple[str, int, int], ...]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class ExperimentBook:
    """The experiments of a folder: one YAML file each.

    Beside them the book keeps the last definition that it accepted of each experiment.
    Once one has started, what deals its units stays as it is: units that changed arms
    would have seen both. So do the primary metric and the rule that ends it. The ramp
    may grow and the end may move. With a new salt and a start that is still to come it
    begins anew; its log still holds what was before.

    Args:
        folder: the folder of the YAML files.
        state: the file of what was accepted; `running.json` in the folder by default.
        clock: returns the time now, aware of its time zone.

    Raises:
        ConfigError: a definition breaks a rule, contradicts another, or changes what
            must not change.
        DataError: the file of what was accepted is damaged.
        MachineError: that file cannot be written.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        state: pathlib.Path | None = None,
        clock: Clock = _now,
    ) -> None:
        self.folder = folder
        self._state_path = state or folder / STATE_FILE
        self._clock = clock
        self._state = _State()
        self._experiments: dict[str, Experiment] = {}
        self._seen: _Signature | None = None
        self._refused: ClickwrightError | None = None
        if (error := self.reload()) is not None:
            raise error

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        """The definitions by id, whether they run or not."""
        return self._experiments

    def of_model(self, model: str, at: datetime.datetime) -> list[Experiment]:
        """Those that run on a model at a time, in the order of their ids."""
        state = self._state  # another thread may reload meanwhile
        return [
            experiment
            for experiment in self._experiments.values()
            if experiment.model == model
            and experiment.start <= at < _end(experiment, state)
        ]

    def end(self, name: str) -> datetime.datetime:
        """When an experiment ends or ended: by plan, or earlier if it was stopped."""
        return _end(self.experiment(name), self._state)

    def stopped(self, name: str) -> str | None:
        """Why an experiment was stopped; None if it was not."""
        entry = self._state.experiments.get(name)
        return entry.stop.reason if entry and entry.stop else None

    def experiment(self, name: str) -> Experiment:
        """Returns a definition by its id.

        Raises:
            ConfigError: there is none of that id.
        """
        if name in self._experiments:
            return self._experiments[name]
        known = ", ".join(f"`{known}`" for known in self._experiments) or "none"
        raise ConfigError(
            f"There is no experiment `{name}`.{did_you_mean(name, self._experiments)} "
            f"Experiments: {known}.",
            where=str(self.folder),
            fix="name one of these",
        )

    def reload(self) -> ClickwrightError | None:
        """Reads the folder again, if a file of it has changed.

        Returns:
            Why the files are refused; the experiments are then those of before. None
            if they are accepted.
        """
        try:
            seen = self._signature()
        except ConfigError as error:  # the folder is gone, perhaps for a moment
            return error
        if seen != self._seen:
            self._seen = seen
            try:
                self._read()
                self._refused = None
            except ClickwrightError as error:
                self._refused = error
        return self._refused

    def stop(self, name: str, reason: str) -> datetime.datetime:
        """Ends an experiment now, for every process that reads the folder.

        Args:
            name: its id.
            reason: why, one line.

        Returns:
            When it ended: now, or before if it had ended already.

        Raises:
            ConfigError: there is no such experiment.
            MachineError: the folder cannot be written to.
        """
        experiment = self.experiment(name)
        with self._locked():
            state = self._read_state()
            entry = state.experiments.get(name) or _Entry(definition=experiment)
            if entry.stop is None:
                stop = _Stop(at=self._clock(), reason=reason)
                entry = entry.model_copy(update={"stop": stop})
                state = state.with_entry(name, entry)
                self._write_state(state)
            self._state = state
        return self.end(name)

    def _read(self) -> None:
        """Reads and checks all files; changes nothing of the book where one is bad."""
        found = self._definitions()
        with self._locked():
            before = self._read_state()
            now, after = self._clock(), before
            for path, experiment in found:
                old = before.experiments.get(experiment.id)
                entry = _accepted(experiment, old, now, str(path))
                if entry != old:
                    after = after.with_entry(experiment.id, entry)
            _check_together(found, after)
            if after != before:
                self._write_state(after)
        self._state = after
        self._experiments = {
            experiment.id: experiment
            for _, experiment in sorted(found, key=lambda pair: pair[1].id)
        }

    def _definitions(self) -> list[tuple[pathlib.Path, Experiment]]:
        found: list[tuple[pathlib.Path, Experiment]] = []
        by_id: dict[str, pathlib.Path] = {}
        for path in self._paths():
            experiment = load(Experiment, path)
            if (other := by_id.setdefault(experiment.id, path)) != path:
                raise ConfigError(
                    f"`id` must be an experiment's own. Received: {experiment.id!r}, "
                    f"which {other.name} has too.",
                    where=str(path),
                    fix="give another id, or remove one of the files",
                )
            found.append((path, experiment))
        return found

    def _paths(self) -> list[pathlib.Path]:
        if not self.folder.is_dir():
            raise ConfigError(
                "There is no such folder of experiments.",
                where=str(self.folder),
                fix="make it, or give the folder that holds their YAML files",
            )
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
        )

    def _signature(self) -> _Signature:
        """Changes whenever a file does."""
        found = []
        for path in (*self._paths(), self._state_path):
            with contextlib.suppress(OSError):  # reading it will say why
                status = path.stat()
                found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock of the file of what was accepted, for milliseconds."""
        path = self._state_path.parent / _LOCK_FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except OSError as error:
            raise storage_error(error, path) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read_state(self) -> "_State":
        try:
            return _State.model_validate_json(self._state_path.read_bytes())
        except FileNotFoundError:
            return _State()
        except (OSError, pydantic.ValidationError) as error:
            raise DataError(
                f"What was accepted cannot be read: {' '.join(str(error).split())}.",
                where=str(self._state_path),
                fix="bring the file back from a copy; without it a running experiment "
                "could be changed unseen",
            ) from error

    def _write_state(self, state: "_State") -> None:
        write_text(self._state_path, state.model_dump_json(indent=1) + "\n")


class _Stop(StrictModel):
    """That an experiment ended before its time."""

    at: Instant
    reason: str


class _Entry(StrictModel):
    """What was accepted of one experiment."""

    definition: Experiment

    dealt: dict[str, str] = pydantic.Field(default_factory=dict)
    """Digest of what dealt the units, by each salt that ever ran."""

    stop: _Stop | None = None


class _State(StrictModel):
    """What was accepted, by the experiment's id."""

    experiments: dict[str, _Entry] = pydantic.Field(default_factory=dict)

    def with_entry(self, name: str, entry: _Entry) -> "_State":
        return _State(experiments={**self.experiments, name: entry})


def _accepted(
    new: Experiment, old: _Entry | None, now: datetime.datetime, where: str
) -> _Entry:
    """The entry of a definition that may follow the one of before.

    Raises:
        ConfigError: it changes what must not change.
    """
    salt, digest = _salt(new), _digest(new)
    dealt, stop = {}, None
    if old is not None:
        before, dealt, stop = old.definition, dict(old.dealt), old.stop
        if before.start <= now and salt not in dealt:
            # It has started since it was last read under this definition.
            dealt[_salt(before)] = _digest(before)
        if dealt.get(salt, digest) != digest:
            raise _changed(
                f"{_differences(before, new)} of an experiment that has started must "
                f"not change under the salt {new.salt!r}: units would change arms.",
                where,
            )
        if salt == _salt(before):
            if before.start <= now:
                _check_continues(before, new, now, where)
        else:
            if dealt and new.start <= now:
                raise _changed(
                    "`start` must be still to come where the salt of an experiment "
                    f"that has started is new. Received: {new.start}.",
                    where,
                )
            stop = None
    if new.start <= now:
        dealt[salt] = digest
    return _Entry(definition=new, dealt=dealt, stop=stop)


def _check_continues(
    before: Experiment, new: Experiment, now: datetime.datetime, where: str
) -> None:
    """Refuses what spoils an experiment that runs."""
    if new.start != before.start:
        raise _changed(
            "`start` of an experiment that has started must not change. Received: "
            f"{new.start}, before: {before.start}.",
            where,
        )
    if new.share_at(now) < before.share_at(now):
        raise _changed(
            "`ramp` of an experiment that has started may only grow. Received: "
            f"{new.share_at(now):g}, reached: {before.share_at(now):g}.",
            where,
        )
    for name, old, value in (
        ("the primary metric", before.primary, new.primary),
        ("`stopping.rule`", before.stopping.rule, new.stopping.rule),
        ("`stopping.alpha`", before.stopping.alpha, new.stopping.alpha),
    ):
        if old != value:
            raise _changed(
                f"{name} of an experiment that has started must not change: what is "
                "chosen after a look at the data proves nothing. "
                f"Received: {value}, before: {old}.",
                where,
            )


def _check_together(
    found: list[tuple[pathlib.Path, Experiment]], state: _State
) -> None:
    """Refuses experiments that would take each other's units.

    Raises:
        ConfigError: names both files.
    """
    for (path, one), (other_path, other) in itertools.combinations(found, 2):
        if one.start >= _end(other, state) or other.start >= _end(one, state):
            continue
        # Of both files the one that starts later is to be changed.
        if other.start >= one.start:
            path, one, other_path, other = other_path, other, path, one
        if one.layer.name != other.layer.name:
            if one.model == other.model:
                raise ConfigError(
                    f"`layer.name` must be {other.layer.name!r}, as in "
                    f"{other_path.name}: the experiments on `{one.model}` that run at "
                    f"one time share one layer. Received: {one.layer.name!r}.",
                    where=str(path),
                    fix="name that layer, or let one start after the other's end",
                )
            continue
        (first, behind), (low, high) = one.layer.buckets, other.layer.buckets
        if first < high and low < behind:
            raise ConfigError(
                f"`layer.buckets` [{first}, {behind}] overlap with [{low}, {high}] of "
                f"{other_path.name}, in the layer {one.layer.name!r} at one time.",
                where=str(path),
                fix="give each its own range, or let one start after the other's end",
            )
        if (one.hash.scheme == "clickwright") != (other.hash.scheme == "clickwright"):
            raise ConfigError(
                f"`hash.scheme` {one.hash.scheme!r} divides the layer "
                f"{one.layer.name!r} otherwise than {other.hash.scheme!r} of "
                f"{other_path.name}.",
                where=str(path),
                fix="give all experiments of a layer Clickwright's scheme, or all "
                "GrowthBook's",
            )


def _end(experiment: Experiment, state: _State) -> datetime.datetime:
    entry = state.experiments.get(experiment.id)
    if entry is None or entry.stop is None:
        return experiment.end
    return min(experiment.end, entry.stop.at)


def _salt(experiment: Experiment) -> str:
    return f"{experiment.hash.scheme}:{experiment.salt}"


def _dealing(experiment: Experiment) -> dict[str, object]:
    fields = experiment.model_dump(mode="json")
    # Not sorted below: the order of the arms decides their buckets.
    return {name: fields[name] for name in _DEALING}


def _digest(experiment: Experiment) -> str:
    return hashlib.sha256(json.dumps(_dealing(experiment)).encode()).hexdigest()


def _differences(before: Experiment, new: Experiment) -> str:
    old, now = _dealing(before), _dealing(new)
    names = [f"`{n}`" for n in _DEALING if json.dumps(old[n]) != json.dumps(now[n])]
    return ", ".join(names) or "What deals the units"


def _changed(what: str, where: str) -> ConfigError:
    return ConfigError(
        what,
        where=where,
        fix="take the change back, or begin anew: stop this one and start another id; "
        "or with a new `hash.salt`, a `start` to come and a log of its own",
    )
