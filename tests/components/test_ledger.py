"""What runs in containers remember of each other."""

import json
import pathlib
from typing import Any

import pytest
from model_folder import make_model
from tfx import types
from tfx.types import artifact_utils, standard_artifacts

from clickwright.components.absence import ABSENT_PROPERTY
from clickwright.components.inspection.artifacts import AutoDisReport
from clickwright.components.ledger.entry import MODEL, STATISTICS
from clickwright.components.ledger.ledger import Ledger
from clickwright.components.ledger.reader_executor import ReaderExecutor
from clickwright.components.ledger.writer_executor import WriterExecutor
from clickwright.components.source.artifacts import PreparedData
from clickwright.components.source.prepared_files import PreparedFiles
from clickwright.components.spans.span_record import SpanRead, SpanRecord
from clickwright.schemas.errors import DataError, MachineError
from clickwright.schemas.manifest import MANIFEST_PATH

OUTPUTS: dict[str, type[types.Artifact]] = {
    "baseline_statistics": standard_artifacts.ExampleStatistics,
    "previous_report": AutoDisReport,
    "baseline_model": standard_artifacts.Model,
    "base_model": standard_artifacts.Model,
}


class Runs:
    """Runs of one pipeline: what they read of the ledger, and what they write."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.address = str(folder / "ledger")
        self._count = 0

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.address, "shop")

    def write(self, data: str, **changes: Any) -> int:
        """A run to its end; returns the number of its entry."""
        blessed = changes.get("blessed", True)
        served = changes.get("served", True)
        self._count += 1
        folder = self.folder / f"run-{self._count}"
        made: dict[str, types.Artifact] = {
            "statistics": standard_artifacts.ExampleStatistics(),
            "report": AutoDisReport(),
            "model": standard_artifacts.Model(),
        }
        for name, artifact in made.items():
            artifact.uri = str(folder / name)
            pathlib.Path(artifact.uri).mkdir(parents=True)
            (pathlib.Path(artifact.uri) / "run").write_text(f"{self._count}")
        made["statistics"].split_names = artifact_utils.encode_split_names(["train"])
        make_model(folder / "model" / "Format-Serving")
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("blessed", int(blessed))
        infra = standard_artifacts.InfraBlessing()
        infra.uri = str(folder / "infra")
        pathlib.Path(infra.uri).mkdir()
        name = "INFRA_BLESSED" if served else "INFRA_NOT_BLESSED"
        (pathlib.Path(infra.uri) / name).touch()
        infra.set_int_custom_property("blessed", int(served))
        prepared = self.prepared(data, changes.get("record"))
        inputs = {
            **{name: [artifact] for name, artifact in made.items()},
            "prepared": [prepared],
            "model_blessing": [blessing],
            "infra_blessing": [infra],
        }
        WriterExecutor().Do(
            inputs,
            {},
            {
                "ledger": self.address,
                "name": "shop",
                "config": changes.get("config", "a"),
                "keep": changes.get("keep", 5),
            },
        )
        return self.ledger.entries()[0].number

    def read(
        self, data: str, config: str = "a", record: SpanRecord | None = None
    ) -> dict[str, str | None]:
        """The run that each output comes from; None for one that stands for none."""
        self._count += 1
        outputs: dict[str, types.Artifact] = {n: cls() for n, cls in OUTPUTS.items()}
        for name, artifact in outputs.items():
            artifact.uri = str(self.folder / f"read-{self._count}" / name)
        ReaderExecutor().Do(
            {"prepared": [self.prepared(data, record)]},
            {name: [artifact] for name, artifact in outputs.items()},
            {"ledger": self.address, "name": "shop", "config": config},
        )
        self.read_artifacts = outputs
        return {
            name: None
            if artifact.get_int_custom_property(ABSENT_PROPERTY)
            else (pathlib.Path(artifact.uri) / "run").read_text()
            for name, artifact in outputs.items()
        }

    def prepared(self, data: str, record: SpanRecord | None) -> types.Artifact:
        artifact = PreparedData()
        artifact.uri = str(self.folder / f"prepared-{data}-{self._count}")
        artifact.set_string_custom_property("input_fingerprint", data)
        files = PreparedFiles(splits=("all",), fingerprint=data, record=record)
        files.write(pathlib.Path(artifact.uri))
        return artifact


@pytest.fixture
def runs(tmp_path: pathlib.Path) -> Runs:
    return Runs(tmp_path)


def span_record(span: int, parent: int | None = None) -> SpanRecord:
    read = SpanRead(span=span, part="newest", fingerprint=f"f{span}", stat="s")
    return SpanRecord(
        span=span, state="started", run_id="", parent=parent, rows=1, read=(read,)
    )


def test_the_first_run_is_given_what_stands_for_none(runs: Runs) -> None:
    assert runs.read("monday") == dict.fromkeys(OUTPUTS)
    for artifact in runs.read_artifacts.values():
        # An empty folder would not reach the next container.
        assert list(pathlib.Path(artifact.uri).iterdir())


def test_a_run_on_other_data_is_given_all_that_the_one_before_left(runs: Runs) -> None:
    runs.write("monday")

    found = runs.read("tuesday")

    assert found == {
        "baseline_statistics": "1",
        "previous_report": "1",
        "baseline_model": "1",
        "base_model": None,
    }
    statistics = runs.read_artifacts["baseline_statistics"]
    assert artifact_utils.decode_split_names(statistics.split_names) == ["train"]
    model = pathlib.Path(runs.read_artifacts["baseline_model"].uri)
    assert (model / "Format-Serving" / "saved_model.pb").read_bytes() == b"graph"
    assert {path.name for path in model.iterdir()} == {"Format-Serving", "run"}


def test_a_repeated_run_is_given_what_the_first_one_was(runs: Runs) -> None:
    runs.write("monday")
    before = runs.read("tuesday")
    runs.write("tuesday")

    assert runs.read("tuesday") == before


def test_another_model_on_the_same_data_has_to_beat_the_one_before(runs: Runs) -> None:
    runs.write("monday", config="a")

    found = runs.read("monday", config="b")

    assert found["baseline_model"] == "1"
    assert found["baseline_statistics"] is None


@pytest.mark.parametrize("verdict", [{"blessed": False}, {"served": False}])
def test_a_model_that_failed_is_no_rival_but_its_data_were_good(
    verdict: dict[str, bool], runs: Runs
) -> None:
    runs.write("monday")
    runs.write("tuesday", **verdict)

    found = runs.read("wednesday")

    assert found["baseline_model"] == "1"
    assert found["baseline_statistics"] == "2"


def test_old_entries_go_but_the_last_model_stays(runs: Runs) -> None:
    first = runs.write("day 0", keep=2)
    for day in range(1, 5):
        runs.write(f"day {day}", blessed=False, keep=2)

    entries = runs.ledger.entries()

    assert [entry.data for entry in entries] == ["day 4", "day 3", "day 0"]
    assert entries[-1].number == first
    assert [entry.holds(MODEL) for entry in entries] == [False, False, True]
    assert all(entry.holds(STATISTICS) for entry in entries)


def test_data_to_compare_with_stay_though_the_newest_runs_share_theirs(
    runs: Runs,
) -> None:
    runs.write("monday", blessed=False, keep=1)
    for config in "abc":
        runs.write("tuesday", config=config, keep=1)

    assert runs.read("tuesday")["baseline_statistics"] == "1"


def test_training_goes_on_from_the_model_of_the_span_that_the_rows_follow(
    runs: Runs,
) -> None:
    runs.write("a", record=span_record(1))
    runs.write("b", record=span_record(2, parent=1))

    assert runs.read("c", record=span_record(3, parent=1))["base_model"] == "1"
    assert runs.read("c", record=span_record(3, parent=2))["base_model"] == "2"
    assert runs.read("c", record=span_record(3))["base_model"] is None


def test_rows_of_a_parent_that_is_gone_are_not_trained_on_from_scratch(
    runs: Runs,
) -> None:
    runs.write("a", record=span_record(1), blessed=False)

    with pytest.raises(DataError, match="span 1 .* no blessed model") as caught:
        runs.read("b", record=span_record(2, parent=1))
    assert "SourceGen" in caught.value.fix


def test_the_history_of_spans_outlives_the_entries(runs: Runs) -> None:
    for span in range(1, 5):
        runs.write(f"day {span}", record=span_record(span), keep=1)

    assert len(runs.ledger.entries()) < 4
    assert [record.span for record in runs.ledger.spans()] == [1, 2, 3, 4]
    assert {record.state for record in runs.ledger.spans()} == {"blessed"}


def test_a_damaged_file_is_named_and_nothing_is_compared_with_it(runs: Runs) -> None:
    number = runs.write("monday")
    entry = pathlib.Path(runs.address, "shop", str(number))
    (entry / "model" / "run").write_text("other")

    with pytest.raises(DataError, match="model/run") as caught:
        runs.read("tuesday")
    assert str(number) in caught.value.where


def test_a_damaged_entry_is_named(runs: Runs) -> None:
    number = runs.write("monday")
    manifest = pathlib.Path(runs.address, "shop", str(number), MANIFEST_PATH)
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "digest": "0" * 64}))

    with pytest.raises(DataError, match="entry of the ledger is damaged") as caught:
        runs.read("tuesday")
    assert "remove this folder" in caught.value.fix


def test_a_second_writer_is_told_of_the_first(runs: Runs) -> None:
    runs.write("monday")

    with (
        runs.ledger.storage.change_model(),
        pytest.raises(MachineError, match="Another process"),
    ):
        runs.write("tuesday")
    assert [entry.data for entry in runs.ledger.entries()] == ["monday"]


def test_an_interrupted_writer_leaves_nothing_to_compare_with(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("clickwright.components.ledger.ledger.hash_files", fail)
        with pytest.raises(MachineError, match="No space"):
            runs.write("monday")

    assert runs.read("tuesday") == dict.fromkeys(OUTPUTS)
    assert runs.write("monday")
