"""Kept requests, sent again: what differs is found, sized and placed."""

import pathlib
import re
from collections.abc import Mapping

import numpy as np
import pytest
import tensorflow as tf
import tiny_served_model
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from clickwright.schemas.errors import DataError
from clickwright.schemas.prediction_logs import write_logs
from clickwright.schemas.serving_files import GOLDEN_PATH
from clickwright.serving.saved_model_scorer import SavedModelScorer
from clickwright.serving.scorer import Array, ScoringError
from clickwright.serving.skew import skew
from clickwright.serving.skew_report import SkewReport

SIGNATURES = ("serving_default", "predict_raw", "rank")


@pytest.fixture(scope="module")
def version_1(written_models: pathlib.Path) -> SavedModelScorer:
    return SavedModelScorer(written_models / "tiny" / "1")


def kept_answers(tmp_path: pathlib.Path, **outputs: object) -> pathlib.Path:
    """A file with one request and the answer that was kept."""
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = "top_k"
    for name, values in outputs.items():
        log.predict_log.response.outputs[name].CopyFrom(
            tf.make_tensor_proto(np.asarray(values))
        )
    write_logs(tmp_path / "logs", [log])
    return tmp_path / "logs"


def answering(**outputs: object) -> Mapping[str, object]:
    """One scorer that gives the same answer to everything."""
    found = {name: np.asarray(values) for name, values in outputs.items()}
    return {"here": lambda request: found}


def compared(
    tmp_path: pathlib.Path, kept: Mapping[str, object], found: Mapping[str, object]
) -> SkewReport:
    return skew(kept_answers(tmp_path, **kept), answering(**found))  # type: ignore[arg-type]


def test_a_saved_model_answers_its_golden_requests_as_the_training_graph_did(
    version_1: SavedModelScorer, written_models: pathlib.Path
) -> None:
    golden = written_models / "tiny" / "1" / GOLDEN_PATH

    report = skew(golden, {"SavedModel": version_1})

    assert report.signatures == SIGNATURES
    assert report.failures(1e-6, SIGNATURES) == ()
    for signature in SIGNATURES:
        found = report.of(signature, "SavedModel")
        assert found is not None
        assert (found.requests, found.rows) == (1, 4)


def test_another_model_is_off_by_what_its_answers_differ_in(
    version_1: SavedModelScorer, written_models: pathlib.Path
) -> None:
    golden = written_models / "tiny" / "2" / GOLDEN_PATH
    one, two = (
        tiny_served_model.answers(tiny_served_model.rows(4), version)
        for version in (1, 2)
    )
    worst = int(np.argmax(np.abs(one - two)))

    report = skew(golden, {"SavedModel": version_1})

    found = report.of("predict_raw", "SavedModel")
    assert found is not None
    assert found.largest == pytest.approx(np.abs(one - two).max(), abs=1e-6)
    assert found.place.startswith(f"request 2, probability[{worst}]: ")
    failures = report.failures(1e-5, (*SIGNATURES, "embed_user"))
    assert failures[0] == "`embed_user`: no kept request asks for it"
    assert len(failures) == 1 + len(SIGNATURES)
    assert failures[2].startswith(
        f"`predict_raw` in the SavedModel: off by {found.largest:.3g}, 1e-05 is allowed"
    )


def test_logged_requests_are_scored_again(
    version_1: SavedModelScorer, tmp_path: pathlib.Path
) -> None:
    columns = tiny_served_model.rows(5, seed=3)
    log = PredictionLog()
    log.predict_log.request.model_spec.name = "shop"
    log.predict_log.request.model_spec.signature_name = "predict_raw"
    for name, values in columns.items():
        log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    logged = tiny_served_model.answers(columns, 1).copy()
    logged[3] += 0.25
    log.predict_log.response.outputs["probability"].CopyFrom(
        tf.make_tensor_proto(logged)
    )
    other = PredictionLog()
    other.regress_log.request.model_spec.name = "shop"
    write_logs(tmp_path / "logs", [other, log])

    report = skew(tmp_path / "logs", {"SavedModel": version_1})

    assert report.skipped == 1
    (found,) = report.skews
    assert found.largest == pytest.approx(0.25, abs=1e-6)
    assert found.place.startswith("request 2, probability[3]: ")


def test_a_log_without_requests_of_predict_is_refused(
    version_1: SavedModelScorer, tmp_path: pathlib.Path
) -> None:
    log = PredictionLog()
    log.classify_log.request.model_spec.name = "shop"
    write_logs(tmp_path / "logs", [log])

    with pytest.raises(DataError, match="No request of Predict .* 1 of other kinds"):
        skew(tmp_path / "logs", {"SavedModel": version_1})


