"""The component: from artifacts to artifacts."""

import json
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx import types
from tfx.types import artifact_utils, channel_utils, standard_artifacts
from tfx.utils import io_utils

from clickwright.components.discretizer.artifacts import (
    DiscretizationPlan as PlanArtifact,
)
from clickwright.components.discretizer.plan_of import plan_of
from clickwright.components.encoder_search import executor as executor_module
from clickwright.components.encoder_search.component import EncoderSearch
from clickwright.components.encoder_search.executor import Executor
from clickwright.components.encoder_search.params import SearchParams
from clickwright.components.encoder_search.trial import Trial, TrialResult
from clickwright.models.training.trainer_inputs import HYPERPARAMETER
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.numeric_encoding import EncoderName
from clickwright.schemas.scale import scale
from clickwright.schemas.spec import FeatureSpec

ROWS = 4096
SPEC = FeatureSpec.model_validate(
    {
        "name": "steps",
        "split": {"kind": "given"},
        "labels": {"click": {}},
        "features": {
            "step": {"kind": "numeric", "role": "user", "encoder": "auto"},
            "slope": {
                "kind": "numeric",
                "role": "user",
                "encoder": "auto",
                "presence": "optional",
                "autodis": {"meta_embeddings": 7},
            },
            "fixed": {"kind": "numeric", "role": "user", "encoder": "linear"},
        },
    }
)
MODEL = {
    "name": "dnn",
    "params": {"embedding_dim": 4, "hidden_units": [], "batch_norm": False},
}
TRAINING = {
    "batch_size": 64,
    "learning_rate": 0.02,
    "learning_rate_decay": 0.5,
    "device": "cpu",
}
ENCODERS: tuple[EncoderName, ...] = ("linear", "buckets", "autodis")


def _columns(seed: int) -> dict[str, Any]:
    """Clicks jump up and down along `step`, and rise with `slope`, at times absent."""
    rng = np.random.default_rng(seed)
    step, slope, fixed = rng.uniform(0.0, 8.0, (3, ROWS))
    logit = np.where(np.floor(step / 2) % 2 == 0, -1.8, 1.8) + slope / 2.0 - 2.0
    click = rng.random(ROWS) < 1.0 / (1.0 + np.exp(-logit))
    slope = np.where(rng.random(ROWS) < 0.1, math.nan, slope)
    return {"step": step, "slope": slope, "fixed": fixed, "click": click}


def _write(file: pathlib.Path, plan: DiscretizationPlan, columns: Any) -> None:
    scaled = {
        name: scale(field.scaling, columns[name]) for name, field in plan.fields.items()
    }
    file.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for n in range(ROWS):
            example = tf.train.Example()
            for name, values in {**scaled, "click": columns["click"]}.items():
                feature = example.features.feature[name]
                feature.float_list.value.append(float(values[n]))
            example.features.feature["item"].int64_list.value.append(1 + n % 3)
            writer.write(example.SerializeToString())


Run = Callable[..., tuple[DiscretizationPlan, DiscretizationPlan]]


@pytest.fixture(scope="module")
def inputs(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[types.Artifact]]:
    """Transformed examples, their (empty) transform graph, and the rules' plan."""
    folder = tmp_path_factory.mktemp("inputs")
    train = _columns(1)
    plan = plan_of(SPEC, train)
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "valid"])
    for split, columns in (("train", train), ("valid", _columns(2))):
        _write(folder / "examples" / f"Split-{split}" / "rows", plan, columns)
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(folder / "graph")
    rules = PlanArtifact()
    rules.uri = str(folder / "plan")
    for artifact in (graph, rules):
        pathlib.Path(artifact.uri).mkdir()
    plan.write(pathlib.Path(rules.uri))
    return {"examples": [examples], "transform_graph": [graph], "rules": [rules]}


