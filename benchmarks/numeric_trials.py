"""Trainings of the comparison of numeric encoders, and what each came to."""

import gc
import hashlib
import math
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pydantic
from kept_results import Kept
from numeric_rows import SPLITS, Rows, read_rows

from clickwright.components.encoder_search.params import USUAL_EPOCHS
from clickwright.schemas.datasets import source_class
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import AutoDisEncoding, LinearEncoding
from clickwright.schemas.spec import FeatureSpec
from clickwright.schemas.strict_yaml import StrictModel

Array: TypeAlias = np.ndarray[Any, Any]

RULES, AUTO = "rules", "auto"
"""Encoders as the statistics decide them, and as a search does."""
STEP_ENCODERS: Mapping[str, LinearEncoding | AutoDisEncoding] = {
    "linear": LinearEncoding(),
    "autodis": AutoDisEncoding(low=0.0, high=1.0),
    "autodis_without_bias": AutoDisEncoding(use_bias=False),
    "autodis_without_bias_sharp": AutoDisEncoding(use_bias=False, temperature=0.01),
}
STEP_EDGES = (0.25, 0.5, 0.75)
"""Where the click probability jumps; `x` is drawn from 0 to 1."""
STEP_PROBABILITIES = (0.1, 0.9, 0.1, 0.9)
CURVE_POINTS = 201
SEARCH_SEED = 1000
"""First seed of a search; the trainings that are compared have others."""


class Settings(StrictModel):
    """One line of trainings: data set, model and how it is trained."""

    part: str
    model: str
    params: dict[str, Any] = pydantic.Field(default_factory=dict)
    training: dict[str, Any] = pydantic.Field(default_factory=dict)
    data: dict[str, Any] = pydantic.Field(default_factory=dict)


class Trial(StrictModel):
    """One training."""

    settings: Settings
    encoder: str
    seed: int

    @property
    def name(self) -> str:
        """Names its result; depends on all that it says."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]
        s = self.settings
        return f"{s.part}-{s.model}-{self.encoder}-{self.seed}-{digest}"


class Result(Kept):
    """What a training came to; `auc`, `logloss` and `error` are of the test split."""

    trial: Trial
    auc: float
    logloss: float
    error: float
    """Share of the rows on the wrong side of 1/2."""
    valid_auc: float
    valid_logloss: float
    valid_error: float
    epochs: int
    seconds: float
    parameters: int
    encoders: dict[str, str] = pydantic.Field(default_factory=dict)
    """Encoder of each field."""
    curve: tuple[float, ...] = ()
    """Probabilities at evenly spaced `x` from 0 to 1 (step function)."""

    @property
    def name(self) -> str:
        """That of the trial."""
        return self.trial.name


def run_step(trial: Trial) -> Result:
    """Trains an embedding of one number and a linear layer on a step function."""
    import keras

    from clickwright.models.ctr import parts
    from clickwright.models.ctr.embedding_params import EmbeddingParams
    from clickwright.models.training.in_memory_examples import InMemoryExamples

    random = np.random.default_rng(trial.seed)

    def draw(rows: int) -> Any:
        x = random.random(rows).astype(np.float32)
        return InMemoryExamples({"x": x}, random.random(rows) < step_probability(x))

    rows = trial.settings.data["rows"]
    encoding = STEP_ENCODERS[trial.encoder]
    inputs = (ModelInput("x", "value", "context", numeric=encoding),)
    examples = {"train": draw(rows), "valid": draw(rows // 4), "test": draw(rows)}

    def build() -> keras.Model:
        params = EmbeddingParams.model_validate(trial.settings.params)
        features = parts.symbolic_inputs(inputs)
        embedding = parts.flatten(parts.embed(features, inputs, params))  # [B, D]
        return parts.click_model(features, parts.head(embedding), "one_number")

    result, trainer = _trained(trial, examples, build, None)
    x = np.linspace(0.0, 1.0, CURVE_POINTS, dtype=np.float32)
    curve = np.asarray(trainer.model({"x": x}, training=False)["probability"])
    return result.model_copy(update={"curve": tuple(curve.tolist())})


def step_probability(x: Array) -> Array:
    """The true click probability at `x`."""
    steps = np.array(STEP_PROBABILITIES)
    return steps[np.searchsorted(STEP_EDGES, x, side="right")]


class ZooRows:
    """The rows of a data set, and trainings of models of the registry on them.

    Args:
        rows: the rows.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @classmethod
    def prepare(
        cls, settings: Settings, raw: pathlib.Path | None, folder: pathlib.Path
    ) -> "ZooRows":
        """Prepares the data set, unless it is there, and reads it."""
        source = _source(settings)
        return cls(read_rows(source.spec(), source.prepare(raw, folder)))

    def run(self, trial: Trial, searches: pathlib.Path) -> Result:
        """Trains a model with one encoder for all numbers, or with what is chosen.

        Args:
            trial: the training.
            searches: folder of the plans that searches have found, one for all seeds.
        """
        from clickwright.models import registry

        settings = trial.settings
        plan = (
            self._searched(settings, searches)
            if trial.encoder == AUTO
            else self._plan(trial.encoder)
        )
        inputs = self._inputs(plan)
        examples = {split: self._rows.examples(plan, split) for split in SPLITS}
        result, _ = _trained(
            trial,
            examples,
            lambda: registry.build(settings.model, inputs, settings.params),
            registry.loss(settings.model, settings.params),
        )
        encoders = {name: e.kind for name, e in plan.encodings().items()}
        return result.model_copy(update={"encoders": encoders})

    @staticmethod
    def bayes_auc(settings: Settings, folder: pathlib.Path) -> float | None:
        """Test AUC of the true click probabilities; None before anything is there."""
        source = _source(settings)
        if not source.directory(None, folder).exists():
            return None
        metrics = source.bayes_metrics(source.prepare(None, folder))
        return metrics["test"]["auc"] if metrics else None

    def _inputs(self, plan: DiscretizationPlan) -> tuple[ModelInput, ...]:
        """What models read; what item tables hold has nothing to do with numbers."""
        return tuple(i for i in self._rows.inputs(plan) if i.is_tensor)

    def _plan(self, encoder: str) -> DiscretizationPlan:
        """What the Discretizer says where all fields have one encoder."""
        from clickwright.components.discretizer.plan_of import plan_of

        return plan_of(
            _with_encoder(self._rows.spec, encoder), self._rows.columns("train")
        )

    def _searched(self, settings: Settings, folder: pathlib.Path) -> DiscretizationPlan:
        """The plan that a search finds, with seeds of its own; kept for all seeds."""
        from clickwright.components.discretizer.encodings import encoding_of
        from clickwright.components.encoder_search.params import SearchParams
        from clickwright.components.encoder_search.search import search
        from clickwright.components.encoder_search.trial_trainer import TrialTrainer
        from clickwright.models import registry
        from clickwright.models.training.params import TrainingParams

        digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:8]
        kept = folder / f"{settings.part}-{settings.model}-{digest}"
        if kept.exists():
            return DiscretizationPlan.read(kept)
        plan = self._plan(AUTO)
        fields = self._rows.spec.numeric_features()
        params, training = SearchParams(), TrainingParams(**settings.training)
        table = {
            (name, kind): encoding_of(
                kind, feature, plan.fields[name].statistics, plan.fields[name].scaling
            )[0]
            for name, feature in fields.items()
            for kind in params.encoders
        }

        def with_encoders(encoders: Sequence[str]) -> DiscretizationPlan:
            chosen = zip(fields, encoders, strict=True)
            changed = {
                name: plan.fields[name].model_copy(
                    update={"encoding": table[name, kind]}
                )
                for name, kind in chosen
            }
            return plan.model_copy(update={"fields": changed})

        train = TrialTrainer(
            settings.model,
            registry.parse_params(settings.model, settings.params),
            training,
            lambda encoders: self._inputs(with_encoders(encoders)),
            self._rows.examples(plan, "train"),
            self._rows.examples(plan, "valid"),
        )
        rules = tuple(field.encoding.kind for field in plan.fields.values())
        epochs = min(params.epochs, training.epochs)
        found = search(
            tuple(fields),
            [*((kind,) * len(fields) for kind in params.encoders), rules],
            params,
            train,
            seed=SEARCH_SEED,
            epochs=epochs,
            budget=int(params.budget * min(USUAL_EPOCHS, training.epochs)),
        )
        kept.mkdir(parents=True)
        chosen = with_encoders(found.encoders)
        chosen.write(kept)
        return chosen


