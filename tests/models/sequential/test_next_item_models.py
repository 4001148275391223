"""What every next-item model must pass, whatever it computes."""

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
from next_item_zoo import (
    BATCH,
    HISTORY,
    ITEMS,
    LENGTH,
    MODELS,
    TIMES,
    built,
    small,
    without_dropout,
)

from clickwright.models import registry
from clickwright.models.sequential.next_item_model import NextItemModel
from clickwright.models.sequential.s3rec import S3Rec
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

every_model = pytest.mark.parametrize("name", sorted(MODELS))
every_causal_model = pytest.mark.parametrize("name", sorted(set(MODELS) - {"bert4rec"}))

ELSEWHERE = ("bert4rec", "gru4rec", "hstu_times", "s3rec", "sasrec")
SCORE_ELSEWHERE = """
import sys
import jax
import keras
import numpy as np
from next_item_zoo import BATCH, small, without_dropout

for name in sys.argv[2:]:
    model = small(name, **without_dropout(name))

    @jax.jit
    def outputs():
        with keras.StatelessScope():
            losses = [model.loss(BATCH, stage) for stage in model.stages]
            return model(BATCH), losses

    scores, losses = outputs()
    np.savez(f"{sys.argv[1]}/{name}.npz", scores=scores, losses=losses)
"""


def scores(model: NextItemModel, history: Any, times: Any = None) -> Any:
    times = TIMES[: len(history)] if times is None else times
    return np.asarray(model({"history": history, "times": times}))


def packed(history: Any, side: str) -> Any:
    """Padding moved to one side, row by row."""
    out = np.zeros_like(history)
    for row, values in zip(out, history, strict=True):
        real = values[values != 0]
        if len(real):
            row[: len(real)] = real
        if side == "left":
            row[:] = np.roll(row, len(row) - len(real))
    return out


def move(optimizer: Any, tape: Any, loss: Any, model: NextItemModel) -> None:
    """One step; a stage moves the weights that it reads."""
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    pairs = zip(gradients, model.trainable_variables, strict=True)
    taken = [(g, v) for g, v in pairs if g is not None]
    optimizer.apply([g for g, _ in taken], [v for _, v in taken])


@every_model
def test_scores_are_of_all_items_but_padding(name: str) -> None:
    found = scores(built(name), HISTORY)
    assert found.shape == (4, ITEMS)
    assert found.dtype == np.float32
    assert (found[:, 0] == -np.inf).all()
    assert np.isfinite(found[:, 1:]).all()
    assert len(np.unique(found[:3, 1:])) == 3 * (ITEMS - 1)


@every_model
def test_scores_are_products_of_the_vectors_that_are_served(name: str) -> None:
    model = built(name)
    query, matrix = np.asarray(model.query(BATCH)), np.asarray(model.item_matrix())
    assert query.dtype == matrix.dtype == np.float32
    assert matrix.shape == (ITEMS, query.shape[1])
    assert not matrix[0].any()
    want = query @ matrix.T
    if model.item_bias() is not None:
        want = want + np.asarray(model.item_bias())
    np.testing.assert_allclose(scores(model, HISTORY)[:, 1:], want[:, 1:], rtol=1e-5)


@every_model
def test_padding_may_stand_anywhere_and_in_any_number(name: str) -> None:
    model = built(name)
    want = scores(model, HISTORY)
    right = scores(model, packed(HISTORY, "right"), packed(TIMES, "right"))
    np.testing.assert_allclose(right, want, atol=1e-5)
    wide, times = (np.zeros((4, 9), np.int64) for _ in range(2))
    wide[:, [0, 2, 3, 4, 6, 8]] = HISTORY
    times[:, [0, 2, 3, 4, 6, 8]] = TIMES
    np.testing.assert_allclose(scores(model, wide, times), want, atol=1e-5)
    narrow = scores(model, HISTORY[:1, 2:], TIMES[:1, 2:])
    np.testing.assert_allclose(narrow, want[:1], atol=1e-5)


