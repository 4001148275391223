"""`clickwright skew`: kept requests sent again, differences printed."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import pytest
import tensorflow as tf
from fake_model import FakeModel, serve
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tiny_shop import Command

from clickwright.pipeline import skew as skew_module
from clickwright.schemas.prediction_logs import write_logs
from clickwright.schemas.serving_files import GOLDEN_PATH

KEPT = np.array([0.25, 0.75], np.float32)


def write_requests(path: pathlib.Path, kept: np.ndarray[Any, Any] = KEPT) -> None:
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = "predict_raw"
    log.predict_log.request.inputs["user"].CopyFrom(tf.make_tensor_proto([7, 8]))
    answer = log.predict_log.response.outputs["probability"]
    answer.CopyFrom(tf.make_tensor_proto(kept))
    write_logs(path, [log, PredictionLog()])


@pytest.fixture
def model() -> FakeModel:
    """On its server, the second row is 0.25 off."""
    return FakeModel()


@pytest.fixture
def address(model: FakeModel) -> Iterator[str]:
    server, found = serve(model)
    yield found
    server.stop(None).wait()


@pytest.fixture
def version(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A version's folder; in this process its model answers as it did."""

    def load(folder: pathlib.Path) -> Any:
        def answer(request: object) -> Mapping[str, np.ndarray[Any, Any]]:
            return {"probability": KEPT}

        assert folder == tmp_path / "7"
        return answer

    monkeypatch.setattr(skew_module, "SavedModelScorer", load)
    write_requests(tmp_path / "7" / GOLDEN_PATH)
    return tmp_path / "7"


def test_differences_are_printed_and_one_above_the_tolerance_fails(
    version: pathlib.Path, address: str, model: FakeModel, command: Command
) -> None:
    given = ("skew", version, "--server", address, "--name", "shop")

    code, out, _ = command(*given)

    assert code == 1
    (line,) = [x for x in out.splitlines() if x.strip().startswith("predict_raw")]
    assert line.split() == ["predict_raw", "1", "2", "0", "0.25"]
    assert "`predict_raw` over gRPC: off by 0.25, 1e-05 is allowed; request 1" in out
    assert "1 requests of other kinds were left out" in out
    assert model.requests[-1].model_spec.name == "shop"

    code, out, _ = command(*given, "--tolerance", "0.3")

    assert code == 0
    assert "allowed" not in out


def test_a_log_is_scored_again_in_place_of_the_golden_requests(
    version: pathlib.Path, address: str, tmp_path: pathlib.Path, command: Command
) -> None:
    write_requests(tmp_path / "logged", np.array([0.25, 0.5], np.float32))
    given = ("--requests", tmp_path / "logged", "--server", address, "--name", "shop")

    code, out, _ = command("skew", version, *given)

    assert code == 1
    (line,) = [x for x in out.splitlines() if x.strip().startswith("predict_raw")]
    assert line.split() == ["predict_raw", "1", "2", "0.25", "0"]


def test_without_an_address_a_server_is_started_with_the_model(
    version: pathlib.Path,
    address: str,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []

    class Started:
        """A server process that is there already."""

        def __init__(self, models: Mapping[str, pathlib.Path]) -> None:
            ((_, folder),) = models.items()
            seen.append((folder / "1" / GOLDEN_PATH).is_file())
            self.grpc, self.rest = address, address

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            seen.append("ended")

    monkeypatch.setattr(skew_module, "ServerProcess", Started)

    code, out, _ = command("skew", version)

    assert seen == [True, "ended"]
    assert code == 1
    # What speaks gRPC there does not speak HTTP.
    assert "`predict_raw` over REST: request 1: " in out
    assert "`predict_raw` over gRPC: off by 0.25" in out


@pytest.mark.parametrize(
    "given", [("--server", "127.0.0.1:1"), ("--name", "shop"), ("--rest", "h:1")]
)
def test_an_address_and_a_name_belong_together(
    given: tuple[str, str], version: pathlib.Path, command: Command
) -> None:
    code, _, shown = command("skew", version, *given)

    assert code == 1
    assert "by the address of its server and its name there" in shown


def test_a_model_without_golden_requests_says_what_to_give(
    version: pathlib.Path, address: str, command: Command
) -> None:
    (version / GOLDEN_PATH).unlink()

    code, _, shown = command("skew", version, "--server", address, "--name", "shop")

    assert code == 1
    assert "There is no such file of requests" in shown
