"""Prometheus itself, with the configuration and the dashboard that come along."""

import json
import pathlib
import shutil
import subprocess
import time

import httpx
import numpy as np
import pytest
import tiny_served_model
from image_root import ROOT
from running_router import RunningRouter
from server_process import RunningServer, free_ports

from clickwright.serving.client import Client

# These count what does not happen here.
_SILENT = {"Arms that failed", "Without exposure", "Shadows by code"}
_SILENT |= {"Difference of shadows, p99"}


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)
def test_every_panel_has_an_answer(
    router: RunningRouter, model_server: RunningServer, tmp_path: pathlib.Path
) -> None:
    (port,) = free_ports(1)
    config = (ROOT / "docker/prometheus.yml").read_text()
    for name, url in (
        ("model-server:8501", model_server.rest_url),
        ("router:8601", router.url),
    ):
        assert name in config
        config = config.replace(name, url.removeprefix("http://"))
    (tmp_path / "prometheus.yml").write_text(config.replace("5s", "1s"))
    panels = json.loads((ROOT / "docker/grafana/dashboards/serving.json").read_text())
    rows = tiny_served_model.ranking(5)
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'store'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        with Client(router.grpc, "tiny") as client:
            end = time.monotonic() + 12  # so that there are rates
            while time.monotonic() < end:
                rows["user_id"] = np.array([str(time.time()).encode()], object)
                user = {name: rows[name][0] for name in tiny_served_model.USER_COLUMNS}
                items = {name: rows[name] for name in tiny_served_model.ITEM_COLUMNS}
                client.rank(user, items)
                time.sleep(0.1)
        silent = set()
        for panel in panels["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"].replace("$__rate_interval", "10s")
                answer = httpx.get(
                    f"http://127.0.0.1:{port}/api/v1/query",
                    params={"query": query.replace("$__range", "1m")},
                    trust_env=False,
                ).json()
                assert answer["status"] == "success", query
                values = [float(row["value"][1]) for row in answer["data"]["result"]]
                if not values:
                    silent.add(panel["title"])
                elif panel["title"] == "Up":
                    assert values == [1.0, 1.0]
                elif panel["title"] == "Errors":
                    assert values == [0.0]
                elif panel["title"] == "Requests a second":
                    assert 1 < values[0] < 20
    finally:
        process.terminate()
        process.wait(30)

    assert silent == _SILENT
