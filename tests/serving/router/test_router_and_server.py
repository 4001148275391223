"""A router in front of a model server with models."""

import httpx
import numpy as np
import tiny_served_model
from running_router import RunningRouter
from server_process import RunningServer

from clickwright.serving.client import Client


def test_clients_change_the_address_alone(
    router: RunningRouter, model_server: RunningServer
) -> None:
    rows = tiny_served_model.ranking(5)
    for number in range(6):
        rows["user_id"] = np.array([f"user {number}".encode()], object)
        user = {name: rows[name][0] for name in tiny_served_model.USER_COLUMNS}
        items = {name: rows[name] for name in tiny_served_model.ITEM_COLUMNS}
        with Client(router.grpc, "tiny") as client:
            scores = client.rank(user, items)
        answer = httpx.post(
            f"{router.url}/v1/models/tiny:predict",
            json={
                "signature_name": "rank",
                "inputs": {
                    name: [x.decode() for x in values]
                    if name == "user_id"
                    else values.tolist()
                    for name, values in rows.items()
                },
            },
            timeout=30,
            trust_env=False,
        )
        over_grpc, over_http = router.exposures()[-2:]
        want = tiny_served_model.answers(rows, over_grpc["version"])
        np.testing.assert_allclose(scores, want, atol=1e-5)
        np.testing.assert_allclose(over_grpc["scores"], scores)
        np.testing.assert_allclose(answer.json()["outputs"], scores, atol=1e-5)
        assert over_http["variant"] == over_grpc["variant"]
        assert over_http["version"] == over_grpc["version"]
        assert over_http["unit"] == f"user {number}"
    assert {row["version"] for row in router.exposures()} == {1, 2}
