"""Histories and the ages of their events, from raw rows through the exported model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import history_shop as shop
import keras
import numpy as np
import pytest
import tensorflow as tf
from transformed_shop import Row, Transformed, encode, transform

from clickwright.models.export import MISSING_INT64, feature_columns
from clickwright.schemas.spec import AGE_BUCKETS

ROWS = shop.make_rows(300, seed=3)
Tensors = Mapping[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    folder = tmp_path_factory.mktemp("transformed")
    train, valid = shop.make_rows(500, seed=1), shop.make_rows(100, seed=2)
    return transform(folder, train, valid, shop.SPEC, shop.PLAN)


@pytest.fixture(scope="module")
def model(transformed: Transformed) -> keras.Model:
    return shop.build(transformed, shop.random_vectors(transformed))


@pytest.fixture(scope="module")
def signatures(
    model: keras.Model,
    transformed: Transformed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    folder = shop.write(model, transformed, tmp_path_factory.mktemp("exported") / "1")
    loaded = tf.saved_model.load(str(folder))
    return {**loaded.signatures, "keep": loaded}


def tensors_of(transformed: Transformed, rows: Sequence[Row]) -> Tensors:
    """What Transform makes of the rows, as it does for training."""
    output = transformed.output
    records = [encode(row, spec=shop.SPEC) for row in rows]
    raw = tf.io.parse_example(records, output.raw_feature_spec())
    tensors = output.transform_features_layer()(raw)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def trained(model: keras.Model, tensors: Tensors) -> np.ndarray[Any, Any]:
    features = {name: tensors[name] for name in model.input}
    return np.asarray(model(features, training=False)["probability"])


def age_id(seconds: int) -> int:
    """floor(2 log2 s) + 1 = bits of s squared, in integers of any size."""
    return min(max((seconds * seconds).bit_length(), 1), AGE_BUCKETS)


def with_ages(ages: Sequence[int]) -> Row:
    """A row whose events are so old; the oldest need not be the first."""
    events = len(ages)
    return {
        **ROWS[0],
        "history": ["item 1"] * events,
        "history_shop": ["shop 1"] * events,
        "history_times": [ROWS[0]["time"] - age for age in ages],
    }


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, 1),
        (1, 1),
        (2, 3),
        (3, 4),
        (4, 5),
        (60, 12),
        (3600, 24),
        (86_400, 33),
        (365 * 86_400, 50),
        (2**31, 63),
        (math.isqrt(2**63), 63),
        (math.isqrt(2**63) + 1, 64),
        (2**40, 64),
        (-1, 1),
        (-(10**9), 1),
    ],
)
def test_the_age_of_an_event_is_twice_its_binary_logarithm(
    transformed: Transformed, seconds: int, expected: int
) -> None:
    found = tensors_of(transformed, [with_ages([seconds])])

    assert found["history__age"].tolist() == [[expected, 0, 0, 0]]
    assert found["recent__age"].tolist() == [[0, 0, expected]]


def test_ages_stand_beside_the_latest_events(transformed: Transformed) -> None:
    found = tensors_of(transformed, ROWS)

    for number, row in enumerate(ROWS):
        ids = [age_id(row["time"] - time) for time in row["history_times"]]
        left, right = ids[-shop.LENGTHS["recent"] :], ids[-shop.LENGTHS["history"] :]
        assert found["recent__age"][number].tolist() == [0] * (3 - len(left)) + left
        assert found["history__age"][number].tolist() == right + [0] * (4 - len(right))
    for name in ("history", "recent"):
        np.testing.assert_array_equal(found[name] > 0, found[f"{name}__age"] > 0)
    assert found["history__age"].dtype == np.int64
    assert len(np.unique(found["history__age"])) > 30


def test_requests_hold_the_time_and_no_column_of_the_item_data() -> None:
    assert feature_columns(shop.SPEC) == {
        "user": False,
        "item": False,
        "shop": False,
        "tags": True,
        "history": True,
        "history_shop": True,
        "history_times": True,
        "time": False,
    }


def test_serving_scores_as_training_does(
    signatures: Any, transformed: Transformed, model: keras.Model
) -> None:
    expected = trained(model, tensors_of(transformed, ROWS))
    assert expected.std() > 0.05  # the rows tell apart

    from_examples = signatures["serving_default"](examples=shop.requests(ROWS))
    from_tensors = signatures["predict_raw"](**shop.raw_tensors(ROWS))

    for found in (from_examples, from_tensors):
        np.testing.assert_allclose(found["probability"], expected, rtol=0, atol=1e-6)


def test_ages_are_those_at_the_time_of_the_request(
    signatures: Any, transformed: Transformed, model: keras.Model
) -> None:
    late = [{**row, "time": row["time"] + 86_400} for row in ROWS]
    expected = trained(model, tensors_of(transformed, late))
    assert np.abs(expected - trained(model, tensors_of(transformed, ROWS))).max() > 0.01

    found = signatures["serving_default"](examples=shop.requests(late))

    np.testing.assert_allclose(found["probability"], expected, rtol=0, atol=1e-6)


def test_events_of_a_request_without_a_time_have_no_age(
    signatures: Any, transformed: Transformed, model: keras.Model
) -> None:
    tensors = dict(tensors_of(transformed, ROWS))
    for name in ("history__age", "recent__age"):
        tensors[name] = np.zeros_like(tensors[name])
    expected = trained(model, tensors)

    from_examples = signatures["serving_default"](
        examples=shop.requests(ROWS, lacking=["time"])
    )
    missing = tf.fill([len(ROWS)], tf.constant(MISSING_INT64, tf.int64))
    from_tensors = signatures["predict_raw"](
        **{**shop.raw_tensors(ROWS), "time": missing}
    )

    for found in (from_examples, from_tensors):
        np.testing.assert_allclose(found["probability"], expected, rtol=0, atol=1e-6)


def test_of_a_long_history_the_latest_events_count(
    signatures: Any, transformed: Transformed
) -> None:
    lists = ("history", "history_shop", "history_times")
    long = [row for row in ROWS if len(row["history"]) > 4]
    cut = [{**row, **{name: row[name][-4:] for name in lists}} for row in long]
    other_end = [{**row, **{name: row[name][:4] for name in lists}} for row in long]
    assert len(long) > 50
    np.testing.assert_array_equal(
        tensors_of(transformed, long)["history"],
        tensors_of(transformed, cut)["history"],
    )

    scores = [
        signatures["predict_raw"](**shop.raw_tensors(rows))["probability"].numpy()
        for rows in (long, cut, other_end)
    ]

    np.testing.assert_allclose(scores[0], scores[1], rtol=0, atol=1e-6)
    assert np.abs(scores[0] - scores[2]).max() > 0.01


def test_rows_of_several_lengths_score_as_they_do_alone(signatures: Any) -> None:
    for name, given in (
        ("serving_default", lambda rows: {"examples": shop.requests(rows)}),
        ("predict_raw", shop.raw_tensors),
    ):
        together = signatures[name](**given(ROWS[:20]))["probability"].numpy()
        alone = [
            signatures[name](**given([row]))["probability"][0].numpy()
            for row in ROWS[:20]
        ]
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    assert len({len(row["history"]) for row in ROWS[:20]}) > 4


def test_a_batch_without_any_history_is_scored(
    signatures: Any, transformed: Transformed, model: keras.Model
) -> None:
    nothing: Any = {"history": [], "history_shop": [], "history_times": []}
    rows = [{**row, **nothing} for row in ROWS]
    expected = trained(model, tensors_of(transformed, rows))
    assert np.isfinite(expected).all()
    assert not tensors_of(transformed, rows)["history"].any()

    from_examples = signatures["serving_default"](examples=shop.requests(rows))
    lacking = signatures["serving_default"](
        examples=shop.requests(rows, lacking=list(nothing))
    )
    from_tensors = signatures["predict_raw"](**shop.raw_tensors(rows))

    for found in (from_examples, lacking, from_tensors):
        np.testing.assert_allclose(found["probability"], expected, rtol=0, atol=1e-6)
