from typing import Any

import keras
import numpy as np
import pydantic
import pytest
from next_item_zoo import HISTORY, ITEMS, LENGTH, TARGET, small

from clickwright.models.sequential.gru4rec import GRU4Rec
from clickwright.models.sequential.gru4rec_params import GRU4RecParams


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def stepwise(model: GRU4Rec, items: Any) -> Any:
    """The states after each item, one cell step at a time."""
    x = np.array(model.table.embeddings, np.float64)[items]
    for gru, _ in model.layers_of_units:
        kernel, recurrent, bias = (np.array(w, np.float64) for w in gru.weights)
        state, states = np.zeros(recurrent.shape[0]), []
        for step in x:
            z_x, r_x, c_x = np.split(step @ kernel + bias[0], 3)
            z_h, r_h, c_h = np.split(state @ recurrent + bias[1], 3)
            z = sigmoid(z_x + z_h)
            candidate = np.tanh(c_x + sigmoid(r_x + r_h) * c_h)
            state = z * state + (1 - z) * candidate
            states.append(state)
        x = np.array(states)
    return x


def test_the_parameters_are_as_many_as_stated() -> None:
    model = GRU4Rec(ITEMS, LENGTH, {"embedding_dim": 8, "units": (6, 8)})
    want = ITEMS * 9 + 3 * (8 * 6 + 6 * 6 + 12) + 3 * (6 * 8 + 8 * 8 + 16)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == want


def test_the_query_is_the_state_after_step_upon_step() -> None:
    model = small("gru4rec")
    query = np.asarray(model.query({"history": HISTORY}))
    for row, history in zip(query[:3], HISTORY, strict=False):
        want = stepwise(model, history[history > 0])[-1]
        np.testing.assert_allclose(row, want, rtol=1e-4, atol=1e-6)
    assert not query[3].any()


@pytest.mark.parametrize("remove_hits", [False, True])
@pytest.mark.parametrize("loss", ["cross_entropy", "bpr_max"])
def test_the_loss_is_that_of_loops_over_places(loss: str, remove_hits: bool) -> None:
    model = small(
        "gru4rec", loss=loss, remove_hits=remove_hits, dropout=0.0, alpha=0.3, logq=0.7
    )
    counts = np.arange(ITEMS) ** 2.0
    model.adapt(counts)
    drawn = np.asarray(model.sampler.draw(5, keras.random.SeedGenerator(8)))
    table = np.array(model.table.embeddings, np.float64)
    bias = np.array(model.bias, np.float64)
    logs = np.log(np.maximum(counts, 1))

    rows = [h[h > 0] for h in HISTORY]
    targets = [t[t > 0] for t in TARGET]
    states: list[Any] = [stepwise(model, row) if len(row) else None for row in rows]
    losses = []
    for place in range(LENGTH):
        there = [n for n, row in enumerate(rows) if len(row) > place]
        for n in there:
            own = targets[n][place]
            in_batch = [targets[m][place] for m in there if m != n]
            ids = np.array([own, *in_batch, *drawn])
            scores = table[ids] @ states[n][place] + bias[ids]
            keep = np.ones(len(ids), bool)
            if remove_hits:
                keep[1:] = ids[1:] != own
            if loss == "cross_entropy":
                shares = np.repeat([1.0, 0.3], [1 + len(in_batch), len(drawn)])
                scores = (scores - 0.7 * shares * logs[ids])[keep]
                losses.append(-np.log(np.exp(scores[0]) / np.exp(scores).sum()))
            else:
                scores = np.where(scores > 0, scores, 0.5 * (np.exp(scores) - 1))[keep]
                w = np.exp(scores[1:]) / np.exp(scores[1:]).sum()
                better = (w * sigmoid(scores[0] - scores[1:])).sum()
                losses.append(-np.log(better) + (w * scores[1:] ** 2).sum())
    got = model.loss(
        {"history": HISTORY, "target": TARGET}, seed=keras.random.SeedGenerator(8)
    )
    assert float(got) == pytest.approx(np.mean(losses), rel=2e-4)


def test_the_last_layer_has_the_width_of_items() -> None:
    with pytest.raises(pydantic.ValidationError, match="must be `embedding_dim`, 100"):
        GRU4RecParams(units=(100, 50))
