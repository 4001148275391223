"""MISS' kernels and contrasts against worked values and brute force."""

import functools
import math
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_battery import check_layer
from numpy.typing import NDArray

from clickwright.models.layers.interest_contrast import InterestContrast
from clickwright.models.layers.interest_kernel import InterestKernel
from clickwright.models.losses.info_nce import info_nce

Array = NDArray[Any]
BATCH, LENGTH, FIELDS, WIDTH = 6, 7, 2, 3


def fill(shape: tuple[int, ...], k: int) -> Array:
    return 0.3 * np.sin(k + 0.7 * np.arange(np.prod(shape))).reshape(shape)


def histories(counts: tuple[int, ...] = (7, 6, 5, 4, 1, 0)) -> dict[str, Array]:
    """Left-padded histories with so many events."""
    random = np.random.default_rng(3)
    batch = len(counts)
    mask = (np.arange(LENGTH) >= LENGTH - np.array(counts)[:, None]).astype(np.float32)
    ids = np.arange(1, batch * LENGTH + 1).reshape(batch, LENGTH) * mask
    history = random.normal(size=(batch, LENGTH, FIELDS * WIDTH)) * mask[..., None]
    return {
        "logits": random.normal(size=(batch, 1)).astype(np.float32),
        "history": history.astype(np.float32),
        "ids": ids.astype(np.int64),
        "mask": mask,
    }


def made(inputs: dict[str, Array], **arguments: Any) -> InterestContrast:
    layer = InterestContrast(FIELDS, **arguments)
    layer(inputs)
    random = np.random.default_rng(1)
    for v in layer.trainable_variables:
        v.assign(random.uniform(-0.2, 0.8, v.shape))
    return layer


# InterestKernel


def test_a_kernel_slides_as_worked_out() -> None:
    layer = InterestKernel(2)
    rows = fill((2, 4, 3), 1).astype(np.float32)
    layer(rows)
    layer.kernel.assign([0.5, -0.25])
    got = np.asarray(layer(rows))
    assert got.shape == (2, 3, 3)
    np.testing.assert_allclose(got[0, 0], [0.123102, 0.194639, 0.174634], atol=1e-6)
    np.testing.assert_allclose(got[1, 2], [0.128277, 0.195874, 0.171348], atol=1e-6)


def test_a_kernel_of_one_place_gives_what_it_gets() -> None:
    rows = fill((2, 4, 3), 1).astype(np.float32)
    np.testing.assert_array_equal(InterestKernel(1, "linear")(rows), rows)


def test_a_kernel_passes_the_battery(tmp_path: pathlib.Path) -> None:
    rows = fill((2, 4, 3), 1).astype(np.float32)
    check_layer(functools.partial(InterestKernel, width=2), rows, (2, 3, 3), tmp_path)
    with pytest.raises(ValueError, match="`width` must be at least 1"):
        InterestKernel(0)


# info_nce


def test_identical_orthonormal_views_give_the_known_loss() -> None:
    views = np.eye(4, dtype=np.float32)
    loss = float(info_nce(views, views, 1.0))
    assert loss == pytest.approx(math.log(1 + 3 / math.e), abs=1e-6)
    assert loss == pytest.approx(0.743668, abs=1e-6)


def test_other_views_give_the_worked_loss() -> None:
    first, second = fill((3, 4), 1), fill((3, 4), 9)
    assert float(info_nce(first, second, 0.2)) == pytest.approx(3.494478, abs=1e-5)


def test_rows_that_do_not_count_are_in_neither_sum() -> None:
    first, second = fill((5, 4), 1), fill((5, 4), 9)
    want = float(info_nce(first[:3], second[:3], 0.2))
    got = info_nce(first, second, 0.2, np.array([1, 1, 1, 0, 0]))
    assert float(got) == pytest.approx(want, abs=1e-5)
    assert float(info_nce(first, second, 0.2, np.zeros(5))) == 0.0


