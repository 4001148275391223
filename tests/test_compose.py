"""What compose.yaml and the files beside it name is there, and fits together."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import typer.main
import yaml
from image_root import ROOT

from clickwright.pipeline.cli import app
from clickwright.serving.router import metrics as router_metrics
from clickwright.serving.router.options import router_options
from clickwright.serving.server import metrics as server_metrics
from clickwright.serving.server.monitoring_config import prometheus_path
from clickwright.serving.server.options import server_options

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
HERE = {"PWD": "/here"}


def interpolated(text: str, variables: dict[str, str]) -> str:
    """Puts variables and their defaults in place, as compose does."""
    pattern = re.compile(r"\$\{(\w+)(?::-((?:[^${}]|\$\{\w+\})*))?\}")

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        return variables.get(name) or interpolated(default or "", variables)

    return pattern.sub(value, text)


def services(**variables: str) -> dict[str, Any]:
    text = interpolated((ROOT / "compose.yaml").read_text(), HERE | variables)
    assert "$" not in text
    return dict(yaml.safe_load(text)["services"])


SERVICES = services()
PROMETHEUS = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())
GRAFANA = ROOT / "docker/grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards/serving.json").read_text())


def flags_of(command: str, words: list[str]) -> dict[str, Any]:
    """What `clickwright COMMAND WORDS` gives its function."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands[command].make_context(command, list(words)).params)


def tool(name: str) -> pathlib.Path:
    return pathlib.Path(sys.executable).with_name(name)


# Linters.


