"""What every registered click model must do with item tables."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from sequence_shop import LABELS, TABLES, WITH_QUERIES, fill
from sequence_shop import WITH_QUERIES_FEATURES as FEATURES
from zoo_shop import SMALL

from clickwright.models import registry
from clickwright.models.scoring import scoring_model
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer

ALWAYS = ("deepfm", "din", "fwfm", "qin")
"""Trained in every run of the tests; the other models in the slow ones."""
every_model = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)
        for name in sorted(registry.MODELS)
        if registry.entry(name).task == "click"
    ],
)


def built(name: str) -> keras.Model:
    keras.utils.set_random_seed(5)
    model = registry.build(name, WITH_QUERIES, SMALL.get(name))
    generator = np.random.default_rng(4)
    for weight in model.trainable_variables:
        if weight.path.endswith("embeddings"):
            weight.assign(generator.normal(0.0, 0.3, weight.shape))
    return fill(model)


@every_model
def test_a_model_reads_item_tables_and_leaves_them_as_they_are(name: str) -> None:
    model = built(name)
    assert set(model.input) == set(FEATURES)
    before = np.asarray(model(FEATURES, training=False)["probability"])
    assert len(np.unique(before)) == len(LABELS)

    for table in ("tags", "photo"):
        layer = model.get_layer(table)
        layer.fill(np.zeros_like(TABLES[table]))
        without = model(FEATURES, training=False)["probability"]
        assert np.abs(np.asarray(without) - before).max() > 1e-6, table
        layer.fill(TABLES[table])

    kernels = [v for v in model.trainable_variables if v.path.endswith("_kernel")]
    started = [np.array(v) for v in kernels]
    assert kernels
    trainer = Trainer(
        model,
        TrainingParams(epochs=2, batch_size=4, learning_rate=0.05),
        registry.loss(name, SMALL.get(name)),
    )
    examples = InMemoryExamples(FEATURES, LABELS)
    records = trainer.train(examples, examples)
    assert all(np.isfinite(record.loss or np.nan) for record in records)
    for kernel, start in zip(kernels, started, strict=True):
        assert not np.array_equal(kernel, start), kernel.path
    for table, rows in TABLES.items():
        np.testing.assert_array_equal(
            model.get_layer(table)(np.arange(len(rows))), rows
        )


@every_model
def test_a_model_is_saved_with_its_item_tables(
    name: str, tmp_path: pathlib.Path
) -> None:
    model = built(name)
    want = np.asarray(model(FEATURES, training=False)["probability"])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        again(FEATURES, training=False)["probability"], want, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", ["deepfm", "din", "qin"])
def test_a_saved_model_looks_up_as_the_model_does(
    name: str, tmp_path: pathlib.Path
) -> None:
    model = registry.fold(name, built(name))
    scorer = scoring_model(model)
    scorer.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve({key: tf.constant(v) for key, v in FEATURES.items()})
    np.testing.assert_allclose(
        served, scorer(FEATURES, training=False), rtol=0, atol=1e-6
    )
