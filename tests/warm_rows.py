"""Rows of two spans, and models trained on the first, for tests of warm starts."""

import pathlib
from typing import Any

import keras
import numpy as np

from clickwright.models import registry
from clickwright.models.incremental.keep_state import keep_state
from clickwright.models.incremental.warm_start import WarmStart
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.placement import placement
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import FeatureSpec

SPEC = FeatureSpec.model_validate(
    {
        "name": "spans",
        "split": {"kind": "given"},
        "labels": {"click": {}},
        "features": {
            "user": {
                "kind": "categorical",
                "role": "user",
                "vocabulary": {"kind": "learned", "oov_buckets": 2},
            },
            "item": {"kind": "categorical", "role": "item"},
            "shop": {
                "kind": "categorical",
                "role": "item",
                "vocabulary": {"kind": "hash", "buckets": 6},
            },
            "price": {"kind": "numeric", "role": "item"},
            "history": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "max_length": 4,
            },
        },
    }
)
OLD = {
    "user": [f"user {n}" for n in range(9)],
    "item": [f"item {n}" for n in range(14)],
}
NEW = {
    "user": [*OLD["user"], "user x", "user y", "user z"],
    "item": [*OLD["item"], "item x", "item y"],
}


def inputs_of(vocabularies: dict[str, list[str]]) -> tuple[ModelInput, ...]:
    return SPEC.model_inputs({n: len(v) for n, v in vocabularies.items()})


def make_rows(
    rows: int, seed: int, vocabularies: dict[str, list[str]] = OLD
) -> InMemoryExamples:
    """Clicks that hang on user and item; all ids of the vocabularies, known ones."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 1 + len(vocabularies["user"]), rows)
    item = rng.integers(0, 1 + len(vocabularies["item"]), rows)
    history = rng.integers(0, 1 + len(vocabularies["item"]), (rows, 4))
    features: dict[str, Any] = {
        "user": user,
        "item": item,
        "shop": rng.integers(0, 7, rows),
        "price": rng.normal(size=rows).astype(np.float32),
        "history": history,
    }
    logit = 0.4 * (user - 5) + 0.3 * (item - 7) - features["price"]
    return InMemoryExamples(features, rng.random(rows) < 1 / (1 + np.exp(-logit)))


def make_trainer(
    name: str,
    vocabularies: dict[str, list[str]],
    model: dict[str, Any] | None = None,
    start: WarmStart | None = None,
    **params: Any,
) -> Trainer:
    settings = TrainingParams(**{"batch_size": 64, "epochs": 2, **params})
    parsed = registry.parse_params(name, model or {})
    with placement(settings):
        keras.utils.set_random_seed(settings.seed)

        def build() -> keras.Model:
            return registry.build(name, inputs_of(vocabularies), parsed)

        distillation = start.distillation(build) if start else None
        loss = registry.loss(name, parsed)
        trainer = Trainer(build(), settings, loss, distillation)
        if start is not None:
            trainer.start_from(start)
        return trainer


def keep(
    trainer: Trainer,
    folder: pathlib.Path,
    name: str,
    model: dict[str, Any] | None = None,
    vocabularies: dict[str, list[str]] = OLD,
    **params: Any,
) -> pathlib.Path:
    """Keeps the state of a trainer's model; returns its folder."""
    keep_state(
        folder,
        trainer.model,
        trainer.optimizer_state(),
        name=name,
        params=registry.parse_params(name, model or {}),
        training=TrainingParams(**params),
        spec=SPEC,
        plan=None,
        vocabularies=vocabularies,
        rows=200,
        span=1,
        start=None,
    )
    return folder


def start_of(
    folder: pathlib.Path,
    name: str,
    model: dict[str, Any] | None = None,
    vocabularies: dict[str, list[str]] = NEW,
    spec: FeatureSpec = SPEC,
    **settings: Any,
) -> WarmStart:
    return WarmStart.of(
        folder,
        Incremental.model_validate(settings),
        name=name,
        params=registry.parse_params(name, model or {}),
        spec=spec,
        plan=None,
        vocabularies=vocabularies,
        inputs=inputs_of(vocabularies),
    )
