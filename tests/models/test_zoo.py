"""What every registered click model must pass, whatever it computes."""

import functools
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo_shop import FEATURES, INPUTS, LABELS, NUMBER_FEATURES, NUMBERS, SMALL

from clickwright.models import registry
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer

SCORE_ELSEWHERE = """
import json, sys
import numpy as np
from clickwright.models import registry
from zoo_shop import FEATURES, INPUTS, SMALL

folder = sys.argv[1]
for name in json.loads(sys.argv[2]):
    model = registry.build(name, INPUTS, SMALL.get(name))
    with np.load(f"{folder}/{name}.npz") as stored:
        model.set_weights([stored[f"{n:05d}"] for n in range(len(stored.files))])
    outputs = model(FEATURES, training=False)
    np.savez(f"{folder}/{name}.out.npz", **{k: np.asarray(v) for k, v in outputs.items()})
"""

CLICK_MODELS = sorted(n for n, e in registry.MODELS.items() if e.task == "click")
every_model = pytest.mark.parametrize("name", CLICK_MODELS)


@functools.cache
def built(name: str) -> keras.Model:
    """The model, its tables far enough from zero for the outputs to differ."""
    keras.utils.set_random_seed(3)
    model = registry.build(name, INPUTS, SMALL.get(name))
    generator = np.random.default_rng(4)
    for weight in model.trainable_variables:
        if weight.path.endswith("embeddings"):
            weight.assign(generator.normal(0.0, 0.3, weight.shape))
    return model


def scored(model: keras.Model) -> dict[str, np.ndarray[Any, Any]]:
    outputs = model(FEATURES, training=False)
    return {key: np.asarray(values) for key, values in outputs.items()}


def assert_same(model: keras.Model, other: keras.Model) -> None:
    want, got = scored(model), scored(other)
    assert want.keys() == got.keys()
    for key in want:
        np.testing.assert_allclose(got[key], want[key], rtol=1e-6, atol=1e-6)


@every_model
def test_a_model_gives_probabilities_of_the_shape_that_it_states(name: str) -> None:
    model = built(name)
    outputs = scored(model)
    rows = len(LABELS)
    assert outputs["probability"].shape == (rows,)
    assert outputs["probability"].dtype == np.float32
    assert ((outputs["probability"] > 0) & (outputs["probability"] < 1)).all()
    assert len(np.unique(outputs["probability"])) == rows
    for key, values in outputs.items():
        assert tuple(model.output[key].shape) == (None, *values.shape[1:])
    logit = model.get_layer("probability").input
    assert tuple(logit.shape) == (None, 1)
    assert logit.dtype == "float32"


@every_model
def test_a_model_keeps_the_table_floats_that_it_states(name: str) -> None:
    tables = {i.table or i.name: i.rows or 1 for i in INPUTS}
    params = registry.parse_params(name, SMALL.get(name, {}))
    want = sum(
        params.width_of(table, len(INPUTS)) * rows for table, rows in tables.items()
    )
    layers = {id(layer): layer for layer in built(name)._flatten_layers()}.values()
    got = sum(
        layer.embeddings.shape[0] * layer.embeddings.shape[1]
        for layer in layers
        if isinstance(layer, FusedEmbedding)
    )
    assert got == want


@every_model
def test_a_model_is_rebuilt_from_its_config(name: str) -> None:
    model = built(name)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    again = keras.saving.deserialize_keras_object(config)
    again.set_weights(model.get_weights())
    assert_same(model, again)


@every_model
def test_a_model_is_saved_and_loaded(name: str, tmp_path: pathlib.Path) -> None:
    model = built(name)
    model.save(tmp_path / "model.keras")
    assert_same(model, keras.models.load_model(tmp_path / "model.keras"))


@every_model
def test_a_saved_model_scores_as_the_model_does(
    name: str, tmp_path: pathlib.Path
) -> None:
    model = built(name)
    scorer = keras.Model(model.input, {"probability": model.output["probability"]})
    scorer.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve({key: tf.constant(v) for key, v in FEATURES.items()})
    np.testing.assert_allclose(
        served["probability"], scored(model)["probability"], rtol=0, atol=1e-6
    )


@every_model
def test_every_weight_of_a_model_learns(name: str) -> None:
    keras.utils.set_random_seed(5)
    model = registry.build(name, INPUTS, SMALL.get(name))
    trainer = Trainer(
        model,
        TrainingParams(epochs=3, batch_size=4, learning_rate=0.05),
        registry.loss(name, SMALL.get(name)),
    )
    before = {v.path: np.array(v) for v in model.trainable_variables}
    assert len(before) == len(model.trainable_variables)
    examples = InMemoryExamples(FEATURES, LABELS)
    records = trainer.train(examples, examples)
    assert all(np.isfinite(record.loss or np.nan) for record in records)
    still = [
        v.path
        for v in model.trainable_variables
        if np.array_equal(before[v.path], np.array(v))
    ]
    assert still == []


@every_model
def test_a_model_takes_every_encoding_of_numbers(
    name: str, tmp_path: pathlib.Path
) -> None:
    keras.utils.set_random_seed(5)
    model = registry.build(name, NUMBERS, SMALL.get(name))
    trainer = Trainer(
        model,
        TrainingParams(epochs=3, batch_size=4, learning_rate=0.05),
        registry.loss(name, SMALL.get(name)),
    )
    before = {v.path: np.array(v) for v in model.trainable_variables}
    examples = InMemoryExamples(NUMBER_FEATURES, LABELS)
    records = trainer.train(examples, examples)
    assert all(np.isfinite(record.loss or np.nan) for record in records)
    still = [
        v.path
        for v in model.trainable_variables
        if np.array_equal(before[v.path], np.array(v))
    ]
    assert still == []
    want = np.asarray(model(NUMBER_FEATURES, training=False)["probability"])
    assert ((want > 0) & (want < 1)).all()
    assert len(np.unique(want)) == len(LABELS)

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    got = again(NUMBER_FEATURES, training=False)["probability"]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)

    scorer = keras.Model(model.input, {"probability": model.output["probability"]})
    scorer.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve({key: tf.constant(v) for key, v in NUMBER_FEATURES.items()})
    np.testing.assert_allclose(served["probability"], want, rtol=0, atol=1e-6)


@every_model
def test_half_precision_scores_nearly_the_same(name: str) -> None:
    model = built(name)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = registry.build(name, INPUTS, SMALL.get(name))
    finally:
        keras.config.set_dtype_policy(policy)
    low.set_weights(model.get_weights())
    probability = scored(low)["probability"]
    assert probability.dtype == np.float32
    np.testing.assert_allclose(
        probability, scored(model)["probability"], rtol=0, atol=0.03
    )


def test_every_model_scores_the_same_on_jax(tmp_path: pathlib.Path) -> None:
    for name in CLICK_MODELS:
        weights = built(name).get_weights()
        np.savez(
            tmp_path / f"{name}.npz", **{f"{n:05d}": w for n, w in enumerate(weights)}
        )
    helpers = str(pathlib.Path(__file__).resolve().parents[1])
    subprocess.run(
        [sys.executable, "-c", SCORE_ELSEWHERE, str(tmp_path)]
        + [json.dumps(CLICK_MODELS)],
        env=os.environ
        | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": helpers},
        check=True,
    )
    for name in CLICK_MODELS:
        want = scored(built(name))
        with np.load(tmp_path / f"{name}.out.npz") as stored:
            assert set(stored.files) == set(want)
            for key in want:
                np.testing.assert_allclose(
                    stored[key], want[key], rtol=1e-5, atol=1e-5, err_msg=name
                )
