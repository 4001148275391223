"""Histories encoded in groups of about one length, against all at once."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from clickwright.models.layers.by_length import by_length
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.sequential.s3rec import S3Rec
from clickwright.models.sequential.s3rec_corruption import S3RecCorruption
from clickwright.models.sequential.sasrec import SASRec
from clickwright.schemas.model_input import ModelInput

ITEMS, LENGTH, ROWS = 40, 21, 33
STILL = {"dropout": 0.0, "embedding_dim": 8}
TAGS = ModelInput(
    "tags",
    "attribute",
    "item",
    rows=12,
    length=3,
    table="tags",
    entity="item",
    entities=40,
)


def models() -> list[RetrievalModel]:
    keras.utils.set_random_seed(5)
    encoder = {**STILL, "attention_dropout": 0.0}
    return [
        SASRec(ITEMS, LENGTH, STILL),
        S3Rec(ITEMS, LENGTH, {**encoder, "pretraining": False}),
        S3Rec(ITEMS, LENGTH, encoder, [TAGS]),
    ]


def batch(counts: Any) -> dict[str, Any]:
    """Histories with so many events, and what comes after each."""
    random = np.random.default_rng(3)
    events = random.integers(1, ITEMS, (len(counts), LENGTH + 1)).astype(np.int32)
    real = np.arange(LENGTH) >= LENGTH - np.asarray(counts)[:, None]
    return {
        "history": np.where(real, events[:, :-1], 0),
        "target": np.where(real, events[:, 1:], 0),
        "negatives": random.integers(1, ITEMS, events[:, 1:].shape).astype(np.int32),
        "user": np.zeros(len(counts), np.int32),
    }


COUNTS = {
    "mixed": np.random.default_rng(1).integers(0, LENGTH + 1, ROWS),
    "all short": np.ones(ROWS, int),
    "all full": np.full(ROWS, LENGTH),
    "one empty row": np.zeros(1, int),
}


def test_each_group_is_encoded_in_no_more_places_than_it_needs() -> None:
    shapes = []

    def encode(ids: Any) -> Any:
        shapes.append(tuple(ids.shape))
        return tf.cast(ids, tf.float32)[..., None] * [1.0, 2.0]

    histories = batch([0, 1, 3, 4, 6, 7, 11, 12, 21])["history"]
    states = by_length(encode, histories)
    np.testing.assert_array_equal(states, histories[..., None] * np.array([1.0, 2.0]))
    assert shapes == [(2, 3), (2, 6), (2, 11), (3, 21)]


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_losses_gradients_and_queries_are_those_of_the_whole_batch(
    counts: Any,
) -> None:
    given = batch(counts)
    for model in models():
        found = []
        for model.by_length in (False, True):
            with tf.GradientTape() as tape:
                loss = model.loss(given, "train")
            gradients = tape.gradient(loss, model.trainable_variables)
            found.append(
                [
                    loss.numpy(),
                    model.query(given).numpy(),
                    *(
                        tf.convert_to_tensor(g).numpy()
                        for g in gradients
                        if g is not None
                    ),
                ]
            )
        assert len(found[0]) == len(found[1]) > 10
        for whole, grouped in zip(*found, strict=True):
            np.testing.assert_allclose(grouped, whole, rtol=1e-4, atol=2e-6)


def test_losses_of_pre_training_are_those_of_the_whole_batch() -> None:
    model = models()[-1]
    assert isinstance(model, S3Rec)
    random = np.random.default_rng(2)
    tags = np.concatenate([np.zeros((1, 3)), random.integers(0, 12, (ITEMS - 1, 3))])
    model.looked_up[0].fill(tags.astype(np.int32))
    drawn = S3RecCorruption.draw(
        batch(COUNTS["mixed"])["history"],
        model.mask,
        0.4,
        keras.random.SeedGenerator(1),
    )
    found = []
    for model.by_length in (False, True):
        seed = keras.random.SeedGenerator(4)
        found.append(model.pretraining_losses(drawn, seed, training=False))
    for name, value in found[0].items():
        assert float(value) > 0.1
        np.testing.assert_allclose(found[1][name], value, rtol=1e-5)
