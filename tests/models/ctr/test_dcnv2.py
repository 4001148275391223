from typing import Any

import keras
import numpy as np
import pytest
from ctr_models import (
    INPUTS,
    OURS,
    PUBLISHED,
    frappe_inputs,
    frappe_parameters,
    logits,
    randomize,
    trainable,
    values,
    weights,
)

from clickwright.models import registry
from clickwright.models.ctr import parts

SMALL: dict[str, Any] = {
    "embedding_dim": 2,
    "hidden_units": (5, 4),
    "embedding_stddev": 0.5,
    "cross_layers": 2,
}


def crosses_by_hand(model: keras.Model) -> Any:
    x = x0 = values(model, "flatten")
    for n in range(2):
        kernel, bias = weights(model.get_layer(f"cross_{n}"))
        x = x0 * (x @ kernel + bias) + x
    return x


def test_dcnv2_has_the_published_number_of_parameters() -> None:
    assert frappe_parameters("dcnv2", PUBLISHED) == 458_391


def test_dcnv2_has_ten_rows_of_ten_more_than_published() -> None:
    assert frappe_parameters("dcnv2", OURS) == 458_391 + 10 * 10


def test_dcnv2_without_a_tower_is_the_published_cross_network() -> None:
    # `CrossNetv2_frappe_x1` of BARS: four layers and a head of 100 + 1.
    assert frappe_parameters("dcnv2", PUBLISHED, {"hidden_units": ()}) == 94_391


def test_a_cross_layer_gives_its_worked_value() -> None:
    x = keras.Input((2,))
    model = keras.Model(x, parts.cross(x, x, name="cross"))
    model.set_weights([np.eye(2), np.zeros(2)])
    np.testing.assert_allclose(model(np.array([[1.0, 2.0]])), [[2.0, 6.0]])


def test_cross_kernels_start_glorot_normal_and_biases_at_zero() -> None:
    model = registry.build("dcnv2", frappe_inputs(PUBLISHED))
    kernel, bias = weights(model.get_layer("cross_0"))
    assert kernel.std() == pytest.approx(0.1, rel=0.03)  # sqrt(2 / (100 + 100))
    assert np.abs(kernel).max() > 0.03**0.5  # where Glorot-uniform would end
    assert not bias.any()


def test_the_parallel_structure_joins_crosses_and_tower() -> None:
    model = registry.build("dcnv2", INPUTS, SMALL)
    randomize(model)
    kernel, bias = weights(model.get_layer("head"))
    joined = np.concatenate([crosses_by_hand(model), values(model, "tower")], axis=1)
    np.testing.assert_allclose(
        logits(model), (joined @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5
    )


def test_the_stacked_structure_puts_the_tower_on_the_crosses() -> None:
    model = registry.build("dcnv2", INPUTS, {**SMALL, "structure": "stacked"})
    randomize(model)
    tower = model.get_layer("stacked_tower")
    deep = tower(crosses_by_hand(model).astype(np.float32), training=False)
    kernel, bias = weights(model.get_layer("head"))
    np.testing.assert_allclose(
        logits(model), (np.asarray(deep) @ kernel + bias)[:, 0], rtol=1e-4, atol=1e-5
    )


def test_both_structures_at_once_have_two_towers() -> None:
    one, two = (
        trainable(registry.build("dcnv2", INPUTS, {**SMALL, "structure": structure}))
        for structure in ("stacked", "both")
    )
    assert two - one == (6 * 5 + 5 + 10) + (5 * 4 + 4 + 8) + 4  # a tower, its head


def test_a_low_rank_mixture_takes_the_place_of_the_matrices() -> None:
    # A layer: V and U of 4 experts, 4 * 100 * 32 each, C 4 * 32 * 32, a bias of 100;
    # the gates, 100 * 4, are shared.
    layer = 2 * 4 * 100 * 32 + 4 * 32 * 32 + 100
    want = 458_391 - 4 * 10_100 + 4 * layer + 400
    assert frappe_parameters("dcnv2", PUBLISHED, {"low_rank": 32}) == want


def test_without_weights_crosses_leave_the_embeddings_alone() -> None:
    model = registry.build("dcnv2", INPUTS, {**SMALL, "hidden_units": ()})
    for n in range(2):
        model.get_layer(f"cross_{n}").set_weights([np.zeros((6, 6)), np.zeros(6)])
    np.testing.assert_array_equal(values(model, "cross_1"), values(model, "flatten"))