@pytest.fixture
def run(inputs: dict[str, list[types.Artifact]], tmp_path: pathlib.Path) -> Run:
    """Runs the executor; gives the plan, and that of the hyperparameters."""

    def run(
        search: SearchParams,
        spec: FeatureSpec = SPEC,
        state: pathlib.Path | None = None,
        given: list[types.Artifact] | None = None,
    ) -> tuple[DiscretizationPlan, DiscretizationPlan]:
        component = EncoderSearch(
            *(channel_utils.as_channel(artifacts) for artifacts in inputs.values()),
            spec=spec,
            model=MODEL,
            training=TRAINING,
            search=search,
            checkpoint_dir=str(state) if state else None,
            hyperparameters=channel_utils.as_channel(given) if given else None,
        )
        outputs: dict[str, types.Artifact] = {
            "plan": PlanArtifact(),
            "hyperparameters": standard_artifacts.HyperParameters(),
        }
        for name, artifact in outputs.items():
            artifact.uri = str(tmp_path / "outputs" / name)
            pathlib.Path(artifact.uri).mkdir(parents=True)
        Executor().Do(
            {**inputs, "given": given or []},
            {name: [artifact] for name, artifact in outputs.items()},
            component.exec_properties,
        )
        # As TFX's Trainer reads them.
        file = io_utils.get_only_uri_in_dir(outputs["hyperparameters"].uri)
        hyperparameters = json.loads(pathlib.Path(file).read_text())
        return (
            DiscretizationPlan.read(pathlib.Path(outputs["plan"].uri)),
            DiscretizationPlan.model_validate(
                hyperparameters[HYPERPARAMETER], strict=False
            ),
        )

    return run


def test_a_field_of_steps_does_not_stay_linear(run: Run) -> None:
    search = SearchParams(encoders=ENCODERS, seeds=2, finalists=3, epochs=3, budget=2.0)

    plan, hyperparameters = run(search)

    assert hyperparameters == plan
    plan.check(SPEC)
    step = plan.fields["step"]
    assert step.search is not None
    assert step.encoding.kind == step.search.winner != "linear"
    assert step.search.margin > 0.0
    losses = {c.encoder: c.logloss for c in step.search.candidates}
    # The best that a line along `step` can do is to leave it out.
    assert losses["linear"] > losses[step.search.winner] + 0.1
    assert "encoder: auto" in step.reasons["encoder"]


class FakeTrainer:
    """Likes `linear` on `slope` and `autodis` on `step`; dies when told to."""

    die_after: int | None = None
    trials: list[Trial]

    def __init__(self, *args: Any) -> None:
        self.inputs, self.train, self.valid = args[3:6]

    def __call__(self, trial: Trial, title: str) -> TrialResult:
        cls = type(self)
        if cls.die_after is not None and len(cls.trials) >= cls.die_after:
            raise KeyboardInterrupt
        cls.trials.append(trial)
        step, slope = trial.encoders
        worse = 0.02 * (step != "autodis") + 0.01 * (slope != "linear")
        return TrialResult(0.3 + worse + 0.1 * trial.seed, trial.epochs)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeTrainer]:
    """The trainer in place of the real one."""
    cls = type("Fake", (FakeTrainer,), {"trials": []})
    monkeypatch.setattr(executor_module, "TrialTrainer", cls)
    return cls


def test_fields_get_their_encoders_and_scaling_stays(
    run: Run, fake: type[FakeTrainer], inputs: dict[str, list[types.Artifact]]
) -> None:
    rules = DiscretizationPlan.read(pathlib.Path(inputs["rules"][0].uri))

    plan, _ = run(SearchParams(encoders=ENCODERS))

    kinds = {name: field.encoding.kind for name, field in plan.fields.items()}
    assert kinds == {"step": "autodis", "slope": "linear", "fixed": "linear"}
    assert {n: f.scaling for n, f in plan.fields.items()} == {
        n: f.scaling for n, f in rules.fields.items()
    }
    # The rows were transformed with NaN for missing, whatever has won.
    assert plan.fields["slope"].scaling.missing is None
    assert plan.fields["fixed"] == rules.fields["fixed"]
    slope = plan.fields["slope"]
    assert slope.search is not None
    assert slope.search.margin == pytest.approx(0.01)
    # What was said of the rules' encoder does not stand beside another one.
    assert rules.fields["slope"].encoding.kind == "autodis"
    assert "meta_embeddings" in rules.fields["slope"].given
    assert set(slope.reasons) == {"encoder", "scaling", "missing"}
    assert slope.given == ()