@pytest.mark.parametrize(
    ("signature", "columns", "said"),
    [
        ("absent", {}, "the model has no signature `absent`, only classify"),
        ("predict_raw", {"user_id": np.array([b"u"], object)}, "request 1: .*missing"),
        ("fails", {"item_id": np.array([1])}, "request 1: .*the model refuses the row"),
    ],
)
def test_a_request_without_an_answer_says_why(
    signature: str,
    columns: Mapping[str, Array],
    said: str,
    version_1: SavedModelScorer,
    tmp_path: pathlib.Path,
) -> None:
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    for name, values in columns.items():
        log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    write_logs(tmp_path / "logs", [log])

    (found,) = skew(tmp_path / "logs", {"SavedModel": version_1}).skews

    assert not found.within(1.0)
    assert re.search(said, found.problem), found.problem


def test_a_folder_that_is_no_model_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="cannot be loaded"):
        SavedModelScorer(tmp_path)


@pytest.mark.parametrize(
    ("kept", "found", "largest"),
    [
        ([0.5, np.nan], [0.5, np.nan], 0.0),
        ([0.5, np.nan], [0.5, 0.1], np.inf),
        ([0.5, np.inf], [0.5, np.inf], 0.0),
        ([0.5, 1.0], [0.5, -np.inf], np.inf),
        ([0.5, 0.25], [0.5, 0.5], 0.25),
        ([1000.0, 0.0], [1001.0, 0.0], 1e-3),
    ],
)
def test_differences_are_absolute_up_to_one_and_relative_above(
    kept: list[float], found: list[float], largest: float, tmp_path: pathlib.Path
) -> None:
    (result,) = compared(tmp_path, {"x": kept}, {"x": found}).skews

    assert result.largest == pytest.approx(largest)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"y": [1.0]}, "no output `x`, but `y`"),
        ({"x": [1.0, 2.0]}, r"has the shape \[2\] instead of \[1\]"),
        ({"x": np.array([b"1"], object)}, "holds object instead of float64"),
    ],
)
def test_an_answer_of_another_form_is_a_problem(
    found: Mapping[str, object], said: str, tmp_path: pathlib.Path
) -> None:
    (failure,) = compared(tmp_path, {"x": [1.0]}, found).failures(1e9)

    assert re.search(said, failure), failure


def test_text_is_equal_or_it_is_not(tmp_path: pathlib.Path) -> None:
    kept = {"x": np.array([b"a", b"b"], object)}

    (same,) = compared(tmp_path, kept, kept).skews
    (other,) = compared(tmp_path, kept, {"x": np.array([b"a", b"c"], object)}).skews

    assert same.within(0.0)
    assert not other.within(1.0)
    assert other.place.endswith("x[1]: b'c' instead of b'b'")


@pytest.mark.parametrize(
    ("items", "scores", "largest"),
    [
        ([7, 5, 3], [0.9, 0.5, 0.4], 0.0),
        ([5, 7, 3], [0.9, 0.5, 0.4], 0.4),  # two that change places, far apart
        ([7, 5, 8], [0.9, 0.5, 0.4], 0.0),  # the last, and one just behind it
        ([7, 8, 3], [0.9, 0.5, 0.4], 0.1),  # one that should have been there
    ],
)
def test_lists_of_items_are_compared_by_their_scores(
    items: list[int], scores: list[float], largest: float, tmp_path: pathlib.Path
) -> None:
    kept = {"items": [[7, 5, 3]], "scores": [[0.9, 0.5, 0.4]]}

    (found,) = compared(tmp_path, kept, {"items": [items], "scores": [scores]}).skews

    assert found.largest == pytest.approx(largest)


def test_an_item_that_a_list_with_places_left_over_lacks_is_never_excused(
    tmp_path: pathlib.Path,
) -> None:
    nothing = -np.inf
    kept = {"items": [[7, 5, 0]], "scores": [[0.9, 0.5, nothing]]}
    filler = {"items": [[7, 5, 4]], "scores": [[0.9, 0.5, nothing]]}
    other = {"items": [[7, 6, 0]], "scores": [[0.9, 0.5, nothing]]}

    assert compared(tmp_path, kept, filler).failures(0.0) == ()
    (failure,) = compared(tmp_path, kept, other).failures(1e9)
    assert "off by not a number" in failure or "6" in failure


def test_a_single_output_may_come_without_its_name(tmp_path: pathlib.Path) -> None:
    (found,) = compared(tmp_path, {"x": [0.5]}, {"": [0.75]}).skews

    assert found.largest == 0.25


def test_a_server_that_is_away_is_a_problem_of_the_signature(
    tmp_path: pathlib.Path,
) -> None:
    def away(request: PredictRequest) -> Mapping[str, Array]:
        raise ScoringError("UNAVAILABLE: nobody listens")

    report = skew(kept_answers(tmp_path, x=[1.0]), {"gRPC": away})

    assert report.failures(1.0) == (
        "`top_k` over gRPC: request 1: UNAVAILABLE: nobody listens",
    )
