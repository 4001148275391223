"""A published version becomes the arm of an experiment, with what is known of it."""

import datetime
import json
import math
import pathlib
from typing import Any

import pytest
from ab_definition import definition_content
from tfx.types import standard_artifacts

from clickwright.components.evaluation.result import EvaluationResult, SplitResult
from clickwright.components.experiment.arm_lineage import read_lineage
from clickwright.components.experiment.artifacts import ExperimentDefinition
from clickwright.components.experiment.executor import Executor
from clickwright.components.experiment.template import ExperimentTemplate
from clickwright.components.publisher.version_store import VersionStore
from clickwright.experiments.experiment_book import ExperimentBook
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import load

AT = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)
CONTENT = definition_content(
    id="ctr_{version}", start="+0h", end="+14d", ramp=[{"at": "+2h", "share": 0.5}]
)


class Shop:
    """A serving root, and ExperimentGen run on what was published there last."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.store = VersionStore(folder / "serving", "ctr")
        self.published: list[int] = []

    def publish(self, model_id: int) -> int:
        model = self.folder / f"model-{model_id}"
        model.mkdir()
        (model / "saved_model.pb").write_text(str(model_id))
        manifest = self.store.publish(
            model, provenance={"model_artifact_id": str(model_id)}, label="canary"
        )
        self.published.append(manifest.version)
        return manifest.version

    def generate(
        self, *, pushed: bool = True, content: Any = CONTENT
    ) -> ExperimentDefinition:
        push = standard_artifacts.PushedModel()
        push.set_int_custom_property("pushed", int(pushed))
        if pushed:
            push.set_string_custom_property("pushed_version", str(self.published[-1]))
        examples = standard_artifacts.Examples()
        examples.id = 4
        examples.set_string_custom_property("input_fingerprint", "rows:600")
        examples.set_int_custom_property("span", 3)
        evaluation = standard_artifacts.ModelEvaluation()
        evaluation.id = 5
        evaluation.uri = self._folder("evaluation")
        overall = {"auc": 0.78125, "gauc": math.nan, "rows": 600.0}
        EvaluationResult(
            splits={"test": SplitResult(overall, (), ())},
            blessed=True,
            baseline={"auc": 0.75, "rows": 600.0},
        ).write(evaluation.uri)
        blessing = standard_artifacts.ModelBlessing()
        blessing.set_int_custom_property("baseline_model_id", 101)
        found = ExperimentDefinition()
        found.uri = self._folder("experiment")
        Executor(Executor.Context(pipeline_run_id="2026-11-01T12:00:00")).Do(
            {
                "pushed_model": [push],
                "examples": [examples],
                "evaluation": [evaluation],
                "model_blessing": [blessing],
            },
            {"experiment": [found]},
            {
                "template": json.dumps(content),
                "destination": str(self.folder / "serving"),
            },
        )
        return found

    def _folder(self, name: str) -> str:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return str(folder)


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> Shop:
    return Shop(tmp_path)


def test_the_version_on_trial_meets_the_stable_one(shop: Shop) -> None:
    stable, trial = shop.publish(101), shop.publish(102)

    found = shop.generate()

    folder = pathlib.Path(found.uri)
    experiment = load(Experiment, folder / "experiment.yaml")
    assert experiment.id == f"ctr_{trial}"
    assert experiment.end - experiment.start == datetime.timedelta(days=14)
    assert found.get_int_custom_property("defined") == 1
    assert found.get_string_custom_property("experiment_id") == experiment.id
    versions = [
        found.get_string_custom_property(f"version_{arm}") for arm in experiment.arms
    ]
    assert versions == [str(stable), str(trial)]
    assert list(ExperimentBook(folder).experiments) == [experiment.id]


def test_the_lineage_has_run_span_and_metrics_of_both_arms(shop: Shop) -> None:
    stable, trial = shop.publish(101), shop.publish(102)

    lineage = read_lineage(pathlib.Path(shop.generate().uri))

    published = lineage["treatment"].pop("published")
    assert datetime.datetime.fromisoformat(published).tzinfo is not None
    assert lineage["treatment"] == {
        "model": "ctr",
        "version": str(trial),
        "model_artifact_id": "102",
        "run": "2026-11-01T12:00:00",
        "span": "3",
        "input_fingerprint": "rows:600",
        "examples_artifact_id": "4",
        "evaluation_artifact_id": "5",
        "auc": "0.78125",
        "rows": "600",
    }
    control = lineage["control"]
    # Control is the model that the new one was compared with, on the same rows.
    assert (control["version"], control["auc"]) == (str(stable), "0.75")
    assert "run" not in control


def test_a_control_that_the_model_was_not_compared_with_has_no_metrics(
    shop: Shop,
) -> None:
    shop.publish(99)
    shop.publish(102)

    control = read_lineage(pathlib.Path(shop.generate().uri))["control"]

    assert control["model_artifact_id"] == "99"
    assert "auc" not in control


def test_there_is_no_experiment_on_the_first_version(shop: Shop) -> None:
    shop.publish(101)

    found = shop.generate()

    assert found.get_int_custom_property("defined") == 0
    assert "no label `canary`" in found.get_string_custom_property("reason")
    assert not any(pathlib.Path(found.uri).iterdir())


def test_there_is_no_experiment_where_nothing_was_published(shop: Shop) -> None:
    found = shop.generate(pushed=False)

    assert found.get_string_custom_property("reason") == "nothing was published"


def test_there_is_no_experiment_of_a_version_against_itself(shop: Shop) -> None:
    shop.publish(101)
    version = shop.publish(102)
    shop.store.promote(version)

    found = shop.generate()

    assert f"all arms are version {version}" == found.get_string_custom_property(
        "reason"
    )


def test_a_template_counts_its_times_from_the_publication() -> None:
    experiment = ExperimentTemplate(CONTENT).filled(7, AT)

    assert experiment.id == experiment.salt == "ctr_7"
    assert experiment.start == AT
    assert experiment.ramp[0].at == AT + datetime.timedelta(hours=2)


def test_a_template_that_gives_no_definition_is_refused_as_it_is_read(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "ctr.yaml"
    path.write_text(json.dumps({**CONTENT, "end": "+2w"}))

    with pytest.raises(ConfigError, match="`end`") as error:
        ExperimentTemplate.read(path)

    assert error.value.where == str(path)


def test_a_damaged_lineage_is_named_and_a_missing_one_is_empty(
    tmp_path: pathlib.Path,
) -> None:
    assert read_lineage(tmp_path) == {}
    (tmp_path / "lineage.json").write_text('{"control": {"auc": 0.5}}')

    with pytest.raises(DataError, match="auc"):
        read_lineage(tmp_path)
