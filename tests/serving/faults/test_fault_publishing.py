"""What goes wrong while a version is published, with a server on the same root."""

import contextlib
import dataclasses
import errno
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_served_model
from server_process import server_process

from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.errors import MachineError
from clickwright.schemas.serving_files import MODEL_CONFIG_FILE
from clickwright.serving.client import Client
from clickwright.serving.client.request_error import RequestError

PATIENCE = 60.0


@dataclasses.dataclass
class Shop:
    """A published model and the server that answers for it."""

    store: VersionStore
    models: pathlib.Path
    """`tiny/{1,2,3}`, each of other answers."""
    server: str

    def publish(self, model: int, **options: Any) -> int:
        path = self.models / "tiny" / str(model)
        return self.store.publish(path, provenance={}, **options).version

    def answering(self, label: str | None) -> int:
        """Which of the models answers."""
        columns = tiny_served_model.rows(4)
        with Client(self.server, "tiny", label=label) as client:
            scores = np.asarray(client.predict(columns))
        for model in (1, 2, 3):
            if np.allclose(scores, tiny_served_model.answers(columns, model)):
                return model
        raise AssertionError(f"no model answers {scores}")

    def wait_for(self, model: int, label: str | None) -> None:
        """Returns once that model answers for the label."""
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(RequestError):
                if self.answering(label) == model:
                    return
            assert time.monotonic() < until, f"{label} does not become {model}"
            time.sleep(0.2)

    @contextlib.contextmanager
    def asked_all_the_time(self, label: str) -> Iterator[list[str]]:
        """Asks until the context ends; gives what failed."""
        failed: list[str] = []
        done = threading.Event()

        def ask() -> None:
            columns = tiny_served_model.rows(4)
            with Client(self.server, "tiny", label=label) as client:
                while not done.is_set():
                    try:
                        client.predict(columns)
                    except RequestError as error:
                        failed.append(str(error))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield failed
        finally:
            done.set()
            asking.join()


@pytest.fixture(scope="module")
def shop(
    written_models: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("serving")
    shop = Shop(VersionStore(root, "tiny"), written_models, "")
    shop.publish(1, label="stable")
    with server_process(
        f"--model_config_file={root / MODEL_CONFIG_FILE}",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
    ) as server:
        shop.server = server.grpc_address
        yield shop


@pytest.fixture
def first(shop: Shop) -> Iterator[Shop]:
    """The shop with its first version as the stable and the only one."""
    yield shop
    keep, *others = shop.store.versions()
    shop.store.promote(keep)
    if "canary" in shop.store.book.labels():
        shop.store.promote(keep, "canary")
    shop.wait_for(1, "stable")
    for version in others:
        shop.store.storage.remove(version)


def test_releases_reach_a_running_server_without_a_failed_request(
    first: Shop,
) -> None:
    with first.asked_all_the_time("stable") as failed:
        first.publish(2, label="canary")
        first.wait_for(2, "canary")
        assert first.answering("stable") == 1

        first.store.promote()
        first.wait_for(2, "stable")
        first.store.rollback()
        first.wait_for(1, "stable")
        first.wait_for(1, None)

    assert failed == []


@pytest.mark.parametrize("moment", ["copying the version", "writing the config"])
def test_a_disk_that_fills_up_while_publishing_leaves_what_is_served(
    first: Shop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    config = pathlib.Path(first.store.storage.root, MODEL_CONFIG_FILE)
    before = config.read_bytes()
    copyfile, fsync = shutil.copyfile, os.fsync
    full = OSError(errno.ENOSPC, "No space left on device")

    def fill_with_copies(source: pathlib.Path, target: pathlib.Path) -> None:
        if source.name == "saved_model.pb":
            target.write_bytes(b"half")
            raise full
        copyfile(source, target)

    def fill_with_config(descriptor: int) -> None:
        if MODEL_CONFIG_FILE in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise full
        fsync(descriptor)

    with monkeypatch.context() as patch:
        if moment == "copying the version":
            patch.setattr(shutil, "copyfile", fill_with_copies)
        else:
            patch.setattr(os, "fsync", fill_with_config)
        with pytest.raises(MachineError, match="No space is left on the disk"):
            first.publish(2, label="stable")

    assert config.read_bytes() == before
    for label in ("stable", None):
        assert first.answering(label) == 1
    # Once there is space, the same publish goes through.
    first.publish(2, label="stable")
    first.wait_for(2, "stable")


def test_of_two_publishers_one_is_served_and_the_other_says_so(first: Shop) -> None:
    other = VersionStore(first.store.root, "tiny")

    def meanwhile(_: pathlib.Path) -> None:
        model = first.models / "tiny" / "3"
        with pytest.raises(MachineError, match="Another process is changing"):
            other.publish(model, provenance={}, label="stable")
        assert first.answering("stable") == 1

    published = first.publish(2, check=meanwhile, label="stable")

    first.wait_for(2, "stable")
    assert first.store.book.labels()["stable"] == published
    assert first.store.versions()[-1] == published