def test_the_same_window_elsewhere_is_no_negative() -> None:
    first, second = fill((3, 4), 1), fill((3, 4), 9)
    same = np.zeros((3, 3), bool)
    same[0, 2] = same[0, 0] = True
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second)]
    terms = np.exp(unit[0] @ unit[1].T / 0.2)
    kept = terms.copy()
    kept[0, 2] = 0.0
    want = np.mean(np.log(kept.sum(1)) - np.log(np.diag(terms)))
    assert float(info_nce(first, second, 0.2, None, same)) == pytest.approx(want, 1e-4)


def test_views_of_zeros_have_finite_gradients() -> None:
    first = tf.Variable(np.zeros((3, 4), np.float32))
    with tf.GradientTape() as tape:
        loss = info_nce(first, fill((3, 4), 9), 0.2)
    assert np.isfinite(float(loss))
    assert np.isfinite(np.asarray(tape.gradient(loss, first))).all()


# InterestContrast


def test_windows_are_drawn_from_all_pairs_that_lie_within_the_events() -> None:
    inputs = histories()
    layer = InterestContrast(FIELDS, widths=2, distance=2)
    layer(inputs)
    seen: list[set[tuple[int, int]]] = [set() for _ in range(BATCH)]
    for _ in range(150):
        (first, second), valid = layer._drawn_starts(inputs["mask"], 2)
        np.testing.assert_array_equal(valid, [True] * 4 + [False] * 2)
        for row in range(4):
            seen[row].add((int(first[row]), int(second[row])))
    for row, count in enumerate((7, 6, 5, 4)):
        want = {
            (start, start + gap)
            for gap in (2, 3)
            for start in range(LENGTH - count, LENGTH - 1 - gap)
        }
        assert seen[row] == want


def test_the_loss_is_that_of_the_drawn_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = histories((7, 6, 5, 4))
    layer = made(inputs, widths=2, interest_weight=0.3, feature_weight=0.2)
    starts = {1: [(0, 1), (1, 3), (2, 4), (3, 4)], 2: [(0, 2), (1, 4), (2, 4), (3, 5)]}
    drawn = {
        width: (tuple(np.array(pairs, np.int32).T), np.ones(4, bool))
        for width, pairs in starts.items()
    }
    monkeypatch.setattr(layer, "_drawn_starts", lambda mask, width: drawn[width])
    monkeypatch.setattr(layer, "_share", lambda x: keras.ops.full((4,), 0.6))
    losses = [float(x) for x in layer.contrasts(inputs)]

    def encoded(encoder: Any, x: Array) -> Array:
        w1, b1, w2, b2 = (np.asarray(w) for w in encoder.trainable_variables)
        return np.maximum(x @ w1 + b1, 0) @ w2 + b2

    def nce(first: Array, second: Array) -> float:
        first, second = (
            v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second)
        )
        terms = np.exp(first @ second.T / 0.1)
        return float(np.mean(np.log(terms.sum(1)) - np.log(np.diag(terms))))

    interests, features = [], []
    cubes = inputs["history"].reshape(4, LENGTH, FIELDS, WIDTH)
    for n, (width, pairs) in enumerate(starts.items()):
        kernel = np.asarray(layer.horizontal[n].kernel)
        views = [
            np.stack(
                [
                    np.maximum(
                        sum(kernel[i] * cubes[row, start + i] for i in range(width)), 0
                    )
                    for row, start in enumerate(column)
                ]
            )
            for column in zip(*pairs, strict=True)
        ]  # [B, J, K]
        encoder = layer.interest_encoders[n]
        interests.append(nce(*(encoded(encoder, v.reshape(4, -1)) for v in views)))
        for height, vertical in enumerate(layer.vertical, 1):
            v = np.asarray(vertical.kernel)
            results = FIELDS - height + 1
            chosen = int(0.6 * results)
            sums = [
                np.maximum(sum(v[i] * view[:, chosen + i] for i in range(height)), 0)
                for view in views
            ]
            features.append(nce(*(encoded(layer.feature_encoders[n], s) for s in sums)))
    assert losses == pytest.approx(
        [0.3 * np.mean(interests), 0.2 * np.mean(features)], rel=1e-4
    )
    assert len(features) == 4


