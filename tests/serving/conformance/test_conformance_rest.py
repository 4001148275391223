"""TF Serving's REST API, called at an address as any client calls it."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tiny_served_model
from server_process import RunningServer, ours

HALF = "/v1/models/half_plus_two"


@pytest.fixture(scope="module")
def rest(model_server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=model_server.rest_url, timeout=20) as client:
        yield client


def instances(columns: dict[str, np.ndarray]) -> list[dict]:
    def plain(value: Any) -> object:
        if isinstance(value, bytes):
            return {"b64": base64.b64encode(value).decode()}
        return value.tolist()

    names = list(columns)
    return [
        {name: plain(value) for name, value in zip(names, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


def test_predict_by_row_and_by_column(rest: httpx.Client) -> None:
    rows = rest.post(f"{HALF}:predict", json={"instances": [2.0, 3.0, 4.0]})
    columns = rest.post(f"{HALF}:predict", json={"inputs": [2.0, 3.0, 4.0]})

    assert rows.status_code == columns.status_code == 200
    assert rows.headers["content-type"].startswith("application/json")
    assert rows.json() == {"predictions": [3.0, 3.5, 4.0]}
    assert columns.json() == {"outputs": [3.0, 3.5, 4.0]}


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("tiny", 3),
        ("tiny/versions/1", 1),
        ("tiny/labels/canary", 2),
        ("ti%6Ey/labels/stable", 1),
    ],
)
def test_predict_on_several_columns_of_the_chosen_version(
    rest: httpx.Client, path: str, version: int
) -> None:
    columns = tiny_served_model.rows(3)

    found = rest.post(
        f"/v1/models/{path}:predict",
        json={"signature_name": "predict_raw", "instances": instances(columns)},
    )

    np.testing.assert_allclose(
        found.json()["predictions"],
        tiny_served_model.answers(columns, version),
        rtol=1e-5,
    )


def test_rank_takes_one_user_by_column(rest: httpx.Client) -> None:
    columns = tiny_served_model.ranking(4)
    plain = {name: values.tolist() for name, values in columns.items()}
    plain["user_id"] = [columns["user_id"][0].decode()]

    found = rest.post(
        "/v1/models/tiny:predict", json={"signature_name": "rank", "inputs": plain}
    )

    expected = tiny_served_model.answers(columns, 3)
    np.testing.assert_allclose(found.json()["outputs"], expected, rtol=1e-5)


def test_serialized_examples_come_in_base64(rest: httpx.Client) -> None:
    columns = tiny_served_model.rows(2)
    texts = [
        {"b64": base64.b64encode(row).decode()}
        for row in tiny_served_model.examples(columns)
    ]

    found = rest.post("/v1/models/tiny:predict", json={"instances": texts})

    np.testing.assert_allclose(
        found.json()["predictions"], tiny_served_model.answers(columns, 3), rtol=1e-5
    )


def test_several_outputs_are_an_object_a_row(rest: httpx.Client) -> None:
    row = {"user_id": "user 1", "history": [1, 2]}
    found = rest.post(
        "/v1/models/tiny:predict",
        json={"signature_name": "top_k", "instances": [row, row]},
    )
    first, second = found.json()["predictions"]
    assert first == second
    assert set(first) == {"item_id", "score"}
    assert len(first["score"]) == tiny_served_model.K


def test_classify_and_regress(rest: httpx.Client) -> None:
    examples = [{"x": 2.0}, {"x": [4.0]}]
    classes = rest.post(
        f"{HALF}:classify",
        json={"signature_name": "classify_x_to_y", "examples": examples},
    )
    values = rest.post(
        f"{HALF}:regress",
        json={"signature_name": "regress_x_to_y", "examples": examples},
    )
    shared = rest.post(
        f"{HALF}/versions/123:regress",
        json={
            "signature_name": "regress_x_to_y",
            "context": {"x": 2.0},
            "examples": [{}],
        },
    )
    assert classes.json() == {"results": [[["", 3.0]], [["", 4.0]]]}
    assert values.json() == {"results": [3.0, 4.0]}
    assert shared.json() == {"results": [3.0]}


def test_status_of_a_model(rest: httpx.Client) -> None:
    assert rest.get(HALF).json() == {
        "model_version_status": [
            {
                "version": "123",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    (one,) = rest.get("/v1/models/tiny/versions/2").json()["model_version_status"]
    assert one["version"] == "2"


def test_metadata_of_a_model(rest: httpx.Client) -> None:
    found = rest.get(f"{HALF}/metadata").json()

    assert found["model_spec"]["name"] == "half_plus_two"
    assert found["model_spec"]["version"] == "123"
    signatures = found["metadata"]["signature_def"]["signature_def"]
    x = signatures["serving_default"]["inputs"]["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert x["tensor_shape"]["dim"][0]["size"] == "-1"
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", f"{HALF}:predict", "{", 400, "JSON Parse error"),
        ("POST", f"{HALF}:predict", "[]", 400, "Is not object"),
        ("POST", f"{HALF}:predict", "{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", f"{HALF}:predict", '{"instances": ["a"]}', 400, "of expected type"),
        (
            "POST",
            f"{HALF}:predict",
            '{"signature_name": "nothing", "instances": [1]}',
            400,
            'Serving signature name: \\"nothing\\" not found in signature def',
        ),
        ("POST", "/v1/models/nobody:predict", '{"instances": [1]}', 404, "Servable"),
        ("POST", f"{HALF}/versions/9:predict", '{"instances": [1]}', 404, "Servable"),
        ("POST", f"{HALF}/labels/x:predict", '{"instances": [1]}', 400, "label"),
        ("POST", f"{HALF}:explain", "{}", 400, "Malformed request: POST"),
        ("POST", HALF, "{}", 400, "Malformed request: POST"),
        ("GET", f"{HALF}:predict", "", 400, "Malformed request: GET"),
        ("GET", "/v1/models", "", 400, "Missing model name in request."),
        ("GET", "/v1/models/nobody", "", 404, "Could not find any versions of model"),
        ("GET", f"{HALF}/versions/9", "", 404, "Could not find version 9"),
        (
            "GET",
            f"{HALF}/versions/99999999999999999999",
            "",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        (
            "POST",
            f"{HALF}:classify",
            "{}",
            400,
            "key 'examples' is expected and was not found",
        ),
    ],
)
def test_what_cannot_be_answered_says_why(
    rest: httpx.Client, method: str, path: str, body: str, status: int, said: str
) -> None:
    found = rest.request(method, path, content=body)
    assert found.status_code == status, found.text
    assert said in found.text
    assert list(found.json()) == ["error"]


def test_paths_of_another_kind_are_not_found(rest: httpx.Client) -> None:
    assert rest.get("/").status_code == 404
    assert rest.get("/v2/models/tiny").status_code == 404


def test_a_compressed_body_is_read(rest: httpx.Client) -> None:
    body = gzip.compress(json.dumps({"instances": [2.0]}).encode())
    found = rest.post(
        f"{HALF}:predict", content=body, headers={"Content-Encoding": "gzip"}
    )
    assert found.json() == {"predictions": [3.0]}


def test_prometheus_reads_requests_and_times(rest: httpx.Client) -> None:
    pattern = (
        r'^:tensorflow:serving:request_count{model_name="half_plus_two",status="OK"} '
        r"(\S+)$"
    )

    def count() -> float:
        text = rest.get("/monitoring/prometheus/metrics").text
        assert "# TYPE" in text
        found = re.search(pattern, text, re.MULTILINE)
        return float(found[1]) if found else 0

    before = count()
    rest.post(f"{HALF}:predict", json={"instances": [2.0]})
    assert count() == before + 1
    assert (
        ':tensorflow:serving:request_latency_count{API="Predict",entrypoint="REST",'
        in rest.get("/monitoring/prometheus/metrics").text
    )


@pytest.mark.skipif(not ours(), reason="a path of this product's server")
def test_health_is_a_path(rest: httpx.Client) -> None:
    assert rest.get("/healthz").text == "ok\n"
