import pathlib
from functools import partial
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.folded_target_attention import FoldedTargetAttention
from clickwright.models.layers.sparse_target_attention import SparseTargetAttention

ATTENTION = [[0.0, 0.002099, 0.013570], [0.0, 0.0, 0.0]]
OUTPUT = [0.252407, 0.297197, 0.202211, 0.012121]


def waves(shape: tuple[int, ...], start: int) -> np.ndarray[Any, Any]:
    """`0.3 sin(start + 0.7 n)` in the order of the rows."""
    size = int(np.prod(shape))
    values = 0.3 * np.sin(start + 0.7 * np.arange(size))
    return values.reshape(shape).astype(np.float32)


def worked() -> tuple[SparseTargetAttention, dict[str, np.ndarray[Any, Any]]]:
    inputs = {
        "target": waves((2, 4), 1),
        "history": waves((2, 3, 4), 2),
        "mask": np.array([[0, 1, 1], [0, 0, 0]], np.float32),
    }
    layer = SparseTargetAttention(8, name="attention")
    layer(inputs)
    layer.set_weights([waves((4, 8), k) for k in (3, 4, 5)] + [waves((8, 4), 6)])
    return layer, inputs


def drawn(rows: int = 6, places: int = 5) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(1)
    return {
        "target": random.normal(size=(rows, 4)).astype(np.float32),
        "history": random.normal(size=(rows, places, 4)).astype(np.float32),
        "mask": (random.random((rows, places)) < 0.6).astype(np.float32),
    }


def by_loops(
    layer: SparseTargetAttention, inputs: dict[str, np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any]:
    """The output, place by place, from queries, keys and values."""
    query, key, value, project = (
        np.asarray(w, np.float64)
        for w in (layer.query, layer.key, layer.value, layer.project)
    )
    output = inputs["target"].astype(np.float64)
    for b, target in enumerate(inputs["target"]):
        for place, mask in zip(inputs["history"][b], inputs["mask"][b], strict=True):
            score = mask * ((target @ query) @ (place @ key)) / np.sqrt(layer.units)
            output[b] += max(score, 0.0) * (place @ value) @ project
    return output


def test_attention_and_output_are_those_of_the_worked_example() -> None:
    layer, inputs = worked()
    np.testing.assert_allclose(layer.weigh(inputs), ATTENTION, atol=1e-6)
    output = np.asarray(layer(inputs))
    np.testing.assert_allclose(output[0], OUTPUT, atol=1e-6)
    np.testing.assert_array_equal(output[1], inputs["target"][1])


def test_the_output_equals_its_definition_by_loops() -> None:
    layer, _ = worked()
    inputs = drawn()
    assert 0 < np.count_nonzero(np.asarray(layer.weigh(inputs)) == 0.0) < 30
    np.testing.assert_allclose(layer(inputs), by_loops(layer, inputs), atol=1e-5)


def test_masked_places_and_the_order_of_the_others_change_nothing() -> None:
    layer, _ = worked()
    inputs = drawn()
    want = layer(inputs)
    order = np.random.default_rng(2).permutation(5)
    permuted = {
        **inputs,
        "history": inputs["history"][:, order],
        "mask": inputs["mask"][:, order],
    }
    np.testing.assert_allclose(layer(permuted), want, atol=1e-6)
    longer = {
        **inputs,
        "history": np.concatenate([np.full((6, 2, 4), 9.0), inputs["history"]], 1),
        "mask": np.concatenate([np.zeros((6, 2)), inputs["mask"]], 1),
    }
    np.testing.assert_allclose(layer(longer), want, atol=1e-6)


def test_a_history_that_happened_twice_counts_twice() -> None:
    layer, _ = worked()
    inputs = drawn()
    twice = {
        "target": inputs["target"],
        "history": np.concatenate([inputs["history"]] * 2, 1),
        "mask": np.concatenate([inputs["mask"]] * 2, 1),
    }
    once = np.asarray(layer(inputs)) - inputs["target"]
    assert np.abs(once).max() > 0.01
    np.testing.assert_allclose(
        np.asarray(layer(twice)) - inputs["target"], 2 * once, atol=1e-6
    )


@pytest.mark.parametrize("folded", [False, True])
def test_one_history_serves_all_targets(folded: bool) -> None:
    layer: Any = worked()[0]
    if folded:
        layer = FoldedTargetAttention.of(layer)
    inputs = drawn()
    shared = {**inputs, "history": inputs["history"][:1], "mask": inputs["mask"][:1]}
    repeated = {
        "target": inputs["target"],
        "history": np.repeat(inputs["history"][:1], 6, 0),
        "mask": np.repeat(inputs["mask"][:1], 6, 0),
    }
    np.testing.assert_allclose(layer(shared), layer(repeated), atol=1e-6)


def test_the_folded_layer_equals_the_trained_one() -> None:
    layer, _ = worked()
    inputs = drawn()
    folded = FoldedTargetAttention.of(layer)
    assert folded.name == "attention"
    assert [tuple(w.shape) for w in folded.weights] == [(4, 4), (4, 4)]
    np.testing.assert_allclose(folded(inputs), layer(inputs), atol=1e-6)


def test_a_layer_has_four_projections_without_biases() -> None:
    layer = SparseTargetAttention(768)
    layer.build({"target": (None, 384), "history": (None, 64, 384)})
    assert layer.count_params() == 4 * 384 * 768


@pytest.mark.parametrize("folded", [False, True])
def test_target_and_history_of_different_widths_are_refused(folded: bool) -> None:
    layer = FoldedTargetAttention() if folded else SparseTargetAttention(8)
    with pytest.raises(ValueError, match=r"same width. Received: 4 and 5"):
        layer.build({"target": (None, 4), "history": (None, 3, 5)})


def test_no_units_are_refused() -> None:
    with pytest.raises(ValueError, match="`units` must be at least 1. Received: 0"):
        SparseTargetAttention(0)


@pytest.mark.parametrize("folded", [False, True])
def test_the_layer_passes_the_battery(folded: bool, tmp_path: pathlib.Path) -> None:
    make = FoldedTargetAttention if folded else partial(SparseTargetAttention, 8)
    check_layer(make, drawn(), (6, 4), tmp_path)
