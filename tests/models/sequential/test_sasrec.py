import numpy as np
from next_item_zoo import HISTORY, ITEMS, LENGTH, TARGET, small

from clickwright.models.sequential.sasrec import SASRec


def test_the_parameters_are_as_many_as_stated() -> None:
    for d, blocks in ((8, 2), (50, 3)):
        model = SASRec(ITEMS, LENGTH, {"embedding_dim": d, "blocks": blocks})
        each = 5 * (d * d + d) + 4 * d
        want = ITEMS * d + LENGTH * d + blocks * each + 2 * d
        assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == want


def test_states_are_blocks_of_scaled_items_and_places() -> None:
    model = small("sasrec")
    real = HISTORY > 0
    table = np.array(model.table.embeddings)
    x = table[HISTORY] * np.sqrt(8, dtype=np.float32)
    x = (x + np.array(model.positions.embeddings)) * real[..., None]
    for block in model.blocks:
        x = np.asarray(block(x.astype(np.float32), real))
    gain, shift = (np.array(v) for v in model.norm.weights)
    mean, deviation = x.mean(-1, keepdims=True), x.std(-1, keepdims=True)
    want = (x - mean) / np.maximum(deviation, 1e-4) * gain + shift
    np.testing.assert_allclose(
        model.states({"history": HISTORY})[:3], want[:3], atol=2e-3
    )


def test_the_loss_is_of_the_negatives_that_are_given() -> None:
    model = small("sasrec", dropout=0.0)
    negatives = np.where(TARGET > 0, TARGET % 10 + 1, 0)
    batch = {"history": HISTORY, "target": TARGET, "negatives": negatives}
    states = np.asarray(model.states(batch), np.float64)
    table = np.array(model.item_matrix(), np.float64)
    losses = []
    for row, place in zip(*np.nonzero(TARGET), strict=True):
        p, n = (
            states[row, place] @ table[ids[row, place]] for ids in (TARGET, negatives)
        )
        losses.append(np.log1p(np.exp(-p)) + np.log1p(np.exp(n)))
    np.testing.assert_allclose(float(model.loss(batch)), np.mean(losses), rtol=1e-5)

    several = {**batch, "negatives": np.stack([negatives, negatives], axis=-1)}
    more = float(model.loss(several))
    assert more > float(model.loss(batch))