def _source(settings: Settings) -> Any:
    cls = source_class(settings.part)
    return cls(cls.Options.model_validate(settings.data))


def _with_encoder(spec: FeatureSpec, encoder: str) -> FeatureSpec:
    """The spec with one encoder for all numbers; for `rules`, none is said."""
    said = None if encoder == RULES else encoder
    features = {
        name: feature.model_copy(update={"encoder": said})
        for name, feature in spec.numeric_features().items()
    }
    return spec.model_copy(update={"features": {**spec.features, **features}})


def _trained(
    trial: Trial, examples: Mapping[str, Any], build: Any, loss: Any
) -> tuple[Result, Any]:
    """Trains, and scores validation and test split with the epoch that is kept."""
    import keras

    from clickwright.models.metrics.auc import area_under_roc
    from clickwright.models.metrics.log_loss import log_loss
    from clickwright.models.training.params import TrainingParams
    from clickwright.models.training.placement import placement
    from clickwright.models.training.trainer import Trainer

    params = TrainingParams.model_validate(
        {**trial.settings.training, "seed": trial.seed}
    )
    keras.backend.clear_session()
    gc.collect()
    started = time.monotonic()
    with placement(params):
        keras.utils.set_random_seed(trial.seed)
        trainer = Trainer(build(), params, loss)
        records = trainer.train(examples["train"], examples["valid"])
        seconds = time.monotonic() - started
        found = {s: trainer.predict(examples[s]) for s in ("valid", "test")}
    figures = {
        split: {
            "auc": area_under_roc(labels, probabilities, weights),
            "logloss": log_loss(labels, probabilities, weights),
            "error": float(np.mean((probabilities > 0.5) != (labels > 0.5))),
        }
        for split, (labels, probabilities, weights) in found.items()
    }
    result = Result(
        trial=trial,
        **figures["test"],
        **{f"valid_{name}": value for name, value in figures["valid"].items()},
        epochs=len(records),
        seconds=seconds,
        parameters=sum(math.prod(v.shape) for v in trainer.model.trainable_variables),
    )
    return result, trainer
