"""A folder of experiments: read, checked together, guarded while they run."""

import datetime
import json
import pathlib
from typing import Any

import pytest
import yaml
from ab_definition import END, START, arms, definition_content

from clickwright.experiments.experiment_book import STATE_FILE, ExperimentBook
from clickwright.schemas.errors import ConfigError, DataError, MachineError

DAY = datetime.timedelta(days=1)
HALF = {"name": "feed", "buckets": [0, 5_000]}


class Folder:
    """Definitions in a folder, and the time as the book sees it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.now = START + DAY

    def write(self, name: str = "crosses", **changes: Any) -> None:
        content = definition_content(**{"id": name, **changes})
        text = yaml.safe_dump(content, sort_keys=False)
        (self.path / f"{name}.yaml").write_text(text)

    def book(self) -> ExperimentBook:
        return ExperimentBook(self.path, clock=lambda: self.now)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Folder:
    found = Folder(tmp_path)
    found.write()
    return found


def running(book: ExperimentBook, at: datetime.datetime = START + DAY) -> list[str]:
    return [experiment.id for experiment in book.of_model("ctr", at)]


def test_the_experiments_of_a_model_are_those_that_run(folder: Folder) -> None:
    folder.write("later", start=END.isoformat(), end=(END + DAY).isoformat())
    folder.write("other", model="cvr")
    (folder.path / ".crosses.yaml.swp").write_text("not a definition")

    book = folder.book()

    assert set(book.experiments) == {"crosses", "later", "other"}
    assert running(book) == ["crosses"]
    assert running(book, END) == ["later"]
    assert running(book, START - DAY) == []


def test_files_that_come_and_go_are_seen_at_the_next_reload(folder: Folder) -> None:
    book = folder.book()
    folder.write("other", model="cvr")
    (folder.path / "crosses.yaml").unlink()

    assert book.reload() is None
    assert set(book.experiments) == {"other"}


def test_a_file_that_is_refused_leaves_the_experiments_as_they_were(
    folder: Folder,
) -> None:
    book = folder.book()
    folder.write("other", arms=arms(control=0.5, treatment=0.6), model="cvr")

    refused = book.reload()

    assert isinstance(refused, ConfigError) and "must sum to 1" in str(refused)
    assert refused.where.endswith("other.yaml")
    assert book.reload() is refused, "it is still refused"
    assert set(book.experiments) == {"crosses"}
    folder.write("other", model="cvr")
    assert book.reload() is None
    assert set(book.experiments) == {"crosses", "other"}


def test_two_experiments_that_overlap_in_one_layer_are_refused(folder: Folder) -> None:
    folder.write(layer=HALF)
    folder.write("second", layer={"name": "feed", "buckets": [4_999, 10_000]})

    with pytest.raises(ConfigError, match=r"\[4999, 10000\] overlap with \[0, 5000\]"):
        folder.book()

    folder.write("second", layer={"name": "feed", "buckets": [5_000, 10_000]})
    assert running(folder.book()) == ["crosses", "second"]


def test_the_same_buckets_may_be_used_one_experiment_after_the_other(
    folder: Folder,
) -> None:
    folder.write("second", start=END.isoformat(), end=(END + DAY).isoformat())

    assert set(folder.book().experiments) == {"crosses", "second"}


def test_experiments_on_one_model_share_one_layer(folder: Folder) -> None:
    folder.write("second", layer={"name": "own", "buckets": [0, 100]})

    with pytest.raises(ConfigError, match="share one layer"):
        folder.book()


def test_a_layer_is_divided_by_one_hash(folder: Folder) -> None:
    folder.write(layer=HALF)
    upper = {"name": "feed", "buckets": [5_000, 10_000]}
    folder.write("second", layer=upper, hash={"scheme": "growthbook_v2"})

    with pytest.raises(ConfigError, match="divides the layer"):
        folder.book()


def test_two_files_with_one_id_are_refused(folder: Folder) -> None:
    text = (folder.path / "crosses.yaml").read_text()
    (folder.path / "copy.yaml").write_text(text)

    with pytest.raises(ConfigError, match="which copy.yaml has too"):
        folder.book()


THIRD: dict[str, Any] = {"arms": arms(control=0.6, treatment=0.4)}
OTHER_TARGET = {"arms": arms(control=0.5, treatment=0.5)}
REVERSED = {"arms": dict(reversed(definition_content()["arms"].items()))}
STRICTER = [{**definition_content()["metrics"][0], "minimum_effect": 0.05}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (THIRD, "`arms` of an experiment that has started must not change"),
        (OTHER_TARGET, "`arms` of an experiment"),
        (REVERSED, "`arms` of an experiment"),
        ({"layer": HALF}, "`layer` of an experiment"),
        ({"unit_source": {"header": "x-user"}}, "`unit_source` of an experiment"),
        ({"start": (START - DAY).isoformat()}, "`start` .* must not change"),
        ({"start": (START + 9 * DAY).isoformat()}, "`start` .* must not change"),
        ({"metrics": STRICTER}, "the primary metric .* must not change"),
        ({"stopping": {"alpha": 0.1}}, "`stopping.alpha` .* must not change"),
        ({"hash": {"salt": "new"}}, "`start` must be still to come"),
    ],
)
def test_a_running_experiment_is_not_changed_under_its_units(
    changes: dict[str, Any], said: str, folder: Folder
) -> None:
    book = folder.book()
    before = book.experiment("crosses")

    folder.write(**changes)
    refused = book.reload()

    assert isinstance(refused, ConfigError)
    assert book.experiment("crosses") == before
    with pytest.raises(ConfigError, match=said):
        folder.book()  # nor does a new process take it


def test_what_changes_no_unit_may_change_while_the_experiment_runs(
    folder: Folder,
) -> None:
    book = folder.book()

    folder.write(
        end=(END + DAY).isoformat(),
        overrides={"qa": "treatment"},
        slices=["device"],
        on_success="promote",
    )

    assert book.reload() is None
    assert book.end("crosses") == END + DAY


def test_the_ramp_of_a_running_experiment_only_grows(folder: Folder) -> None:
    def ramp(now: float, later: float = 1.0) -> None:
        steps = [(START, now), (START + 5 * DAY, later)]
        folder.write(ramp=[{"at": a.isoformat(), "share": s} for a, s in steps])

    folder.write(ramp=[{"at": START.isoformat(), "share": 0.1}])
    book = folder.book()
    ramp(0.2)
    assert book.reload() is None
    ramp(0.2, 0.3)  # a plan for later is not yet reached
    assert book.reload() is None
    ramp(0.1)

    assert "may only grow. Received: 0.1, reached: 0.2" in str(book.reload())
    assert book.experiment("crosses").share_at(folder.now) == 0.2


def test_before_it_starts_everything_may_change(folder: Folder) -> None:
    folder.now = START - DAY
    book = folder.book()

    folder.write(**THIRD, hash={"salt": "new"}, start=(START + DAY).isoformat())

    assert book.reload() is None


def test_an_experiment_that_started_unseen_since_it_was_read_is_guarded_too(
    folder: Folder,
) -> None:
    folder.now = START - DAY
    book = folder.book()
    folder.now = START + DAY
    folder.write(**THIRD)

    assert "`arms`" in str(book.reload())


def test_a_new_salt_and_a_start_to_come_begin_anew(folder: Folder) -> None:
    book = folder.book()
    later = (START + 2 * DAY).isoformat()
    folder.write(**THIRD, hash={"salt": "new"}, start=later)

    assert book.reload() is None
    assert running(book) == []
    folder.now = START + 3 * DAY
    folder.write(start=(START + 4 * DAY).isoformat(), metrics=STRICTER)
    assert book.reload() is None, "the salt of before, with the arms of before"
    folder.write(**THIRD, start=(START + 5 * DAY).isoformat())
    assert "under the salt 'crosses'" in str(book.reload())


def test_a_file_that_was_away_comes_back_as_it_was_or_not_at_all(
    folder: Folder,
) -> None:
    book = folder.book()
    (folder.path / "crosses.yaml").unlink()
    assert book.reload() is None
    folder.write(**THIRD)

    assert "`arms`" in str(book.reload())


def test_a_stop_ends_the_experiment_for_every_reader(folder: Folder) -> None:
    router, person = folder.book(), folder.book()

    at = person.stop("crosses", "the guardrail broke")
    folder.now += DAY

    assert at == START + DAY == person.stop("crosses", "again")
    assert router.reload() is None
    for book in (router, person):
        assert running(book, START) == ["crosses"]
        assert running(book, at) == []
        assert book.stopped("crosses") == "the guardrail broke"
    folder.write("next", start=at.isoformat())
    assert router.reload() is None, "the layer is free"


def test_a_stop_of_what_is_not_there_names_what_is(folder: Folder) -> None:
    with pytest.raises(ConfigError, match="Did you mean `crosses`"):
        folder.book().stop("croses", "no")


def test_a_folder_that_vanishes_leaves_the_experiments_as_they_were(
    folder: Folder,
) -> None:
    book = folder.book()
    folder.path.rename(folder.path.with_name("away"))

    assert "no such folder" in str(book.reload())
    assert running(book) == ["crosses"]
    with pytest.raises(ConfigError, match="no such folder"):
        folder.book()


def test_what_was_accepted_may_lie_elsewhere_than_the_files(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("state") / "accepted.json"

    ExperimentBook(folder.path, state=state)

    assert "crosses" in json.loads(state.read_text())["experiments"]
    assert [path.name for path in folder.path.iterdir()] == ["crosses.yaml"]


def test_a_damaged_record_of_what_was_accepted_is_not_passed_over(
    folder: Folder,
) -> None:
    (folder.path / STATE_FILE).write_text("{")

    with pytest.raises(DataError, match="could be changed unseen"):
        folder.book()


def test_a_record_that_cannot_be_written_is_the_machines_fault(
    folder: Folder,
) -> None:
    (folder.path / "blocked").write_text("")

    with pytest.raises(MachineError):
        ExperimentBook(folder.path, state=folder.path / "blocked" / "state.json")
