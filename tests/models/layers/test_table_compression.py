import functools
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pydantic
import pytest
import tensorflow as tf
from layer_battery import check_layer

from clickwright.models import registry
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.multi_hash import MultiHash
from clickwright.models.layers.quotient_remainder import QuotientRemainder
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

QUOTIENTS = QuotientRemainder(collisions=4, min_rows=20)
HASHES = MultiHash(collisions=4, min_rows=20, hashes=3)
BIG = ModelInput("big", "id", "item", "big", 103)
SMALL = ModelInput("small", "id", "user", "small", 5)
PRICE = ModelInput("price", "value", "item")
SEEN = ModelInput("seen", "sequence", "user", "big", 103, 3)
OTHER = ModelInput("other", "id", "item", "other", 21)
INPUTS = (BIG, SMALL, PRICE, SEEN, OTHER)
FEATURES: dict[str, Any] = {
    "big": np.array([102, 0, 57]),
    "small": np.array([4, 0, 2]),
    "price": np.array([0.5, -2.0, 3.0], np.float32),
    "seen": np.array([[26, 101, 0], [0, 0, 0], [3, 3, 99]]),
    "other": np.array([20, 1, 0]),
}
BOTH = pytest.mark.parametrize("compression", [QUOTIENTS, HASHES], ids=["qr", "hash"])

FORWARD = """
import sys
import numpy as np
from test_table_compression import *

np.savez(sys.argv[1], qr=embedded(QUOTIENTS), hash=embedded(HASHES))
"""


def embedded(compression: Any) -> np.ndarray[Any, Any]:
    """What a layer with the same table everywhere gives, once it has counted ids."""
    layer = FusedEmbedding(INPUTS, width=3, compression=compression, min_frequency=2)
    layer.build({})
    random = np.random.default_rng(0)
    layer.embeddings.assign(random.normal(size=layer.embeddings.shape))
    layer({**FEATURES, "seen": np.full((3, 3), 101)}, training=True)
    layer({**FEATURES, "big": np.array([102, 0, 26])}, training=True)
    return np.asarray(layer(FEATURES))


