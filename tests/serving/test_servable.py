"""One loaded version of a model."""

import pathlib
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
import tiny_served_model as tiny
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from clickwright.schemas.prediction_logs import write_logs
from clickwright.schemas.serving_files import WARMUP_PATH
from clickwright.serving.server.servable import Servable
from clickwright.serving.server.serving_error import ServingError


@pytest.fixture(scope="module")
def servable(written_models: pathlib.Path) -> Iterator[Servable]:
    with Servable(written_models / "tiny" / "2", "tiny", 2) as loaded:
        yield loaded


@pytest.fixture
def copy(written_models: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(written_models / "tiny" / "1", tmp_path / "1"))


def refused(servable: Servable, *arguments: Any) -> ServingError:
    with pytest.raises(ServingError) as caught:
        servable.run(*arguments)
    return caught.value


def test_all_signatures_give_what_the_model_gives(servable: Servable) -> None:
    columns, ranking = tiny.rows(9), tiny.ranking(9)

    raw = servable.run("predict_raw", columns)
    default = servable.run("", {"examples": tiny.examples(columns)})
    ranked = servable.run("rank", ranking)

    expected = tiny.answers(columns, version=2)
    np.testing.assert_allclose(raw["probability"], expected, atol=1e-6)
    np.testing.assert_allclose(default["probability"], expected, atol=1e-6)
    np.testing.assert_allclose(
        ranked["probability"], tiny.answers(ranking, version=2), atol=1e-6
    )


def test_text_goes_in_and_comes_out_as_bytes(servable: Servable) -> None:
    columns = tiny.rows(4)
    users = {name: columns[name] for name in tiny.USER_COLUMNS}

    found = servable.run("top_k", users)

    assert found["item_id"].shape == (4, tiny.K)
    assert all(isinstance(x, bytes) for x in found["item_id"].ravel())


def test_only_the_wanted_outputs_come_back(servable: Servable) -> None:
    columns = tiny.rows(4)
    users = {name: columns[name] for name in tiny.USER_COLUMNS}

    assert servable.run("top_k", users, ["score"]).keys() == {"score"}
    assert servable.run("top_k", users, ["score", "item_id"]).keys() == {
        "item_id",
        "score",
    }


def test_a_wrong_request_is_refused_with_the_words_of_tf_serving(
    servable: Servable,
) -> None:
    columns = tiny.rows(4)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    wrong = columns | {"item_id": columns["price"]}
    deep = columns | {"item_id": columns["item_id"][:, None]}
    number = columns | {"user_id": columns["item_id"]}
    text = columns | {"item_id": columns["user_id"]}
    for arguments, code, message in (
        (
            ("nowhere", columns),
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "nowhere" not found.',
        ),
        (
            ("top_k", {"user_id": columns["user_id"], "who": columns["price"]}),
            invalid,
            (
                "input size does not match signature: 2!=2 len({user_id,who}) != "
                "len({history,user_id}). Sent extra: {who}. Missing but required: "
                "{history}."
            ),
        ),
        (
            ("predict_raw", wrong),
            invalid,
            'input "item_id" expects to be int64 but float32 is provided',
        ),
        (
            ("predict_raw", number),
            invalid,
            'input "user_id" expects to be string but int64 is provided',
        ),
        (
            ("predict_raw", text),
            invalid,
            'input "item_id" expects to be int64 but string is provided',
        ),
        (
            ("predict_raw", deep),
            invalid,
            'input "item_id" expects shape [?] but [4,1] is provided',
        ),
        (
            ("rank", columns),
            invalid,
            'input "history" expects shape [1,?] but [4,5] is provided',
        ),
        (
            ("predict_raw", columns, ["likes"]),
            invalid,
            (
                "output tensor alias not found in signature: likes Outputs expected "
                "to be in the set {probability}."
            ),
        ),
        (
            ("predict_raw", columns, ["probability", "probability"]),
            invalid,
            "duplicate output tensor alias: probability",
        ),
    ):
        error = refused(servable, *arguments)
        assert (error.code, error.message) == (code, message)


def test_bytes_that_are_no_example_are_refused(servable: Servable) -> None:
    error = refused(servable, "", {"examples": np.array([b"\xff\xfe"], dtype=object)})

    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "Could not parse example input" in error.message


def test_what_the_model_itself_refuses_keeps_its_words(servable: Servable) -> None:
    columns = tiny.rows(4)

    error = refused(servable, "fails", {"item_id": columns["item_id"]})

    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert error.message.startswith("assertion failed: [the model refuses the row]")
    uneven = columns | {"item_id": columns["item_id"][:3]}
    assert "Incompatible shapes" in refused(servable, "predict_raw", uneven).message