@every_model
def test_of_a_long_history_the_latest_events_count(name: str) -> None:
    model = built(name)
    longer = np.concatenate([np.full((4, 3), 8), HISTORY], axis=1)
    times = np.concatenate([np.full((4, 3), TIMES.max() - 9**5), TIMES], axis=1)
    got = scores(model, longer, times)[1]
    np.testing.assert_allclose(got, scores(model, HISTORY)[1], atol=1e-5)


@every_model
def test_rows_do_not_depend_on_their_neighbours(name: str) -> None:
    model = built(name)
    alone = [scores(model, HISTORY[n : n + 1], TIMES[n : n + 1]) for n in range(4)]
    np.testing.assert_allclose(
        np.concatenate(alone), scores(model, HISTORY), rtol=1e-5, atol=1e-5
    )


@every_causal_model
def test_states_do_not_know_what_comes_later(name: str) -> None:
    model = built(name)
    batch = model.aligned({"history": HISTORY[1:2], "times": TIMES[1:2]})
    states = np.asarray(model.states(batch))
    for place in range(LENGTH - 1):
        changed = np.array(batch["history"])
        changed[0, place + 1 :] = 8
        other = np.asarray(model.states({**batch, "history": changed}))
        np.testing.assert_allclose(
            other[0, : place + 1], states[0, : place + 1], atol=1e-5
        )
        assert np.abs(other[0, place + 1] - states[0, place + 1]).max() > 1e-3


@every_model
def test_a_batch_of_padding_alone_costs_nothing(name: str) -> None:
    model = built(name)
    nothing = {key: np.zeros_like(values) for key, values in BATCH.items()}
    for stage in model.stages:
        with tf.GradientTape() as tape:
            loss = model.loss(nothing, stage)
        assert float(loss) == 0.0
        for gradient in tape.gradient(loss, model.trainable_variables):
            if gradient is not None:
                assert not np.asarray(tf.convert_to_tensor(gradient)).any()


@every_model
def test_every_weight_learns_and_the_padding_row_stays_zero(name: str) -> None:
    model = small(name)
    before = {v.path: np.array(v) for v in model.trainable_variables}
    assert len(before) == len(model.trainable_variables)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    for stage in model.stages:

        @tf.function
        def step(batch: Any, stage: str = stage) -> Any:
            with tf.GradientTape() as tape:
                loss = model.loss(batch, stage)
            move(optimizer, tape, loss, model)
            return loss

        batch = {key: tf.constant(values) for key, values in BATCH.items()}
        losses = [float(step(batch)) for _ in range(8)]
        assert np.isfinite(losses).all()
        assert len(set(losses)) == 8
    still = [
        v.path
        for v in model.trainable_variables
        if np.array_equal(before[v.path], np.array(v))
    ]
    assert still == []
    for v in model.trainable_variables:
        if v.path.endswith("item/embeddings"):
            assert not np.array(v)[0].any()
    assert not np.asarray(model.item_matrix())[0].any()


@every_model
def test_negatives_are_drawn_anew_and_come_again_from_a_seed(name: str) -> None:
    model = small(name, **without_dropout(name))
    for stage in model.stages:
        one, two, again = (
            float(model.loss(BATCH, stage, keras.random.SeedGenerator(n)))
            for n in (1, 2, 1)
        )
        assert one == again
        assert one != two


@every_model
def test_an_unknown_stage_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="`stage` must be one of"):
        built(name).loss(BATCH, "tune")


@every_model
def test_a_model_is_rebuilt_from_its_config(name: str) -> None:
    model = built(name)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(scores(again, HISTORY), scores(model, HISTORY))


@every_model
def test_a_model_is_saved_and_loaded(name: str, tmp_path: pathlib.Path) -> None:
    model = built(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(scores(loaded, HISTORY), scores(model, HISTORY))
    for v, w in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.array(v), np.array(w))


