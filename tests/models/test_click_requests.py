"""Golden and warm-up requests of click models."""

import gzip
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from request_files import arrays, golden, replay, warmed_up
from transformed_shop import PLAN, SPEC, Transformed, encode, make_rows
from zoo_shop import SMALL

from clickwright.components.transform.executor import keep_rows
from clickwright.models import registry
from clickwright.models.click_requests import write_click_requests
from clickwright.models.export import export, feature_columns
from clickwright.models.export_params import GOLDEN_ROWS, ExportParams
from clickwright.models.request_rows import RequestRows
from clickwright.models.training.trainer_inputs import vocabulary_sizes
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.strict_yaml import parse

# Values 20 .. 29 are in no vocabulary.
ROWS = make_rows(20, seed=5, known=30)
ITEM_COLUMNS = {"item", "shop", "price", "tags"}
SIGNATURES = ("serving_default", "predict_raw", "rank")


@pytest.fixture(scope="module")
def directory(
    transformed: Transformed, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A QIN, which is folded for the SavedModel, with golden requests."""
    keras.utils.set_random_seed(1)
    sizes = vocabulary_sizes(SPEC, transformed.output)
    inputs = SPEC.model_inputs(sizes, PLAN.encodings())
    model = registry.build("qin", inputs, {**SMALL["qin"], "embedding_stddev": 0.3})
    target = tmp_path_factory.mktemp("golden") / "1"
    folded = registry.fold("qin", model)
    export(folded, transformed.output, SPEC, target, 0.5, PLAN)
    rows = RequestRows(tuple(encode(row) for row in ROWS), (1, 8, 32))
    write_click_requests(
        model, transformed.output, SPEC, target, rows, 0.5, health=True
    )
    return target


def test_the_saved_model_answers_as_the_trained_model_did(
    directory: pathlib.Path,
) -> None:
    found = replay(directory)
    assert set(found) == {(name, n) for name in SIGNATURES for n in (1, 8, 20)}
    assert max(found.values()) < 1e-6


def test_golden_rows_tell_apart(directory: pathlib.Path) -> None:
    for name in SIGNATURES:
        whole = golden(directory, name)[-1]
        score = arrays(whole.predict_log.response.outputs)["probability"]
        assert score.dtype == np.float32 and score.std() > 1e-3


def test_requests_hold_what_features_read_and_nothing_else(
    directory: pathlib.Path,
) -> None:
    for log in golden(directory, "serving_default"):
        for example in arrays(log.predict_log.request.inputs)["examples"]:
            features = tf.train.Example.FromString(example).features.feature
            assert {"user", "item"} <= set(features) <= set(feature_columns(SPEC))
    raw = golden(directory, "predict_raw")[0].predict_log.request.inputs
    assert set(raw) == set(feature_columns(SPEC))


def test_one_user_ranks_the_items_of_all_rows(directory: pathlib.Path) -> None:
    ranked = golden(directory, "rank")[-1].predict_log.request.inputs
    plain = golden(directory, "predict_raw")[-1].predict_log.request.inputs
    rows = arrays(plain)
    for name, x in arrays(ranked).items():
        assert len(x) == (20 if name in ITEM_COLUMNS else 1)
        first = np.atleast_1d(x[0])  # lists of one row may need less padding
        np.testing.assert_array_equal(first, np.atleast_1d(rows[name][0])[: len(first)])


def test_warm_up_asks_for_every_signature_and_batch_size(
    directory: pathlib.Path,
) -> None:
    sizes = (1, 8, 32)  # rows are repeated for the last one
    names = (*SIGNATURES, "numeric_health")
    assert warmed_up(directory) == {(name, n) for name in names for n in sizes}


def test_rows_of_all_shards_are_kept_the_same_each_time(tmp_path: pathlib.Path) -> None:
    for shard in range(3):
        file = tmp_path / "split" / f"data_tfrecord-{shard:05}.gz"
        file.parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
            for row in range(100):
                writer.write(f"{shard} {row}".encode())
    for name in ("one", "two"):
        keep_rows([str(tmp_path / "split")], tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    kept = RequestRows.read(tmp_path / "one", 1000, (1,)).rows
    assert len(kept) == GOLDEN_ROWS
    assert kept[:4] == (b"0 0", b"1 0", b"2 0", b"0 1")
    assert RequestRows.read(tmp_path / "one", 2, (1,)).rows == kept[:2]


def test_rows_that_cannot_be_read_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(gzip.compress(b"no record, but long enough for its head"))
    with pytest.raises(DataError, match="rows: The rows for golden requests cannot"):
        RequestRows.read(path, 3, (1,))
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match="There are no rows for golden requests"):
        RequestRows.read(path, 3, (1,))


@pytest.mark.parametrize(
    "given", [{"golden_rows": 0}, {"golden_rows": 129}, {"batch_sizes": []}]
)
def test_how_many_rows_are_asked_for_has_limits(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        parse(ExportParams, given, "export")