def test_an_input_with_a_default_may_be_left_out(
    written_models: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "1"
    shutil.copytree(written_models / "half_plus_two" / "123", folder)
    model = saved_model_pb2.SavedModel.FromString(
        (folder / "saved_model.pb").read_bytes()
    )
    signature = model.meta_graphs[0].signature_def["serving_default"]
    signature.defaults["x"].CopyFrom(tf.make_tensor_proto(np.array([6.0], np.float32)))
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())

    with Servable(folder, "half", 1) as servable:
        assert servable.run("", {})["y"].tolist() == [5.0]
        assert servable.run("", {"x": np.array([2.0], np.float32)})["y"].tolist() == [
            3.0
        ]


def test_many_threads_run_one_servable(servable: Servable) -> None:
    found: dict[int, np.ndarray] = {}

    def ask(seed: int) -> None:
        for _ in range(20):
            said = servable.run("predict_raw", tiny.rows(5, seed))
            found[seed] = said["probability"]

    threads = [threading.Thread(target=ask, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [0, 1, 2, 3]
    for seed, said in found.items():
        expected = tiny.answers(tiny.rows(5, seed), version=2)
        np.testing.assert_allclose(said, expected, atol=1e-6)


def test_a_closed_servable_says_so(written_models: pathlib.Path) -> None:
    servable = Servable(written_models / "half_plus_two" / "123", "half", 123)
    servable.load()
    servable.close()
    servable.close()

    error = refused(servable, "", {"x": np.array([1], np.float32)})

    assert error.code == grpc.StatusCode.UNAVAILABLE
    assert error.message == "Version 123 of model half is not loaded"


def test_a_model_without_its_graph_is_not_found(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ServingError, match="Could not find SavedModel .pb") as caught:
        Servable(tmp_path, "tiny", 1).load()

    assert caught.value.code == grpc.StatusCode.NOT_FOUND


def test_a_model_without_its_variables_is_refused(copy: pathlib.Path) -> None:
    shutil.rmtree(copy / "variables")

    with pytest.raises(ServingError, match="is not a valid checkpoint") as caught:
        Servable(copy, "tiny", 1).load()

    assert caught.value.code == grpc.StatusCode.DATA_LOSS


def test_a_graph_that_is_no_graph_is_refused(copy: pathlib.Path) -> None:
    (copy / "saved_model.pb").write_bytes(b"\xff" * 100)

    with pytest.raises(ServingError) as caught:
        Servable(copy, "tiny", 1).load()

    assert caught.value.code == grpc.StatusCode.DATA_LOSS


def test_warm_up_requests_run_before_the_first_real_one(copy: pathlib.Path) -> None:
    with Servable(copy, "tiny", 1) as servable:
        assert servable.warmup_seconds > 0

    (copy / WARMUP_PATH).unlink()
    with Servable(copy, "tiny", 1) as servable:
        assert servable.warmup_seconds == 0


def test_warm_up_takes_requests_of_every_kind(copy: pathlib.Path) -> None:
    example = tf.train.Example.FromString(tiny.examples(tiny.rows(1))[0])
    logs = [PredictionLog() for _ in range(3)]
    for request in (
        logs[0].classify_log.request,
        logs[1].regress_log.request,
        logs[2].multi_inference_log.request,
    ):
        request.input.example_list.examples.append(example)
    logs[0].classify_log.request.model_spec.signature_name = "classify"
    logs[1].regress_log.request.model_spec.signature_name = "regress"
    for name in ("classify", "regress"):
        task = logs[2].multi_inference_log.request.tasks.add()
        task.model_spec.signature_name = name
    write_logs(copy / WARMUP_PATH, logs)

    with Servable(copy, "tiny", 1) as servable:
        assert servable.warmup_seconds > 0


def test_a_warm_up_request_that_fails_stops_the_load(copy: pathlib.Path) -> None:
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = "fails"
    log.predict_log.request.inputs["item_id"].CopyFrom(
        tf.make_tensor_proto(np.array([1], np.int64))
    )
    write_logs(copy / WARMUP_PATH, [log])
    servable = Servable(copy, "tiny", 1)

    with pytest.raises(ServingError, match="the model refuses the row"):
        servable.load()

    assert refused(servable, "rank", {}).code == grpc.StatusCode.INVALID_ARGUMENT
    assert (
        refused(servable, "predict_raw", tiny.rows(1)).code
        == grpc.StatusCode.UNAVAILABLE
    )


@pytest.mark.parametrize(
    ("damage", "code", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-9]),
            grpc.StatusCode.DATA_LOSS,
            "Please verify your warmup data is in TFRecord format",
        ),
        (
            lambda path: write_logs(path, [PredictionLog()] * 1001),
            grpc.StatusCode.INVALID_ARGUMENT,
            r"Number of warmup records exceeds the maximum \(1000\)",
        ),
    ],
)
def test_a_damaged_warm_up_file_stops_the_load(
    copy: pathlib.Path, damage: Any, code: grpc.StatusCode, message: str
) -> None:
    damage(copy / WARMUP_PATH)

    with pytest.raises(ServingError, match=message) as caught:
        Servable(copy, "tiny", 1).load()

    assert caught.value.code == code