@every_model
def test_a_saved_model_scores_as_the_model_does(
    name: str, tmp_path: pathlib.Path
) -> None:
    model = built(name)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "scores",
        model.scores,
        [
            {
                key: tf.TensorSpec((None, None), tf.int64, name=key)
                for key in ("history", "times")
            }
        ],
    )
    archive.write_out(str(tmp_path), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    served = loaded.scores(
        {"history": tf.constant(HISTORY), "times": tf.constant(TIMES)}
    )
    np.testing.assert_allclose(served, scores(model, HISTORY), rtol=0, atol=1e-5)


@every_model
def test_half_precision_scores_nearly_the_same(name: str) -> None:
    model = built(name)
    kind, params = MODELS[name]
    given = {"attributes": model.attributes} if isinstance(model, S3Rec) else {}
    low = kind(ITEMS, LENGTH, params, dtype="mixed_bfloat16", **given)
    low.set_weights(model.get_weights())
    want, got = scores(model, HISTORY)[:, 1:], scores(low, HISTORY)[:, 1:]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=0.05 * np.abs(want).max())
    for stage in low.stages:
        loss = low.loss(BATCH, stage)
        assert keras.backend.standardize_dtype(loss.dtype) == "float32"
        assert np.isfinite(float(loss))


def test_models_score_the_same_on_jax(tmp_path: pathlib.Path) -> None:
    helpers = str(pathlib.Path(__file__).resolve().parents[2])
    subprocess.run(
        [sys.executable, "-c", SCORE_ELSEWHERE, str(tmp_path), *ELSEWHERE],
        env=os.environ
        | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": helpers},
        check=True,
    )
    for name in ELSEWHERE:
        with np.load(tmp_path / f"{name}.npz") as stored:
            np.testing.assert_allclose(
                stored["scores"],
                scores(built(name), HISTORY),
                rtol=1e-4,
                atol=1e-4,
                err_msg=name,
            )
            assert np.isfinite(stored["losses"]).all()


@every_model
def test_a_model_learns_what_always_follows(name: str) -> None:
    """Item i + 1 follows item i, after 10 comes 1."""
    keras.utils.set_random_seed(3)
    kind, params = MODELS[name]
    params = {**params, **without_dropout(name), "embedding_dim": 16}
    if name.startswith("gru4rec"):
        params["units"] = (16,)
    if name == "bert4rec":
        # Few gaps tell little: it learns the same from others, in more steps.
        params["last_share"] = 1.0
    model = kind(ITEMS, LENGTH, params)
    whole = (np.arange(10)[:, None] + np.arange(LENGTH + 1)) % 10 + 1
    batch = {"history": whole[:, :-1], "times": 1000 * whole[:, :-1]}
    optimizer = keras.optimizers.Adam(0.005)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = model.loss({**batch, "target": whole[:, 1:]})
        move(optimizer, tape, loss, model)

    for _ in range(150):
        step()
    best = np.argmax(np.asarray(model(batch)), axis=1)
    np.testing.assert_array_equal(best, whole[:, -1])


INPUTS = (
    ModelInput("item", "id", "item", "item", ITEMS),
    ModelInput("taken", "sequence", "user", "item", ITEMS, LENGTH),
    ModelInput("user", "id", "user", "user", 4),
)


@pytest.mark.parametrize("name", ["bert4rec", "gru4rec", "hstu", "s3rec", "sasrec"])
def test_the_registry_builds_it_for_the_history_and_its_items(name: str) -> None:
    assert registry.entry(name).task == "retrieval"
    model = registry.build(name, INPUTS)
    assert isinstance(model, NextItemModel)
    assert (model.items, model.length) == (ITEMS, LENGTH)
    assert model.params == registry.parse_params(name, {})
    table = next(v for v in model.variables if v.path.endswith("item/embeddings"))
    biases = [v for v in model.variables if v.path.endswith("item_bias")]
    assert registry.table_width(name, {}) == table.shape[1] + len(biases)
    with pytest.raises(ConfigError, match=f"`{name}` needs a history"):
        registry.build(name, INPUTS[:1])


@pytest.mark.parametrize(
    ("items", "length", "message"),
    [
        (1, 6, "`items` must be 2 or more, row 0 being padding. Received: 1"),
        (9, 0, "`length` must be 1 or more. Received: 0"),
        (9, -1, "`length` must not be negative. Received: -1"),
    ],
)
def test_a_catalogue_without_items_or_places_is_refused(
    items: int, length: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MODELS["sasrec"][0](items, length)