def kept_rows_by_hand(compression: Any, ids: int, n: int) -> list[int]:
    """Kept rows of id `n` of a table of `ids`; hashing in 64 bits, cut to 32."""
    kept = -(-ids // compression.collisions)
    if isinstance(compression, QuotientRemainder):
        return [n % kept, kept + n // kept]
    rows = []
    for seed in range(compression.hashes):
        x = n ^ (0x9E3779B9 * seed % 2**32)
        x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
        x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
        signed = x ^ (x >> 16)
        rows.append((signed - 2**32 if signed >= 2**31 else signed) % kept)
    return rows


def looked_up_by_loops(layer: FusedEmbedding) -> np.ndarray[Any, Any]:
    table = np.asarray(layer.embeddings, np.float64)

    def vector(model_input: ModelInput, n: int) -> Any:
        first = layer.row_ranges[model_input.name][0]
        ids = model_input.rows or 0
        if ids < 20:
            return table[first + n]
        rows = kept_rows_by_hand(layer.compression, ids, n)
        return sum(table[first + row] for row in rows)

    output = np.zeros((3, len(INPUTS), table.shape[1]))
    for field, i in enumerate(INPUTS):
        for row in range(3):
            value = FEATURES[i.name][row]
            if i.kind == "value":
                output[row, field] = value * table[layer.row_ranges[i.name][0]]
            elif i.kind == "id":
                output[row, field] = vector(i, int(value))
            elif there := [vector(i, int(n)) for n in value if n]:
                output[row, field] = np.mean(there, axis=0)
    return output


@BOTH
def test_compressed_lookups_equal_loops_over_the_rows_by_hand(compression: Any) -> None:
    layer = FusedEmbedding(INPUTS, width=3, compression=compression)
    output = layer(FEATURES)
    np.testing.assert_allclose(output, looked_up_by_loops(layer), rtol=1e-5, atol=1e-6)


def test_only_tables_above_the_threshold_are_compressed() -> None:
    layer = FusedEmbedding(INPUTS, width=3, compression=QUOTIENTS)
    # 103 ids keep 26 remainders and 4 quotients, 21 ids 6 and 4; 5 ids stay.
    assert layer.row_ranges == {
        "big": (0, 30),
        "small": (30, 35),
        "price": (35, 36),
        "seen": (0, 30),
        "other": (36, 46),
    }
    hashed = FusedEmbedding(INPUTS, width=3, compression=HASHES)
    assert hashed.rows == 26 + 5 + 1 + 6


@pytest.mark.parametrize("ids, collisions", [(1000, 4), (1000, 7), (997, 31), (50, 2)])
def test_quotient_remainder_tells_all_pairs_of_ids_apart(
    ids: int, collisions: int
) -> None:
    model_input = ModelInput("n", "id", "item", "n", ids)
    compression = QuotientRemainder(collisions=collisions, min_rows=1)
    layer = FusedEmbedding([model_input], width=4, compression=compression)
    vectors = np.asarray(layer({"n": np.arange(ids)}))[:, 0]
    assert len(np.unique(vectors, axis=0)) == ids
    remainders = -(-ids // collisions)
    assert layer.rows == remainders + -(-ids // remainders) <= remainders + collisions
    pairs = np.stack(compression.rows_of(np.arange(ids), np.array(ids)), axis=1)
    assert len(np.unique(pairs, axis=0)) == ids
    assert pairs.min() == 0 and pairs.max() == layer.rows - 1


def test_multi_hash_spreads_ids_evenly_and_no_two_functions_agree() -> None:
    ids = np.arange(100_000, dtype=np.int32)
    first, second = MultiHash(collisions=100).rows_of(ids, np.int32(100_000))
    for rows in (first, second):
        counts = np.bincount(rows, minlength=1000)
        # 100 ids a row; chi-squared of 999 degrees has mean 999, deviation 45.
        assert 800 < ((counts - 100.0) ** 2 / 100).sum() < 1200
    assert (first == second).sum() == pytest.approx(100, abs=40)
    # Of 5e9 pairs of ids one in a million shares both rows.
    both = np.unique(np.stack([first, second], axis=1), axis=0)
    assert 100_000 - len(both) == pytest.approx(5000, rel=0.15)


@BOTH
def test_all_rows_come_out_of_one_gather(compression: Any) -> None:
    ids = [i for i in INPUTS if i.kind != "value"]
    layer = FusedEmbedding(ids, width=3, compression=compression)
    layer(FEATURES)
    graph = tf.function(layer).get_concrete_function(
        {i.name: tf.TensorSpec(FEATURES[i.name].shape, tf.int64) for i in ids}
    )
    gathers = [op for op in graph.graph.get_operations() if "Gather" in op.type]
    assert len(gathers) == 1


@BOTH
def test_the_gradient_of_a_compressed_table_stays_sparse(compression: Any) -> None:
    layer = FusedEmbedding([BIG], width=3, compression=compression)
    layer({"big": np.array([57])})
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer({"big": np.array([57])}))
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    want = np.zeros((layer.rows, 3))
    np.add.at(want, kept_rows_by_hand(compression, 103, 57), 1.0)
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), want)


@pytest.mark.parametrize(
    "compression", [QUOTIENTS, HASHES, QuotientRemainder(min_rows=100), None]
)
def test_a_compressed_embedding_passes_the_battery(
    compression: Any, tmp_path: pathlib.Path
) -> None:
    make = functools.partial(
        FusedEmbedding, INPUTS, width=3, compression=compression, min_frequency=2
    )
    check_layer(make, FEATURES, (3, 5, 3), tmp_path)


def test_jax_looks_up_the_same_rows(tmp_path: pathlib.Path) -> None:
    there = tmp_path / "jax.npz"
    path = os.pathsep.join([str(pathlib.Path(__file__).parent), *sys.path])
    subprocess.run(
        [sys.executable, "-c", FORWARD, str(there)],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path},
        check=True,
    )
    with np.load(there) as stored:
        for name, compression in (("qr", QUOTIENTS), ("hash", HASHES)):
            here = embedded(compression)
            np.testing.assert_allclose(stored[name], here, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["deepfm", "logistic_regression"])
def test_the_parameters_of_a_model_count_kept_rows(name: str) -> None:
    inputs = [ModelInput(f"f{n}", "id", "user", f"f{n}", 30_000) for n in range(2)]
    settings = {
        "compression": {"kind": "quotient_remainder", "collisions": 8},
        "min_frequency": 3,
    }
    params = registry.parse_params(name, settings)
    # 30,001 ids, the shared one included: 3,751 remainders, 8 quotients.
    assert params.kept_rows(30_000) == 3751 + 8
    whole = registry.build(name, inputs)
    small = registry.build(name, inputs, params)

    def table_floats(model: keras.Model) -> int:
        return sum(
            int(np.prod(v.shape))
            for v in model.trainable_variables
            if v.path.endswith("embeddings")
        )

    assert table_floats(whole) == 60_000 * params.table_width
    assert table_floats(small) == 2 * 3759 * params.table_width
    counts = [v for v in small.non_trainable_variables if v.path.endswith("counts")]
    assert sum(4 * v.shape[0] for v in counts) == 2 * params.state_bytes(30_000)


def test_a_configuration_names_a_wrong_compression() -> None:
    with pytest.raises(ConfigError, match="`compression.kind`: must be one of multi"):
        registry.parse_params("deepfm", {"compression": {"kind": "qr"}})
    with pytest.raises(ConfigError, match="collisions"):
        registry.parse_params(
            "deepfm", {"compression": {"kind": "multi_hash", "collisions": 1}}
        )


def test_a_layer_refuses_an_unknown_compression() -> None:
    with pytest.raises(pydantic.ValidationError, match="quotient_remainder"):
        FusedEmbedding([BIG], width=2, compression=json.loads('{"kind": "qr"}'))
