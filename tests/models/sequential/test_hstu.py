from typing import Any

import keras
import numpy as np
import pytest
from next_item_zoo import BATCH, HISTORY, ITEMS, LENGTH, TARGET, TIMES, small

from clickwright.models import registry
from clickwright.models.sequential.hstu import HSTU
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


@pytest.mark.parametrize("times", [False, True])
def test_the_parameters_are_as_many_as_stated(times: bool) -> None:
    d, hk, hv, n = 8, 2 * 3, 2 * 4, LENGTH
    sizes = {"embedding_dim": d, "heads": 2, "key_width": 3, "value_width": 4}
    model = HSTU(ITEMS, LENGTH, {**sizes, "times": times})
    each = d * (2 * hv + 2 * hk) + hv * d + d + n + 129 * times
    want = ITEMS * d + n * d + 2 * each
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == want


def test_states_and_items_are_of_length_one() -> None:
    model = small("hstu")
    states = np.linalg.norm(np.asarray(model.states({"history": HISTORY})), axis=-1)
    np.testing.assert_allclose(states, 1, rtol=1e-5)
    items = np.linalg.norm(np.asarray(model.item_matrix()), axis=-1)
    np.testing.assert_allclose(items[1:], 1, rtol=1e-5)


def by_loops(times: Any, request: int) -> Any:
    """Buckets from the definition, event by event; -1 above the diagonal."""
    after = [*times[1:], request]
    out = np.full((len(times), len(times)), -1)
    for i in range(len(times)):
        for j in range(i + 1):
            seconds = max(abs(int(after[i]) - int(times[j])), 1)
            out[i, j] = min(int(np.log(seconds) / 0.301), 128)
    return out


@pytest.mark.parametrize("asked", [None, 1_700_900_000])
def test_buckets_are_of_the_time_to_the_event_after(asked: int | None) -> None:
    model = small("hstu_times")
    features = model.aligned({"history": HISTORY, "times": TIMES})
    if asked:
        features["time"] = np.full(4, asked)
    buckets = np.asarray(model._buckets(features, features["history"]))
    for row, (history, times) in enumerate(zip(HISTORY, TIMES, strict=True)):
        real = times[history > 0]
        if len(real):
            want = by_loops(real, asked or real[-1])
            below = np.tril_indices(len(real))
            got = buckets[row, : len(real), : len(real)]
            np.testing.assert_array_equal(got[below], want[below])


def test_the_time_of_the_request_matters_and_defaults_to_the_last_event() -> None:
    model = small("hstu_times")
    want = np.asarray(model(BATCH))[:3, 1:]
    same = np.asarray(model({**BATCH, "time": TIMES.max(axis=1)}))[:3, 1:]
    np.testing.assert_allclose(same, want, atol=1e-6)
    later = np.asarray(model({**BATCH, "time": TIMES.max(axis=1) + 10**7}))[:3, 1:]
    assert np.abs(later - want).max() > 1e-3


def test_times_are_asked_for_where_attention_depends_on_them() -> None:
    with pytest.raises(ValueError, match="`features` must have `times`"):
        small("hstu_times")({"history": HISTORY})


def test_another_number_of_places_is_another_model() -> None:
    short, long = small("hstu"), HSTU(ITEMS, 9, small("hstu").params)
    for v, w in zip(long.trainable_variables, short.trainable_variables, strict=True):
        values = np.resize(np.array(w), v.shape)
        v.assign(values)
    left, right = short({"history": HISTORY}), long({"history": HISTORY})
    assert np.abs(np.asarray(left)[:3, 1:] - np.asarray(right)[:3, 1:]).max() > 1e-4


@pytest.mark.parametrize("shared", [False, True])
def test_the_loss_is_that_of_loops_over_places(shared: bool) -> None:
    model = small("hstu", dropout=0.0, shared_negatives=shared, negatives=7)
    shape = (7,) if shared else (*TARGET.shape, 7)
    drawn = np.asarray(
        keras.random.randint(
            shape, 1, ITEMS, dtype="int32", seed=keras.random.SeedGenerator(4)
        )
    )
    features = model.aligned({"history": HISTORY})
    states = np.asarray(model.states(features), np.float64)
    table = np.asarray(model.item_matrix(), np.float64)
    losses = []
    for row, target in enumerate(TARGET):
        for place, own in enumerate(target[target > 0]):
            others = drawn if shared else drawn[row, place]
            ids = np.array([own, *others[others != own]])
            logits = table[ids] @ states[row, place] / 0.05
            losses.append(np.log(np.exp(logits - logits[0]).sum()))
    got = model.loss(
        {"history": HISTORY, "target": TARGET}, seed=keras.random.SeedGenerator(4)
    )
    assert float(got) == pytest.approx(np.mean(losses), rel=1e-4)


def test_times_are_refused_where_examples_hold_ages_alone() -> None:
    inputs = [
        ModelInput("item", "id", "item", "item", 11),
        ModelInput("past", "sequence", "user", "item", 11, 6),
    ]
    registry.build("hstu", inputs, {})
    with pytest.raises(ConfigError, match="`times` must be false in a pipeline"):
        registry.build("hstu", inputs, {"times": True})