def test_the_file_follows_the_schema_of_compose_files() -> None:
    done = subprocess.run(
        [
            tool("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_the_linter_misses_nothing_but_digests_and_shares_of_processors() -> None:
    done = subprocess.run(
        [tool("compose-lint"), "check", "--format", "json", ROOT / "compose.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rules = set(re.findall(r'"(CL-\d{4})"', done.stdout))
    assert rules == {"CL-0019", "CL-0026"}


# Services.


def test_nothing_listens_beyond_this_machine() -> None:
    for name, service in SERVICES.items():
        assert service["ports"], name
        for port in service["ports"]:
            assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port), port


def test_no_service_may_gain_privileges() -> None:
    for service in SERVICES.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True


def test_the_server_is_of_the_version_whose_protocol_is_locked() -> None:
    lock = (ROOT / "docker/requirements.txt").read_text()
    (version,) = re.findall(r"(?m)^tensorflow-serving-api==(\S+)", lock)

    assert SERVICES["model-server"]["image"] == f"tensorflow/serving:{version}"


def test_the_router_is_the_image_of_this_version() -> None:
    assert SERVICES["router"]["image"] == f"clickwright:{VERSION}"
    target = SERVICES["router"]["build"]["target"]
    assert re.search(rf"(?m)^FROM \w+ AS {target}$", (ROOT / "Dockerfile").read_text())


def test_the_model_server_is_given_flags_that_it_has() -> None:
    (folder,) = {
        volume["target"]
        for volume in SERVICES["model-server"]["volumes"]
        if not volume["source"].startswith("./")
    }

    options = server_options(flags_of("serve", SERVICES["model-server"]["command"]))

    assert str(options.model_config_file) == f"{folder}/models.config"
    assert options.model_config_file_poll_wait_seconds == 1
    assert (
        f"127.0.0.1:{options.port}:{options.port}"
        in (SERVICES["model-server"]["ports"])
    )
    assert any(
        volume["target"] == str(options.monitoring_config_file)
        for volume in SERVICES["model-server"]["volumes"]
    )


def test_the_serving_root_has_one_path_inside_and_outside() -> None:
    found = services(CLICKWRIGHT_SERVING_ROOT="/models")["model-server"]

    assert found["command"][0] == "--model_config_file=/models/models.config"
    assert found["volumes"][0]["source"] == found["volumes"][0]["target"] == "/models"
    default = SERVICES["model-server"]["volumes"][0]
    assert default["source"] == default["target"] == "/here/out/demo/serving"


def test_the_router_is_given_flags_that_it_has() -> None:
    service = SERVICES["router"]

    command, *flags = service["command"]
    options = router_options(flags_of(command, flags))

    assert command == "route"
    assert options.host == "0.0.0.0"  # of the container; `ports` keep it to the machine
    assert options.server == "model-server:8500"
    assert options.rest_server == "model-server:8501"
    for port in (options.port, options.rest_api_port):
        assert f"127.0.0.1:{port}:{port}" in service["ports"]
    mounts = {volume["target"]: volume for volume in service["volumes"]}
    assert mounts[str(options.experiments)]["read_only"] is True
    assert "read_only" not in mounts[str(options.log)]
    assert "8601/healthz" in service["healthcheck"]["test"][-1]


def test_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            if isinstance(volume, dict) and volume["source"].startswith("./"):
                assert (ROOT / volume["source"]).exists(), volume


def test_a_folder_that_is_missing_is_an_error_and_not_made_by_root() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            if isinstance(volume, dict) and not volume["source"].startswith("./"):
                assert volume["bind"] == {"create_host_path": False}


# Prometheus and the dashboard.


def test_prometheus_asks_services_on_their_ports_by_the_path_that_they_have() -> None:
    asked = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}

    assert asked.keys() == {"model-server", "router"}
    for name, job in asked.items():
        (target,) = job["static_configs"][0]["targets"]
        host, port = target.split(":")
        assert host == name
        assert f"127.0.0.1:{port}:{port}" in SERVICES[name]["ports"]
        assert job["metrics_path"] == server_metrics.PATH
    assert prometheus_path(ROOT / "docker/monitoring.config") == server_metrics.PATH


def test_the_dashboard_is_found_and_asks_the_prometheus_that_is_there() -> None:
    provisioning = GRAFANA / "provisioning"
    (source,) = yaml.safe_load(
        (provisioning / "datasources/prometheus.yaml").read_text()
    )["datasources"]
    (provider,) = yaml.safe_load(
        (provisioning / "dashboards/clickwright.yaml").read_text()
    )["providers"]
    service = SERVICES["grafana"]
    mounts = {v["target"]: v["source"] for v in service["volumes"][:2]}

    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in SERVICES["prometheus"]["ports"]
    assert mounts["/etc/grafana/provisioning"] == "./docker/grafana/provisioning"
    assert mounts[provider["options"]["path"]] == "./docker/grafana/dashboards"
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == provider["options"]["path"] + "/serving.json"
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"] == {
                "type": source["type"],
                "uid": source["uid"],
            }


def test_prometheus_is_given_the_config_that_is_mounted() -> None:
    service = SERVICES["prometheus"]
    mounts = {v["target"]: v["source"] for v in service["volumes"][:1]}

    flags = dict(flag.removeprefix("--").split("=") for flag in service["command"])
    assert mounts[flags["config.file"]] == "./docker/prometheus.yml"
    assert f"prometheus:{flags['storage.tsdb.path']}" in service["volumes"]


def known_metrics() -> dict[str, set[str]]:
    """Labels of every series that router and server can have, by its name."""
    router = router_metrics.Metrics(lambda: 0)
    server = server_metrics.Metrics()
    router.request("predict", "OK", 0.1)
    router.own(0.1)
    router.arm("e", "v", "OK", 0.1)
    router.fallback("e", "v")
    router.exposure("e", "v")
    router.lost("e", "v")
    router.unassigned("r")
    router.shadow("e", "v", "OK", 0.1)
    server.request("m", "OK", 1.0, "Predict", "GRPC")
    server.run("m", 1.0)
    found: dict[str, set[str]] = {"up": {"job", "instance"}}
    for line in (router.text() + server.text()).decode().splitlines():
        match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+", line)
        if match and not line.startswith("#"):
            labels = set(re.findall(r"(\w+)=\"", match[2] or ""))
            found.setdefault(match[1], set()).update(labels)
    return found


EXPRESSIONS = {
    (panel["title"], target["expr"]): target["legendFormat"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
}


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_a_panel_asks_for_series_and_labels_that_there_are(
    title: str, expression: str
) -> None:
    known = known_metrics()
    bare = re.sub(r"by \([^)]*\)|histogram_quantile", "", expression)
    series = set(re.findall(r"(?<![\w$:])(:?[a-z]+(?:[_:]\w+)+|up)\b", bare))

    assert series and series <= known.keys()
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    labels = {label.strip() for group in grouped for label in group.split(",")}
    labels |= set(re.findall(r"\{(\w+)!?=", expression))
    shown = set(re.findall(r"\{\{(\w+)\}\}", EXPRESSIONS[(title, expression)]))
    for name in series:
        assert labels <= known[name], name
    assert shown <= labels | {"job"}


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        box = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(box["x"], box["x"] + box["w"])
            for y in range(box["y"], box["y"] + box["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
