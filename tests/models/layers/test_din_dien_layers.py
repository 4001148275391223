"""Layers of DIN and DIEN against worked values and brute force."""

import functools
import json
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from layer_battery import check_layer
from numpy.typing import NDArray

from clickwright.models.layers.activation_unit import ActivationUnit
from clickwright.models.layers.augru import AUGRU
from clickwright.models.layers.bilinear_attention import BilinearAttention
from clickwright.models.layers.dice import Dice
from clickwright.models.layers.next_behaviour import NextBehaviour
from clickwright.models.layers.right_padding import RightPadding

Array = NDArray[Any]


def fill(shape: tuple[int, ...], k: int) -> Array:
    return 0.3 * np.sin(k + 0.7 * np.arange(np.prod(shape))).reshape(shape)


def rows(batch: int = 3, length: int = 5, width: int = 4) -> dict[str, Array]:
    """Targets and histories of 0 events, of some and of all places, left-padded."""
    random = np.random.default_rng(2)
    mask = np.zeros((batch, length), np.float32)
    for row in range(batch):
        mask[row, length - row * length // (batch - 1) :] = 1.0
    return {
        "target": random.normal(size=(batch, width)).astype(np.float32),
        "history": random.normal(size=(batch, length, width)).astype(np.float32),
        "mask": mask,
    }


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def randomize(layer: keras.layers.Layer) -> None:
    random = np.random.default_rng(5)
    for v in layer.trainable_variables:
        v.assign(random.normal(0.0, 0.5, v.shape))


def padded(inputs: dict[str, Array], side: str) -> dict[str, Array]:
    """Two places of padding more, which hold anything."""
    before = (2, 0) if side == "left" else (0, 2)
    longer = dict(inputs)
    for name, x in inputs.items():
        if name in ("history", "states"):
            longer[name] = np.pad(x, [(0, 0), before, (0, 0)], constant_values=7.0)
        elif x.ndim == 2 and name != "target":
            longer[name] = np.pad(x, [(0, 0), before])
    return longer


# ActivationUnit


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("softmax", [False, True])
def test_activation_unit_is_the_network_on_the_concatenation(
    activation: str, softmax: bool
) -> None:
    inputs = rows()
    layer = ActivationUnit((6, 3), activation, softmax)
    layer(inputs)
    randomize(layer)
    kernel, bias, *rest = (np.asarray(w, np.float64) for w in layer.get_weights())
    (w1, b1), (w2, b2) = rest[:2], rest[2:]
    act = sigmoid if activation == "sigmoid" else lambda x: np.maximum(x, 0.0)
    for row in range(3):
        t, s, m = (inputs[n][row].astype(float) for n in ("target", "history", "mask"))
        scores = []
        for event in s:
            x = np.concatenate([t, event, t - event, t * event])
            scores.append((act(act(x @ kernel + bias) @ w1 + b1) @ w2 + b2)[0])
        if softmax:
            e = np.exp(np.array(scores) / 2.0) * m
            weights = e / e.sum() if m.any() else np.zeros(5)
        else:
            weights = np.array(scores) * m
        np.testing.assert_allclose(
            layer(inputs)[row], weights @ s, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("activation", ["sigmoid", "dice"])
def test_a_history_without_events_gives_zeros(activation: str, softmax: bool) -> None:
    layer = ActivationUnit((6,), activation, softmax)
    inputs = rows()
    layer(inputs)
    randomize(layer)
    for training in (False, True):
        np.testing.assert_array_equal(layer(inputs, training=training)[0], np.zeros(4))
        nothing = {**inputs, "mask": np.zeros_like(inputs["mask"])}
        np.testing.assert_array_equal(
            layer(nothing, training=training), np.zeros((3, 4))
        )


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_neither_interest_nor_statistics(
    side: str, softmax: bool, training: bool
) -> None:
    inputs = rows()
    found, statistics = [], []
    for given in (inputs, padded(inputs, side)):
        layer = ActivationUnit((6, 3), "dice", softmax)
        layer(inputs)
        randomize(layer)
        found.append(np.asarray(layer(given, training=training)))
        statistics.append([np.asarray(w) for w in layer.non_trainable_variables])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)
    for before, after in zip(*statistics, strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-5)


def test_the_order_of_events_does_not_matter_to_the_activation_unit() -> None:
    inputs = rows()
    layer = ActivationUnit((6, 3), softmax=True)
    want = np.asarray(layer(inputs))
    order = np.array([3, 1, 4, 0, 2])
    shuffled = {
        **inputs,
        "history": inputs["history"][:, order],
        "mask": inputs["mask"][:, order],
    }
    np.testing.assert_allclose(layer(shuffled), want, rtol=1e-4, atol=1e-6)


def test_one_history_serves_all_targets_of_the_attentions() -> None:
    one = rows()
    history, mask = one["history"][1:2], one["mask"][1:2]
    for layer in (ActivationUnit((6,)), BilinearAttention()):
        shared = {"target": one["target"], "history": history, "mask": mask}
        tiled = {
            "target": one["target"],
            "history": np.repeat(history, 3, axis=0),
            "mask": np.repeat(mask, 3, axis=0),
        }
        np.testing.assert_allclose(layer(shared), layer(tiled), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "dice"])
