"""The component: from transformed rows to what the Trainer takes."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import retrieval_log
from tfx import types
from tfx.types import artifact_utils, channel_utils, standard_artifacts
from tfx.utils import io_utils
from transformed_shop import PLAN, SPEC, Transformed

from clickwright.components.hyperparameters import (
    read_hyperparameters,
    write_hyperparameters,
)
from clickwright.components.tuner.component import Tuner
from clickwright.components.tuner.executor import Executor
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.result import TuningResult, changed
from clickwright.components.tuner.trial_outcome import TrialOutcome
from clickwright.components.tuner.trial_runner import TrialRunner
from clickwright.components.tuner.worker_process import WorkerProcess
from clickwright.models.training import run as trainer
from clickwright.models.training.trainer_inputs import HYPERPARAMETER
from clickwright.models.training.tuned import TUNED
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ClickwrightError, ConfigError, DataError
from clickwright.schemas.spec import FeatureSpec

MODEL = {"name": "dnn", "params": {"embedding_dim": 4, "hidden_units": [4]}}
LINEAR = {"name": "logistic_regression", "params": {}}
TRAINING = {"epochs": 2, "batch_size": 128, "learning_rate": 1e-5, "device": "cpu"}
SPACE: dict[Any, Any] = {
    "model": {"hidden_units": [[4], [8]], "dropout": None},
    "training": {"learning_rate": [0.05]},
}
ONLY = ("model.hidden_units", "training.learning_rate")
Search = Callable[..., dict[str, list[types.Artifact]]]


@pytest.fixture
def search(transformed: Transformed, tmp_path: pathlib.Path) -> Search:
    """Runs the executor; gives the output artifacts."""

    def search(
        rows: Transformed = transformed,
        spec: FeatureSpec = SPEC,
        model: Any = MODEL,
        training: Any = TRAINING,
        given: Any = None,
        **tuner: Any,
    ) -> dict[str, list[types.Artifact]]:
        examples = standard_artifacts.Examples()
        examples.uri = str(rows.train.parent)
        examples.split_names = artifact_utils.encode_split_names(["train", "valid"])
        graph = standard_artifacts.TransformGraph()
        graph.uri = str(rows.graph)
        inputs: dict[str, list[types.Artifact]] = {
            "examples": [examples],
            "transform_graph": [graph],
        }
        if given is not None:
            hyperparameters = standard_artifacts.HyperParameters()
            hyperparameters.uri = str(tmp_path / "given")
            pathlib.Path(hyperparameters.uri).mkdir(exist_ok=True)
            write_hyperparameters([hyperparameters], given)
            inputs["given"] = [hyperparameters]
        component = Tuner(
            channel_utils.as_channel([examples]),
            channel_utils.as_channel([graph]),
            spec=spec,
            model=model,
            training=training,
            tuner=strict_yaml.parse(TunerParams, tuner, "tuner"),
            checkpoint_dir=str(tmp_path / "checkpoints"),
        )
        outputs = {}
        for name, channel in component.outputs.items():
            artifact = channel.type()
            artifact.uri = str(tmp_path / name)
            pathlib.Path(artifact.uri).mkdir(exist_ok=True)
            outputs[name] = [artifact]
        executor = Executor(Executor.Context(tmp_dir=str(tmp_path), unique_id="1"))
        executor.Do(inputs, outputs, component.exec_properties)
        assert list((tmp_path / "checkpoints").iterdir()) == []
        return outputs

    return search


def result_of(outputs: dict[str, list[types.Artifact]]) -> TuningResult:
    return TuningResult.read(pathlib.Path(outputs["tuner_results"][0].uri))


def test_the_trainer_takes_the_best_values_and_what_the_tuner_was_given(
    search: Search, transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    plan = PLAN.model_dump(mode="json")
    outputs = search(
        given={HYPERPARAMETER: plan},
        trials=4,
        algorithm="random",
        space=SPACE,
        only=ONLY,
    )
    result = result_of(outputs)
    assert len(result.trials) == 4
    assert result.objective == "auc" and result.direction == "max"
    # With the configured learning rate of 1e-5 nothing is learned.
    assert result.best_trial.values["training.learning_rate"] == 0.05
    assert (result.best_trial.score or 0) > (result.as_configured.score or 0) + 0.02
    assert changed(result)["training.learning_rate"] == 0.05
    folder = outputs["tuner_results"][0].uri
    of_tfx = json.loads(pathlib.Path(folder, "tuner_results.json").read_text())
    assert max(row["score"] for row in of_tfx) == result.best_trial.score

    best = outputs["best_hyperparameters"]
    found = read_hyperparameters(best)
    assert found[HYPERPARAMETER] == plan
    units = result.best_trial.values["model.hidden_units"]
    assert found[TUNED]["model"] == {"hidden_units": units}
    assert {"space", "values"} < set(found)  # as TFX's Trainer knows them
    only_file = io_utils.get_only_uri_in_dir(best[0].uri)

    class Arguments:
        train_files = (str(transformed.train / "*"),)
        eval_files = (str(transformed.valid / "*"),)
        transform_graph_path = str(transformed.graph)
        serving_model_dir = str(tmp_path / "model" / "Format-Serving")
        model_run_dir = str(tmp_path / "run")
        hyperparameters = json.loads(pathlib.Path(only_file).read_text())
        base_model = None
        custom_config = {  # noqa: RUF012
            "spec": SPEC.model_dump_json(),
            "model": MODEL,
            "training": TRAINING,
        }

    trainer.run_fn(Arguments)
    log = pathlib.Path(Arguments.model_run_dir, "training_log.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["learning_rate"] == pytest.approx(0.05)
    assert max(line["valid_auc"] for line in lines) == result.best_trial.score


@pytest.mark.slow
def test_processes_train_as_this_one_does_and_one_that_is_ended_fails_alone(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"model": LINEAR, "trials": 4, "algorithm": "random", "only": ["model.l2"]}
    here = result_of(search(**fields))
    run = WorkerProcess.run
    killed: list[int] = []

    def killing(self: WorkerProcess, job: Any, report: Any) -> TrialOutcome:
        def kill(curve: tuple[float, ...]) -> bool:
            if job.trial == "1" and not killed:
                process = self._process
                assert process is not None
                killed.append(process.pid)
                process.kill()
            return bool(report(curve))

        return run(self, job, kill)

    monkeypatch.setattr(WorkerProcess, "run", killing)
    there = result_of(search(**fields, parallel=2))
    assert killed and len(there.trials) == 4
    for own, other in zip(here.trials, there.trials, strict=True):
        assert other.values == own.values
        if other.trial == "1":
            assert other.state == "failed" and other.score is None
            assert "SIGKILL" in other.message and "memory" in other.message
        else:
            assert other.curve == pytest.approx(own.curve, abs=1e-6)


def test_hyperband_goes_on_from_where_a_trial_stopped(
    search: Search,
) -> None:
    outputs = search(
        training={**TRAINING, "epochs": 3, "early_stop": 9, "learning_rate": 0.01},
        model=LINEAR,
        trials=4,
        algorithm="hyperband",
        only=["model.l2"],
    )
    trials = result_of(outputs).trials
    short = {json.dumps(t.values): t for t in trials if t.epochs == 1}
    long = {json.dumps(t.values): t for t in trials if t.epochs == 3}
    gone_on = short.keys() & long.keys()
    assert gone_on
    for key in gone_on:
        assert long[key].curve[0] == short[key].curve[0]


def test_next_item_models_are_searched_by_their_own_measures(
    search: Search, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    outputs = search(
        rows=retrieval_log.transformed(folder),
        spec=retrieval_log.SPEC,
        model={"name": "sasrec", "params": {"embedding_dim": 8}},
        training={"epochs": 2, "batch_size": 16},
        trials=2,
        algorithm="random",
        objective="hr@5",
        only=["model.blocks", "training.learning_rate"],
    )
    result = result_of(outputs)
    assert result.objective == "hr@5"
    assert all(t.state == "complete" and t.score is not None for t in result.trials)


def test_a_configuration_that_fails_is_told_whole(search: Search) -> None:
    with pytest.raises(ConfigError) as caught:
        search(
            training={**TRAINING, "batch_size": 100_000}, trials=5, only=["model.l2"]
        )
    assert "Trial 1 failed" in caught.value.what
    assert "A batch of 100000 rows is larger than the training split" in (
        caught.value.what
    )


def test_a_training_that_diverges_has_no_score(search: Search) -> None:
    outputs = search(
        trials=4,
        algorithm="random",
        space={"training": {"learning_rate": [1e30]}},
        only=["training.learning_rate", "model.l2"],
    )
    for trial in result_of(outputs).trials:
        diverged = trial.values["training.learning_rate"] == 1e30
        assert (trial.state == "diverged") == diverged
        assert ("not a finite number" in trial.message) == diverged


def test_damaged_rows_end_the_search_wherever_they_are_read(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: TrialRunner, params: Any) -> Any:
        raise DataError("A file is damaged.", where="rows", fix="mend it")

    monkeypatch.setattr(TrialRunner, "_read", damaged)
    with pytest.raises(ClickwrightError, match="damaged"):
        search(trials=3)