def test_settings_in_the_spec_hold_for_the_winner(
    run: Run, fake: type[FakeTrainer]
) -> None:
    plan, _ = run(SearchParams(encoders=("autodis",)))

    slope = plan.fields["slope"]
    assert slope.encoding.kind == "autodis"
    assert slope.encoding.meta_embeddings == 7
    assert slope.given == ("meta_embeddings",)
    assert "given" in slope.reasons["meta_embeddings"]


def test_a_killed_search_goes_on_and_leaves_nothing(
    run: Run, fake: type[FakeTrainer], tmp_path: pathlib.Path
) -> None:
    state, search = tmp_path / "state", SearchParams(encoders=ENCODERS)
    fake.die_after = 5
    with pytest.raises(KeyboardInterrupt):
        run(search, state=state)
    (tmp_path / "outputs").rename(tmp_path / "discarded")
    fake.die_after = None

    plan, _ = run(search, state=state)

    assert len(fake.trials) == len(set(fake.trials)), "a trial ran twice"
    assert plan.fields["slope"].encoding.kind == "linear"
    assert list(state.iterdir()) == []


def test_item_tables_are_handed_on_and_no_trial_reads_them(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    given = standard_artifacts.HyperParameters()
    given.uri = str(tmp_path / "given")
    pathlib.Path(given.uri).mkdir()
    tables = {"item_tables": {"item": "somewhere"}}
    path = pathlib.Path(given.uri, "best_hyperparameters.txt")
    path.write_text(json.dumps(tables))
    item = {"role": "item", "of": "item"}
    content = SPEC.model_dump(mode="json")
    content["features"] |= {
        "item": {
            "kind": "categorical",
            "role": "item",
            "dtype": "int64",
            "vocabulary": {"kind": "identity", "size": 3},
        },
        "look": {"kind": "embedding", "width": 2, **item},
        "tags": {"kind": "attribute", **item},
    }
    read = []

    class Looking(FakeTrainer):
        trials: list[Trial] = []  # noqa: RUF012

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            read.append([i.name for i in self.inputs(("linear", "linear"))])

    monkeypatch.setattr(executor_module, "TrialTrainer", Looking)
    run(
        SearchParams(encoders=ENCODERS),
        spec=FeatureSpec.model_validate_json(json.dumps(content)),
        given=[given],
    )

    assert read == [["step", "slope", "fixed", "item"]]
    (file,) = (tmp_path / "outputs" / "hyperparameters").iterdir()
    found = json.loads(file.read_text())
    assert found == {**tables, HYPERPARAMETER: found[HYPERPARAMETER]}


def test_rows_are_capped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Counting(FakeTrainer):
        trials: list[Trial] = []  # noqa: RUF012

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            seen.append((self.train.rows, self.valid.rows))

    monkeypatch.setattr(executor_module, "TrialTrainer", Counting)
    run(SearchParams(encoders=ENCODERS, max_rows=1000))
    assert seen == [(1000, 1000)]


def test_a_small_budget_leaves_a_whole_batch(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []

    class Counting(FakeTrainer):
        trials: list[Trial] = []  # noqa: RUF012

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            rows.append(self.train.rows)

    monkeypatch.setattr(executor_module, "TrialTrainer", Counting)
    # 3 finalists with 3 seeds train 54 epochs; mixing would take 30 more.
    run(SearchParams(encoders=ENCODERS, budget=0.09))
    assert rows == [TRAINING["batch_size"]]


def test_a_budget_below_a_batch_is_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="fewer than a batch of 64") as error:
        run(SearchParams(encoders=ENCODERS, budget=0.005))
    assert "raise `budget`" in error.value.fix


def test_a_plan_of_another_spec_is_refused(run: Run) -> None:
    features = {**SPEC.features, "fixed": SPEC.features["step"]}
    with pytest.raises(ConfigError, match="made for other numeric features"):
        run(SearchParams(), spec=SPEC.model_copy(update={"features": features}))