def test_features_of_the_same_time_are_two_different_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = histories((7, 6, 5, 4))
    layer = made(inputs, feature_pairs="same_time")
    assert [v.width for v in layer.vertical] == [1]
    views = [keras.ops.convert_to_tensor(fill((4, 2, 3), 1), "float32")] * 2
    for share in (0.1, 0.9):
        monkeypatch.setattr(
            layer, "_share", lambda x, share=share: keras.ops.full((4,), share)
        )
        first, second = map(np.asarray, layer._fields_drawn(layer.vertical[0], views))
        assert not np.allclose(first, second)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_no_contrast(side: str) -> None:
    inputs = histories()
    before = (2, 0) if side == "left" else (0, 2)
    longer = {
        "logits": inputs["logits"],
        "history": np.pad(
            inputs["history"], [(0, 0), before, (0, 0)], constant_values=5.0
        ),
        "ids": np.pad(inputs["ids"], [(0, 0), before]),
        "mask": np.pad(inputs["mask"], [(0, 0), before]),
    }
    found = []
    for given in (inputs, longer):
        layer = made(inputs)
        layer.seed_generator.state.assign([3, 0])
        found.append([float(x) for x in layer.contrasts(given)])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert min(found[0]) > 0


def test_rows_too_short_count_for_nothing() -> None:
    found = []
    for counts in ((7, 6, 5, 4, 1, 0), (7, 6, 5, 4, 0, 1)):
        layer = made(histories(), widths=2)
        layer.seed_generator.state.assign([3, 0])
        found.append([float(x) for x in layer.contrasts(histories(counts))])
    assert found[0] == found[1]
    nothing = histories((1, 1, 0, 0, 1, 0))
    layer = made(nothing)
    assert [float(x) for x in layer.contrasts(nothing)] == [0.0, 0.0]


def test_gradients_reach_the_events_of_counted_rows_alone() -> None:
    inputs = histories()
    layer = made(inputs)
    history = tf.Variable(inputs["history"])
    with tf.GradientTape() as tape:
        loss = sum(layer.contrasts({**inputs, "history": history}))
    gradient = np.asarray(tape.gradient(loss, history))
    assert np.abs(gradient).max() > 0
    assert not gradient[inputs["mask"] == 0].any()
    assert not gradient[4:].any()


def test_only_training_adds_contrasts_and_logits_pass_as_they_are() -> None:
    inputs = histories()
    layer = made(inputs)
    np.testing.assert_array_equal(layer(inputs, training=False), inputs["logits"])
    assert layer.losses == []
    np.testing.assert_array_equal(layer(inputs, training=True), inputs["logits"])
    assert len(layer.losses) == 2


def test_a_level_without_weight_has_no_weights() -> None:
    inputs = histories()
    layer = made(inputs, feature_weight=0.0)
    assert not any("feature" in v.path for v in layer.trainable_variables)
    assert len(layer.contrasts(inputs)) == 1


@pytest.mark.parametrize("pairs", ["across_time", "same_time"])
def test_the_contrast_passes_the_battery(pairs: Any, tmp_path: pathlib.Path) -> None:
    inputs = histories((7, 7, 7, 6))
    make = functools.partial(InterestContrast, fields=FIELDS, feature_pairs=pairs)
    check_layer(make, inputs, (4, 1), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": 0}, "`widths` must be at least 1"),
        ({"temperature": 0.0}, "`temperature` must be positive"),
        ({"interest_weight": -1.0}, "must not be negative"),
        ({"feature_pairs": "any"}, "`feature_pairs` must be"),
        ({"fields": 4}, "multiple of its 4 fields"),
        ({"interest_weight": 0.0, "feature_weight": 0.0}, "leaves nothing to contrast"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InterestContrast(**({"fields": FIELDS} | arguments))(histories())
