"""BST's tokens and blocks against brute force."""

import functools
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer
from numpy.typing import NDArray

from clickwright.models.layers.behaviour_tokens import BehaviourTokens
from clickwright.models.layers.behaviour_transformer import BehaviourTransformer

Array = NDArray[Any]


def rows(positions: bool = False) -> dict[str, Array]:
    random = np.random.default_rng(1)
    inputs = {
        "target": random.normal(size=(2, 3)).astype(np.float32),
        "history": random.normal(size=(2, 4, 3)).astype(np.float32),
        "mask": np.array([[0, 1, 1, 1], [0, 0, 0, 0]], np.float32),
    }
    if positions:
        inputs["positions"] = random.normal(size=(2, 4, 2)).astype(np.float32)
    return inputs


def test_tokens_are_items_with_their_place_counted_from_the_latest() -> None:
    inputs = rows()
    layer = BehaviourTokens(2)
    got = layer(inputs)
    table = np.arange(10.0).reshape(5, 2).astype(np.float32)
    layer.positions.assign(table)
    got = {k: np.asarray(v) for k, v in layer(inputs).items()}
    np.testing.assert_array_equal(got["mask"], [[0, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    for place, rank in ((1, 3), (2, 2), (3, 1)):
        want = np.concatenate([inputs["history"][0, place], table[rank]])
        np.testing.assert_array_equal(got["tokens"][0, place], want)
    for row in range(2):
        want = np.concatenate([inputs["target"][row], table[0]])
        np.testing.assert_array_equal(got["tokens"][row, 4], want)
    assert not got["tokens"][0, 0].any()
    assert not got["tokens"][1, :4].any()


def test_positions_start_as_sinusoids() -> None:
    layer = BehaviourTokens(4)
    layer(rows())
    table = np.asarray(layer.positions)
    places = np.arange(5.0)
    want = [np.sin(places), np.cos(places), np.sin(places / 100), np.cos(places / 100)]
    np.testing.assert_allclose(table, np.stack(want, 1), atol=1e-6)


def test_given_positions_are_appended_and_the_target_has_one_of_its_own() -> None:
    inputs = rows(positions=True)
    layer = BehaviourTokens(2)
    layer(inputs)
    layer.positions.assign([[5.0, 6.0]])
    got = np.asarray(layer(inputs)["tokens"])
    np.testing.assert_array_equal(got[0, 1:4, 3:], inputs["positions"][0, 1:])
    np.testing.assert_array_equal(got[:, 4, 3:], [[5.0, 6.0]] * 2)
    assert len(layer.trainable_variables) == 1


def test_tokens_refuse_other_widths() -> None:
    with pytest.raises(ValueError, match="`position_width` must be at least 1"):
        BehaviourTokens(0)
    with pytest.raises(ValueError, match="`positions` must be 3 wide"):
        BehaviourTokens(3)(rows(positions=True))


@pytest.mark.parametrize("positions", [False, True])
def test_tokens_are_rebuilt_from_their_config(
    positions: bool, tmp_path: pathlib.Path
) -> None:
    inputs = rows(positions)
    symbolic = {k: keras.Input(v.shape[1:], name=k) for k, v in inputs.items()}
    model = keras.Model(symbolic, BehaviourTokens(2)(symbolic))
    assert model.output["tokens"].shape == (None, 5, 5)
    want = np.asarray(model(inputs)["tokens"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs)["tokens"], want)


def tokens(length: int = 5) -> dict[str, Array]:
    random = np.random.default_rng(2)
    mask = np.ones((2, length), np.float32)
    mask[0, :2] = 0.0
    x = random.normal(size=(2, length, 4)).astype(np.float32)
    return {"tokens": x, "mask": mask}


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def norm(x: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5))


def test_a_block_is_its_formula() -> None:
    inputs = tokens()
    layer = BehaviourTransformer(2)
    layer(inputs)
    random = np.random.default_rng(3)
    weights = [random.normal(0.0, 0.5, w.shape) for w in layer.get_weights()]
    for place, w in enumerate(weights):
        if w.shape == (4,) and place >= 8:
            weights[place] = np.ones(4) if place % 2 == 0 else np.zeros(4)
    layer.set_weights(weights)
    by_path = {
        v.path.split("/", 1)[1]: np.asarray(v) for v in layer.trainable_variables
    }
    for row in range(2):
        real = inputs["mask"][row] > 0
        x = inputs["tokens"][row][real].astype(float)  # padding tells nothing
        heads = np.zeros_like(x)
        for h in range(2):
            q, k, v = (
                x @ by_path[f"attention/{n}/kernel"][:, h]
                for n in ("query", "key", "value")
            )
            attended = softmax(q @ k.T / np.sqrt(2.0)) @ v
            heads += attended @ by_path["attention/attention_output/kernel"][h]
        y = norm(x + heads) * by_path["attention_norm/gamma"]
        y = y + by_path["attention_norm/beta"]
        hidden = y @ by_path["hidden/kernel"] + by_path["hidden/bias"]
        z = np.where(hidden > 0, hidden, 0.01 * hidden) @ by_path["output/kernel"]
        want = norm(y + z + by_path["output/bias"]) * by_path["output_norm/gamma"]
        want = want + by_path["output_norm/beta"]
        np.testing.assert_allclose(
            np.asarray(layer(inputs))[row][real], want, rtol=1e-3, atol=1e-4
        )


def test_what_padding_holds_changes_no_token() -> None:
    inputs = tokens()
    layer = BehaviourTransformer(2)
    want = np.asarray(layer(inputs))
    other = inputs["tokens"].copy()
    other[0, :2] = 9.0
    got = np.asarray(layer({**inputs, "tokens": other}))
    np.testing.assert_allclose(got[0, 2:], want[0, 2:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5, atol=1e-6)


def test_a_block_treats_all_tokens_alike() -> None:
    inputs = tokens()
    layer = BehaviourTransformer(2)
    want = np.asarray(layer(inputs))
    order = np.array([4, 2, 0, 3, 1])
    shuffled = {k: v[:, order] for k, v in inputs.items()}
    np.testing.assert_allclose(layer(shuffled), want[:, order], rtol=1e-4, atol=1e-5)


def test_a_block_passes_the_battery(tmp_path: pathlib.Path) -> None:
    make = functools.partial(BehaviourTransformer, heads=2)
    check_layer(make, tokens(), (2, 5, 4), tmp_path)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="`heads` must divide the width of the tokens"):
        BehaviourTransformer(3)(tokens())
    with pytest.raises(ValueError, match="`heads` must be at least 1"):
        BehaviourTransformer(0)
