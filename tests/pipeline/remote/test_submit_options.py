"""What `clickwright submit` refuses, and images that are not there."""

import base64
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from cloud_environment import forget_logins, write_service_account
from compiled_shop import compiled_shop
from fake_kubeflow import FakeKubeflow
from fake_registry import FakeRegistry
from fake_vertex import FakeVertex
from tiny_shop import Command

from clickwright.pipeline.remote import image_registry
from clickwright.pipeline.remote.compiled import submission_path
from clickwright.pipeline.remote.image_registry import image_exists, is_pull_problem

LOGIN = "shop", "a:password"


@pytest.fixture
def registry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Iterator[FakeRegistry]:
    """A registry of this machine with one image, and no login for it."""
    fake = FakeRegistry()
    fake.images = {"ads/clickwright:0.1.0", "ads/clickwright:latest"}
    with fake.running():
        forget_logins(monkeypatch, tmp_path)
        yield fake


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A pipeline compiled for a Kubeflow that does not answer."""
    forget_logins(monkeypatch, tmp_path)
    return compiled_shop(tmp_path, "kubeflow", endpoint="http://127.0.0.1:9")


def log_in(folder: pathlib.Path, host: str, login: tuple[str, str] = LOGIN) -> None:
    """Writes what `docker login` writes."""
    docker = folder / "docker"
    docker.mkdir(exist_ok=True)
    auth = base64.b64encode(":".join(login).encode()).decode()
    (docker / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_another_target_than_the_compiled_one_is_refused(
    path: pathlib.Path, command: Command
) -> None:
    done = command("submit", str(path), "--target", "vertex")

    assert done.code == 1
    assert "compiled for kubeflow, not for vertex" in done.err


def test_a_spec_without_its_submission_is_refused(
    path: pathlib.Path, command: Command
) -> None:
    submission_path(path).unlink()

    done = command("submit", str(path))

    assert done.code == 1
    assert "shop.submit.json is missing" in done.err


def test_a_spec_compiled_by_another_version_is_not_submitted(
    path: pathlib.Path, command: Command
) -> None:
    beside = submission_path(path)
    content = json.loads(beside.read_text()) | {"clickwright_version": "0.0.9"}
    beside.write_text(json.dumps(content))

    done = command("submit", str(path), "--dry-run")

    assert done.code == 1
    assert "compiled by Clickwright 0.0.9" in done.err
    assert done.out == ""


def test_a_parameter_that_there_is_not_is_refused(
    path: pathlib.Path, command: Command
) -> None:
    done = command("submit", str(path), "--param", "spam=3", "--dry-run")

    assert done.code == 1
    assert "no parameter `spam`. Did you mean `span`?" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--schedule"], "compiled without a schedule"),
        (["--replace"], "Only a schedule can be replaced"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    path: pathlib.Path, command: Command, options: list[str], said: str
) -> None:
    done = command("submit", str(path), *options)

    assert done.code == 1
    assert said in done.err


def test_a_schedule_cannot_be_waited_for(
    tmp_path: pathlib.Path, command: Command
) -> None:
    nightly = {"cron": "0 3 * * *"}
    path = compiled_shop(
        tmp_path, "kubeflow", endpoint="http://127.0.0.1:9", schedule=nightly
    )

    done = command("submit", str(path), "--schedule", "--wait")

    assert done.code == 1
    assert "A schedule has no end to wait for" in done.err


@pytest.mark.parametrize(
    ("target", "missing"), [("vertex", "project"), ("kubeflow", "server")]
)
def test_a_submission_without_a_place_is_refused(
    tmp_path: pathlib.Path, command: Command, target: Any, missing: str
) -> None:
    done = command("submit", str(compiled_shop(tmp_path, target)), "--dry-run")

    assert done.code == 1
    assert missing in done.err


def test_a_missing_image_is_an_error_before_anything_is_sent(
    registry: FakeRegistry, tmp_path: pathlib.Path, command: Command
) -> None:
    kubeflow = FakeKubeflow()
    with kubeflow.running():
        image = f"{registry.host}/ads/clickwright:0.2.0"
        path = compiled_shop(tmp_path, "kubeflow", endpoint=kubeflow.url, image=image)

        done = command("submit", str(path))

    assert done.code == 1
    assert f"The image {image} cannot be found" in done.err
    assert f"docker push {image}" in done.err
    assert kubeflow.asked == []


def test_the_images_of_single_tasks_are_looked_for_too(
    registry: FakeRegistry, tmp_path: pathlib.Path, command: Command
) -> None:
    gpu = f"{registry.host}/ads/clickwright:0.1.0-gpu"
    path = compiled_shop(
        tmp_path, "kubeflow", {"Trainer": gpu}, endpoint="http://127.0.0.1:9"
    )

    done = command("submit", str(path))

    assert done.code == 1
    assert f"The image {gpu} cannot be found" in done.err


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("ads/clickwright:0.1.0", True),
        ("ads/clickwright", True),
        ("ads/clickwright:0.2.0", False),
        ("ads/clikwright:0.1.0", False),
        ("ads/clickwright:0.1.0@sha256:00", False),
    ],
)
def test_an_image_is_looked_for_by_its_whole_name(
    registry: FakeRegistry, name: str, there: bool
) -> None:
    assert image_exists(f"{registry.host}/{name}") is there


@pytest.mark.parametrize("with_token", [True, False])
def test_a_registry_gets_the_login_that_docker_keeps_for_it(
    registry: FakeRegistry, tmp_path: pathlib.Path, with_token: bool
) -> None:
    registry.login, registry.with_token = LOGIN, with_token
    here, gone = (f"{registry.host}/ads/clickwright:{tag}" for tag in ("0.1.0", "1"))

    assert image_exists(here) is None
    log_in(tmp_path, "images.example.com")
    assert image_exists(here) is None
    log_in(tmp_path, registry.host)

    assert image_exists(here) is True
    assert image_exists(gone) is False


def test_a_registry_with_another_login_tells_nothing(
    registry: FakeRegistry, tmp_path: pathlib.Path
) -> None:
    registry.login = LOGIN
    log_in(tmp_path, registry.host, ("shop", "old"))

    assert image_exists(f"{registry.host}/ads/clickwright:0.2.0") is None


def test_a_registry_that_does_not_answer_tells_nothing() -> None:
    assert image_exists("127.0.0.1:9/ads/clickwright:0.1.0") is None


def test_no_login_goes_to_an_address_without_tls() -> None:
    challenge = 'Bearer realm="http://images.example.com/token",service="x"'

    assert image_registry._authorization(challenge, LOGIN) is None


def test_googles_registries_get_a_token_of_the_environments_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    forget_logins(monkeypatch, tmp_path)
    assert image_registry._login("europe-docker.pkg.dev") is None
    google = FakeVertex()
    with google.running():
        account = write_service_account(tmp_path, f"{google.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))

        login = image_registry._login("europe-docker.pkg.dev")

        assert image_registry._login("images.example.com") is None
    assert login == ("oauth2accesstoken", "a-token")
    assert [asked.path for asked in google.asked] == ["/token"]


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("python", ("registry-1.docker.io", "library/python", "latest")),
        ("tfx/tfx:1.21", ("registry-1.docker.io", "tfx/tfx", "1.21")),
        ("docker.io/tfx/tfx", ("registry-1.docker.io", "tfx/tfx", "latest")),
        ("localhost/shop:1", ("localhost", "shop", "1")),
        ("host:5000/a/b@sha256:00", ("host:5000", "a/b", "sha256:00")),
    ],
)
def test_names_of_images_are_read_as_docker_reads_them(
    image: str, parts: tuple[str, str, str]
) -> None:
    assert image_registry._parts(image) == parts


@pytest.mark.parametrize(
    ("said", "is_one"),
    [
        ("Error: ErrImagePull", True),
        ("The image europe-docker.pkg.dev/p/r/i:1 does not exist.", True),
        ("The replica exited with a non-zero status of 137.", False),
        ("Feature `image` is not a number.", False),
    ],
)
def test_words_of_a_service_tell_whether_an_image_is_missing(
    said: str, is_one: bool
) -> None:
    assert is_pull_problem(said) is is_one