@pytest.mark.parametrize("softmax", [False, True])
def test_the_activation_unit_passes_the_battery(
    activation: str, softmax: bool, tmp_path: pathlib.Path
) -> None:
    inputs = rows()
    inputs["mask"][0] = 1.0
    make = functools.partial(
        ActivationUnit, units=(6, 3), activation=activation, softmax=softmax
    )
    check_layer(make, inputs, (3, 4), tmp_path)


def test_the_activation_unit_needs_a_layer() -> None:
    with pytest.raises(ValueError, match="`units` must hold at least one"):
        ActivationUnit(())


# Dice


def test_dice_is_its_formula() -> None:
    x = np.random.default_rng(1).normal(2.0, 3.0, (6, 4)).astype(np.float32)
    layer = Dice()
    layer(x)
    layer.alpha.assign([0.0, 0.5, -1.0, 2.0])
    alpha = np.asarray(layer.alpha)
    p = sigmoid((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-9))
    np.testing.assert_allclose(
        layer(x, training=True), p * x + (1 - p) * alpha * x, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(layer.norm.moving_mean, 0.01 * x.mean(0), rtol=1e-4)
    assert len(layer.trainable_variables) == 1


def test_dice_passes_the_battery(tmp_path: pathlib.Path) -> None:
    x = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    check_layer(Dice, x, (4, 3), tmp_path)


# BilinearAttention


def test_bilinear_attention_is_a_softmax_over_events_alone() -> None:
    inputs = rows()
    layer = BilinearAttention()
    layer(inputs)
    np.testing.assert_array_equal(layer.kernel, np.eye(4))
    randomize(layer)
    scores = np.einsum(
        "bd,dh,blh->bl", inputs["target"], np.asarray(layer.kernel), inputs["history"]
    )
    e = np.exp(scores) * inputs["mask"]
    want = np.divide(e, e.sum(1, keepdims=True), out=0 * e, where=e > 0)
    np.testing.assert_allclose(layer(inputs), want, rtol=1e-4, atol=1e-6)
    assert not want[0].any()


def test_bilinear_attention_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(BilinearAttention, rows(), (3, 5), tmp_path)


# AUGRU


@pytest.mark.parametrize(
    ("form", "want"),
    [("paper", [0.237084, 0.117287]), ("official", [0.085047, 0.071232])],
)
def test_augru_makes_the_worked_step(form: Any, want: list[float]) -> None:
    # A step from the state h: the event before it is chosen such that it leads there.
    layer = AUGRU(2, form)
    event, state = fill((2,), 1), fill((2,), 2)
    layer.build({"history": (1, 2, 2), "attention": (1, 2), "mask": (1, 2)})
    layer.kernel.assign(np.concatenate([fill((2, 2), k) for k in (3, 4, 5)], axis=1))
    layer.recurrent_kernel.assign(
        np.concatenate([fill((2, 2), k) for k in (6, 7, 8)], axis=1)
    )
    # From zeros, u = sigmoid(x W_u) and n = tanh(x W_n): solve for the first event.
    kernels = [np.asarray(fill((2, 2), k)) for k in (3, 5)]
    first = solve(kernels, state, form)
    history = np.stack([first, event])[None].astype(np.float32)
    attention = np.array([[1.0, 0.25]], np.float32)
    got = layer(
        {"history": history, "attention": attention, "mask": np.ones((1, 2), "float32")}
    )
    np.testing.assert_allclose(got[0], want, atol=2e-6)


def solve(kernels: list[Array], state: Array, form: Any) -> Array:
    """The event that leads from zeros, with an attention of 1, to `state`."""
    x = np.zeros(2)

    def step(x: Array) -> Array:
        u = sigmoid(x @ kernels[0])
        return (u if form == "paper" else 1.0) * np.tanh(x @ kernels[1])

    for _ in range(100):
        eps = 1e-6
        jacobian = np.stack(
            [(step(x + eps * e) - step(x - eps * e)) / (2 * eps) for e in np.eye(2)], 1
        )
        x = x - np.linalg.solve(jacobian, step(x) - state)
    np.testing.assert_allclose(step(x), state, atol=1e-9)
    return x


def test_no_attention_leaves_the_state_in_the_paper_and_not_in_the_official_code() -> (
    None
):
    inputs = rows()
    attention = np.full((3, 5), 0.3, np.float32)
    nothing = attention.copy()
    nothing[:, -1] = 0.0
    forms: tuple[Any, ...] = ("paper", "official")
    for form in forms:
        layer = AUGRU(3, form)
        layer({**{k: inputs[k] for k in ("history", "mask")}, "attention": attention})
        randomize(layer)
        whole = layer(
            {"history": inputs["history"], "mask": inputs["mask"], "attention": nothing}
        )
        shorter = layer(
            {
                "history": inputs["history"][:, :-1],
                "mask": inputs["mask"][:, :-1],
                "attention": nothing[:, :-1],
            }
        )
        same = np.allclose(whole, shorter, atol=1e-6)
        assert same == (form == "paper")


def test_augru_with_full_attention_is_a_gru() -> None:
    inputs = rows()
    layer = AUGRU(3)
    full = {"attention": np.ones((3, 5), np.float32), **inputs}
    del full["target"]
    layer(full)
    randomize(layer)
    gru = keras.layers.GRU(3, reset_after=True)
    gru.build((None, 5, 4))
    kernel, recurrent, bias, recurrent_bias = (
        np.split(np.asarray(w), 3, axis=-1)
        for w in (
            layer.kernel,
            layer.recurrent_kernel,
            layer.bias,
            layer.recurrent_bias,
        )
    )

    # The GRU's update gate keeps what this one's takes: z = 1 - u = sigmoid(-x).
    def theirs(parts: list[Array]) -> Array:
        return np.concatenate([-parts[0], parts[1], parts[2]], axis=-1)

    gru.set_weights(
        [
            theirs(kernel),
            theirs(recurrent),
            np.stack([theirs(bias), theirs(recurrent_bias)]),
        ]
    )
    got = np.asarray(layer(full))
    for row in range(1, 3):
        events = inputs["history"][row][inputs["mask"][row] > 0]
        np.testing.assert_allclose(got[row], gru(events[None])[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(got[0], np.zeros(3))


@pytest.mark.parametrize("form", ["paper", "official"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_leaves_the_augru_as_it_is(form: Any, side: str) -> None:
    inputs = {**rows(), "attention": np.full((3, 5), 0.4, np.float32)}
    del inputs["target"]
    layer = AUGRU(3, form)
    want = np.asarray(layer(inputs))
    np.testing.assert_allclose(layer(padded(inputs, side)), want, rtol=1e-5, atol=1e-6)


def test_one_history_serves_all_attentions_of_the_augru() -> None:
    inputs = rows()
    history, mask = inputs["history"][1:2], inputs["mask"][1:2]
    attention = np.random.default_rng(0).uniform(size=(3, 5)).astype(np.float32)
    layer = AUGRU(3)
    shared = layer({"history": history, "mask": mask, "attention": attention})
    tiled = layer(
        {
            "history": np.repeat(history, 3, axis=0),
            "mask": np.repeat(mask, 3, axis=0),
            "attention": attention,
        }
    )
    np.testing.assert_allclose(shared, tiled, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["paper", "official"])
def test_augru_passes_the_battery(form: Any, tmp_path: pathlib.Path) -> None:
    inputs = {**rows(), "attention": np.full((3, 5), 0.4, np.float32)}
    del inputs["target"]
    check_layer(functools.partial(AUGRU, units=3, form=form), inputs, (3, 3), tmp_path)


def test_augru_refuses_another_form() -> None:
    with pytest.raises(ValueError, match="`form` must be `paper` or `official`"):
        AUGRU(3, "gru")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`units` must be at least 1"):
        AUGRU(0)


# RightPadding


def test_right_padding_keeps_the_order_of_the_events() -> None:
    mask = np.array([[0, 0, 1], [1, 0, 1], [0, 0, 0]], np.float32)
    history = np.arange(18, dtype=np.float32).reshape(3, 3, 2)
    got = RightPadding()({"history": history, "mask": mask, "ids": history[..., 0]})
    np.testing.assert_array_equal(got["mask"], [[1, 0, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(got["history"][0, 0], history[0, 2])
    np.testing.assert_array_equal(got["history"][1, :2], history[1, [0, 2]])
    np.testing.assert_array_equal(got["ids"], got["history"][..., 0])
    again = RightPadding.from_config(
        json.loads(json.dumps(RightPadding().get_config()))
    )
    np.testing.assert_array_equal(
        again({"history": history, "mask": mask})["history"], got["history"]
    )


# NextBehaviour


def behaviour(batch: int = 3) -> dict[str, Array]:
    inputs = rows(batch)
    random = np.random.default_rng(3)
    mask = inputs["mask"][:, ::-1].copy()
    return {
        "logits": random.normal(size=(batch, 1)).astype(np.float32),
        "states": random.normal(size=(batch, 5, 2)).astype(np.float32),
        "history": inputs["history"],
        "ids": (np.arange(1, batch * 5 + 1).reshape(batch, 5) * mask).astype(np.int64),
        "mask": mask,
    }


def test_the_auxiliary_loss_is_the_mean_over_places_with_a_next_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = behaviour()
    layer = NextBehaviour(0.7, (4,))
    layer(inputs)
    randomize(layer)
    drawn = np.array([[10, 5, 6, 5], [10, 5, 6, 5], [5, 11, 6, 14]])
    monkeypatch.setattr(
        layer, "_drawn", lambda mask: keras.ops.convert_to_tensor(drawn)
    )
    np.testing.assert_array_equal(layer(inputs, training=True), inputs["logits"])

    w1, b1, w2, b2 = (np.asarray(w, np.float64) for w in layer.trainable_variables)

    def probability(state: Array, event: Array) -> float:
        hidden = sigmoid(np.concatenate([state, event]) @ w1 + b1)
        return float(sigmoid(hidden @ w2 + b2)[0])

    flat, ids = inputs["history"].reshape(15, 4), inputs["ids"].reshape(15)
    losses = []
    for row in range(3):
        for place in range(4):
            if inputs["mask"][row, place + 1] == 0:
                continue
            if ids[drawn[row, place]] == inputs["ids"][row, place + 1]:
                continue
            state = inputs["states"][row, place]
            came = probability(state, inputs["history"][row, place + 1])
            went = probability(state, flat[drawn[row, place]])
            losses.append(-np.log(came) - np.log(1 - went))
    assert len(losses) == 4  # of five places with a next event one drew that event
    np.testing.assert_allclose(layer.losses[0], 0.7 * np.mean(losses), rtol=1e-5)


def test_negatives_are_events_of_the_batch_and_all_of_them_come_up() -> None:
    inputs = behaviour()
    layer = NextBehaviour(1.0, (4,))
    mask = inputs["mask"].astype(np.int32)
    drawn = np.concatenate(
        [np.asarray(layer._drawn(keras.ops.convert_to_tensor(mask))) for _ in range(60)]
    )
    events = np.flatnonzero(mask.reshape(-1))
    counts = np.bincount(drawn.reshape(-1), minlength=15)
    assert set(np.flatnonzero(counts)) == set(events)
    share = counts[events] / counts.sum()
    np.testing.assert_allclose(share, 1 / len(events), atol=0.05)


def test_padding_and_empty_histories_add_nothing_to_the_auxiliary_loss() -> None:
    inputs = behaviour()
    found = []
    for given in (inputs, padded(inputs, "right")):
        layer = NextBehaviour(1.0, (4,))
        layer(inputs)
        randomize(layer)
        # Two events in all: the draw is the next event itself, or the one before it.
        mask = np.zeros_like(given["mask"])
        mask[1, :2] = 1.0
        losses = set()
        for _ in range(20):
            layer({**given, "mask": mask}, training=True)
            losses.add(round(float(layer.losses[0]), 5))
        found.append(losses)
        layer({**given, "mask": 0 * mask}, training=True)
        assert float(layer.losses[0]) == 0.0
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert 0.0 in found[0]


def test_without_training_there_is_no_auxiliary_loss() -> None:
    layer = NextBehaviour(1.0, (4,))
    layer(behaviour(), training=False)
    assert layer.losses == []
    with pytest.raises(ValueError, match="`weight` must not be negative"):
        NextBehaviour(-1.0)


def test_the_auxiliary_layer_passes_the_battery(tmp_path: pathlib.Path) -> None:
    check_layer(
        functools.partial(NextBehaviour, units=(4,)), behaviour(), (3, 1), tmp_path
    )
