import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models import registry
from clickwright.models.layers.frequency_filter import FrequencyFilter
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.model_input import ModelInput

ITEM = ModelInput("item", "id", "item", "item", 30)
SEEN = ModelInput("seen", "sequence", "user", "item", 30, 4)
USER = ModelInput("user", "id", "user", "user", 12)
PRICE = ModelInput("price", "value", "item")
INPUTS = (PRICE, ITEM, USER, SEEN)

ON_TWO_REPLICAS = """
import keras
import tensorflow as tf
from clickwright.models.layers.frequency_filter import FrequencyFilter
from clickwright.schemas.model_input import ModelInput

cpu = tf.config.list_physical_devices("CPU")[0]
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [half, half])
strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
with strategy.scope():
    layer = FrequencyFilter([ModelInput("user", "id", "user", "user", 5)], 3)
    layer.build({})

@tf.function
def step(ids):
    strategy.run(lambda ids: layer({"user": ids}, training=True), (ids,))

shares = (tf.constant([1, 1, 2]), tf.constant([1, 3, 3]))
for _ in range(2):
    step(strategy.experimental_distribute_values_from_function(
        lambda context: shares[context.replica_id_in_sync_group]
    ))
for counts in strategy.experimental_local_results(layer.counts.value):
    assert counts.numpy().tolist() == [0, 6, 2, 4, 0], counts
"""


def some_rows(rows: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "price": random.normal(size=rows).astype(np.float32),
        "item": random.integers(0, 30, rows),
        "user": random.integers(0, 12, rows),
        "seen": random.integers(0, 30, (rows, 4)),
    }


class Reference:
    """Counts in dicts, one occurrence after the other."""

    def __init__(self, min_frequency: int) -> None:
        self.min_frequency = min_frequency
        self.counts: dict[tuple[str, int], int] = {}

    def __call__(self, rows: dict[str, Any], training: bool) -> dict[str, Any]:
        if training:
            for i in (ITEM, USER, SEEN):
                for n in rows[i.name].flatten().tolist():
                    key = (i.table or "", n)
                    self.counts[key] = self.counts.get(key, 0) + 1

        def passed(i: ModelInput, n: int) -> int:
            often = self.counts.get((i.table or "", n), 0) >= self.min_frequency
            return n if often or n == 0 else i.rows or 0

        return {
            i.name: np.vectorize(lambda n, i=i: passed(i, n))(rows[i.name])
            for i in (ITEM, USER, SEEN)
        }


@pytest.mark.parametrize("min_frequency", [1, 3, 9])
def test_ids_pass_once_training_has_seen_them_often_enough(min_frequency: int) -> None:
    layer, want = FrequencyFilter(INPUTS, min_frequency), Reference(min_frequency)
    changed = 0
    for step in range(8):
        # Seven rows hold many an item twice, in one column and in two.
        rows, training = some_rows(7, step), step % 3 != 2
        got, wanted = layer(rows, training=training), want(rows, training)
        for name, ids in wanted.items():
            np.testing.assert_array_equal(got[name], ids)
            changed += int((ids != rows[name]).sum())
        np.testing.assert_array_equal(got["price"], rows["price"])
    assert changed > 0


def test_an_id_twice_in_a_batch_counts_twice() -> None:
    layer = FrequencyFilter([USER], 2)
    passed = layer({"user": np.array([5, 5, 7])}, training=True)
    assert np.asarray(passed["user"]).tolist() == [5, 5, 12]
    assert np.asarray(layer.counts)[[5, 7]].tolist() == [2, 1]


def test_counts_stand_still_outside_training() -> None:
    layer = FrequencyFilter([USER], 1)
    for training in (False, None):
        passed = layer({"user": np.array([5, 0])}, training=training)
        assert np.asarray(passed["user"]).tolist() == [12, 0]
    assert not np.asarray(layer.counts).any()


def test_a_graph_counts_in_place() -> None:
    layer = FrequencyFilter([USER], 2)
    layer.build({})
    step = tf.function(lambda ids: layer({"user": ids}, training=True))
    for _ in range(3):
        step(tf.constant([5, 6, 6]))
    assert np.asarray(layer.counts)[[4, 5, 6]].tolist() == [0, 3, 6]
    graph = step.get_concrete_function(tf.TensorSpec([3], tf.int32)).graph
    kinds = {op.type for op in graph.get_operations()}
    assert "ResourceScatterNdAdd" in kinds
    assert "TensorScatterAdd" not in kinds  # it would copy the counts


def test_replicas_count_together() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_REPLICAS], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_rare_ids_share_the_last_row_of_their_table() -> None:
    layer = FusedEmbedding(INPUTS, width=2, min_frequency=2)
    rows = {**some_rows(3, 0), "item": np.array([4, 9, 0])}
    # Twice in the histories, and once besides, in the third row.
    rows["seen"] = np.array([[9, 0, 0, 0], [9, 5, 0, 0], [0, 0, 0, 0]])
    layer(rows, training=True)
    output, table = np.asarray(layer(rows)), np.asarray(layer.embeddings)
    assert layer.row_ranges == {
        "price": (0, 1),
        "item": (1, 32),
        "seen": (1, 32),
        "user": (32, 45),
    }
    np.testing.assert_array_equal(output[:, 1], table[[31, 1 + 9, 1]])
    np.testing.assert_allclose(output[1, 3], (table[1 + 9] + table[31]) / 2, rtol=1e-6)


def test_training_admits_ids_and_the_saved_model_knows_them(
    tmp_path: pathlib.Path,
) -> None:
    params = {"min_frequency": 4, "hidden_units": [4], "embedding_dim": 2, "l2": 0.0}
    model = registry.build("deepfm", (USER,), params)
    ids = np.array([1, 1, 1, 2, 2, 3, 1, 2, 3, 1])
    clicks = np.array([1, 0, 1, 0, 1, 0, 0, 1, 1, 0])
    trainer = Trainer(model, TrainingParams(epochs=2, batch_size=4, early_stop=9))
    rows = InMemoryExamples({"user": ids}, clicks)
    trainer.train(rows, rows)
    every = {"user": np.arange(12)}
    scores = np.asarray(trainer.model(every)["probability"])
    # Two epochs show 1 ten times, 2 six times and 3 four times, unless the first was
    # the better one, which shows them 5, 3 and 2 times.
    counts = np.asarray(trainer.model.get_layer("embeddings").frequency_filter.counts)
    assert counts.tolist() in ([0, 5, 3, 2] + [0] * 8, [0, 10, 6, 4] + [0] * 8)
    # Never seen: one row for all.
    assert np.ptp(scores[4:]) < 1e-6 < abs(scores[1] - scores[4])
    trainer.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(every)["probability"], scores)


def test_a_filter_of_its_own_stands_in_a_functional_model() -> None:
    features = {
        "user": keras.Input((), dtype="int64", name="user"),
        "price": keras.Input((), dtype="float32", name="price"),
    }
    layer = FrequencyFilter([USER, PRICE], 1)
    model = keras.Model(features, layer(features))
    assert model.output["user"].dtype == "int32"
    assert model.output["price"].dtype == "float32"
    rows = {"user": np.array([3, 4]), "price": np.array([0.5, 1.0], np.float32)}
    model(rows, training=True)
    assert np.asarray(model(rows)["user"]).tolist() == [3, 4]
    again = FrequencyFilter.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_the_filter_refuses_what_it_cannot_count() -> None:
    with pytest.raises(ValueError, match="at least 1. Received: 0"):
        FrequencyFilter([USER], 0)
    with pytest.raises(ValueError, match="an input with ids"):
        FrequencyFilter([PRICE], 2)
