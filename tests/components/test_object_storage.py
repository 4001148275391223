"""Publishing to a bucket, which knows neither renames nor locks."""

import contextlib
import importlib
import json
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import fsspec
import pytest
import s3fs
from fsspec.implementations.memory import MemoryFileSystem
from model_folder import FILES, make_model
from moto.server import ThreadedMotoServer

from clickwright.components.publisher.object_storage import ObjectStorage
from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.manifest import MANIFEST_PATH
from clickwright.serving.server.model_config import models, parse_model_config


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """Address of an S3 of this machine."""
    s3fs.S3FileSystem.clear_instance_cache()  # they keep the address
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def root(
    s3_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> str:
    """A serving root in a bucket of the test's own."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{abs(hash(tmp_path))}"
    files().mkdir(bucket)
    return f"s3://{bucket}/serving"


def files() -> Any:
    """The bucket's files, past any cache."""
    return fsspec.filesystem("s3", use_listings_cache=False)


def names(root: str) -> list[str]:
    """All objects below the root."""
    prefix = root.removeprefix("s3://") + "/"
    return [path.removeprefix(prefix) for path in files().find(root)]


@pytest.fixture
def store(root: str) -> VersionStore:
    return VersionStore(root, "ctr", keep=2)


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_model(tmp_path / "model")


def test_a_version_in_a_bucket_holds_the_model_and_a_manifest(
    store: VersionStore, root: str, model: pathlib.Path
) -> None:
    manifest = store.publish(model, provenance={"run": "1"}, label="stable")

    version = manifest.version
    for name, content in FILES.items():
        assert files().cat_file(f"{root}/ctr/{version}/{name}") == content
    assert names(root) == sorted(
        ["ctr/current.json", "models.config"]
        + [f"ctr/{version}/{name}" for name in [*FILES, MANIFEST_PATH]]
    )
    assert store.versions() == [version]
    assert store.storage.verify(version) == manifest
    assert store.storage.model_names() == ["ctr"]
    text = files().cat_file(f"{root}/models.config").decode()
    entry = models(parse_model_config(text, root))["ctr"]
    assert entry.base_path == f"{root}/ctr"
    assert entry.version_labels == {"stable": version}


def test_a_bucket_is_published_to_released_from_and_collected(
    store: VersionStore, tmp_path: pathlib.Path
) -> None:
    published = [
        store.publish(
            make_model(tmp_path / f"m{i}", b"%d" % i), provenance={}, label="stable"
        ).version
        for i in range(4)
    ]

    assert store.versions() == published[1:]
    assert store.collect() == [published[1]]
    assert store.rollback() == published[2]
    assert store.promote() == published[3]
    assert store.book.record().version == published[3]


def test_the_newest_files_again_change_nothing_in_the_bucket(
    store: VersionStore, root: str, model: pathlib.Path
) -> None:
    first = store.publish(model, provenance={})
    before = names(root)

    assert store.publish(model, provenance={}) == first
    assert names(root) == before


@contextlib.contextmanager
def stopped_at(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch, operation: str, sign: str
) -> Iterator[None]:
    """Ends the writer as a loss of power would, at an operation on a path."""
    remote = store.storage._files  # type: ignore[attr-defined]
    for name in (operation, "rm_file"):
        real = getattr(remote, name)

        def stop(*args: Any, name: str = name, real: Any = real, **kwargs: Any) -> Any:
            if down or (name == operation and any(sign in str(a) for a in args)):
                down.append(True)
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        monkeypatch.setattr(remote, name, stop)
    down: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        yield
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("operation", "sign"),
    [
        ("put_file", "assets/vocabulary"),
        ("put_file", "saved_model.pb"),
        ("put_file", "clickwright_manifest"),
        ("rm_file", ".partial-"),
    ],
)
def test_a_version_cut_off_in_a_bucket_is_never_seen_and_is_removed(
    root: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    s3_address: str,
    operation: str,
    sign: str,
) -> None:
    store = VersionStore(root, "ctr")
    first = store.publish(make_model(tmp_path / "a", b"a"), provenance={})
    second = make_model(tmp_path / "b", b"b")
    with monkeypatch.context() as patch, stopped_at(store, patch, operation, sign):
        store.publish(second, provenance={})

    assert store.versions() == [first.version]
    with pytest.raises(MachineError, match="Another process is changing"):
        store.publish(second, provenance={})
    outlive(root, "ctr/.lock")
    again = store.publish(second, provenance={})

    assert store.versions() == [first.version, again.version]
    left = {name.split("/")[1] for name in names(root)}
    assert left == {str(first.version), str(again.version)}


def outlive(root: str, lock: str) -> None:
    """Makes a lock one whose time is over."""
    path = f"{root}/{lock}"
    holder = json.loads(files().cat_file(path))
    files().pipe_file(path, json.dumps(holder | {"until": time.time() - 1}).encode())


def test_of_two_publishers_to_a_bucket_one_wins_and_the_other_says_so(
    store: VersionStore, root: str, tmp_path: pathlib.Path
) -> None:
    models = [make_model(tmp_path / f"m{i}", b"%d" % i) for i in range(4)]
    outcomes: list[object] = []
    begin = threading.Barrier(len(models))

    def wait(_: pathlib.Path) -> None:
        all_tried.wait()

    def publish(model: pathlib.Path) -> None:
        mine = VersionStore(root, "ctr")
        begin.wait()
        try:
            outcomes.append(mine.publish(model, provenance={}, check=wait))
        except MachineError as error:
            outcomes.append(str(error))
        if len(outcomes) == len(models) - 1:
            all_tried.set()

    all_tried = threading.Event()
    threads = [threading.Thread(target=publish, args=[model]) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    said = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(said) == len(models) - 1
    assert all("Another process is changing the versions of `ctr`" in s for s in said)
    assert len(store.versions()) == 1
    assert ".lock" not in str(names(root))


def test_an_outlived_lock_has_one_heir(root: str) -> None:
    with ObjectStorage(root, "ctr").change_model():
        outlive(root, "ctr/.lock")
        outcomes: list[str] = []
        begin = threading.Barrier(4)
        done = threading.Event()

        def inherit() -> None:
            storage = ObjectStorage(root, "ctr")
            begin.wait()
            try:
                with storage.change_model():
                    outcomes.append("heir")
                    done.wait()
            except MachineError:
                outcomes.append("late")
            if len(outcomes) == begin.parties:
                done.set()

        threads = [threading.Thread(target=inherit) for _ in range(begin.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(outcomes) == ["heir", "late", "late", "late"]
    assert names(root) == []


def test_damage_in_a_bucket_is_named(
    store: VersionStore, root: str, model: pathlib.Path
) -> None:
    version = store.publish(model, provenance={}).version
    files().pipe_file(f"{root}/ctr/{version}/assets/vocabulary", b"apple\nplum\n")
    files().pipe_file(f"{root}/ctr/{version}/assets/more", b"")

    with pytest.raises(
        DataError, match=r"`assets/more` is not in.*`assets/vocabulary` must have"
    ):
        store.storage.verify(version)
    files().rm_file(f"{root}/ctr/{version}/{MANIFEST_PATH}")
    with pytest.raises(DataError, match="manifest.json` cannot be read"):
        store.storage.manifest(version)


def unreachable(monkeypatch: pytest.MonkeyPatch, root: str) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "_cache", {})
    return root


def without_bucket(monkeypatch: pytest.MonkeyPatch, root: str) -> str:
    del monkeypatch
    return root.replace("bucket-", "absent-")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unreachable, "storage does not answer: EndpointConnectionError"),
        (without_bucket, "bucket does not exist"),
    ],
)
def test_a_bucket_that_is_out_of_reach_is_named(
    root: str,
    model: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch, str], str],
    message: str,
) -> None:
    address = change(monkeypatch, root)

    with pytest.raises(MachineError, match=message):
        VersionStore(address, "ctr").publish(model, provenance={})


class Bucket(MemoryFileSystem):
    """Google Cloud Storage, as far as an object storage is one like the other."""

    protocol = "gs"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("gs://")))


def test_any_object_storage_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    known = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(known._registry, "gs", Bucket)
    store = VersionStore("gs://bucket/serving", "ctr", keep=1)
    first, second, third = (
        store.publish(
            make_model(tmp_path / f"m{i}", b"%d" % i), provenance={}, label="stable"
        ).version
        for i in range(3)
    )

    assert store.versions() == [first, second, third]
    assert store.rollback() == second
    assert store.collect() == []
    assert store.promote() == third
    assert store.collect() == [first]
    assert store.storage.verify(third).version == third
    assert store.storage.model_names() == ["ctr"]
    with (
        store.storage.change_model(),
        pytest.raises(MachineError, match="Another process"),
    ):
        store.rollback()


def test_a_scheme_whose_package_is_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(scheme: str) -> object:
        raise ImportError(f"Please install what {scheme} needs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", refuse)
    with pytest.raises(MachineError, match="`gs://` needs is not installed") as caught:
        VersionStore("gs://bucket/serving", "ctr")
    assert "clickwright[gcs]" in caught.value.fix


def test_a_file_address_is_a_folder(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    store = VersionStore(f"file://{tmp_path}/serving", "ctr")

    version = store.publish(model, provenance={}).version

    assert (tmp_path / "serving/ctr" / str(version) / "saved_model.pb").is_file()
    with pytest.raises(ConfigError, match="Received: hdfs://a/b"):
        VersionStore("hdfs://a/b", "ctr")


def test_a_folder_of_a_version_can_be_downloaded(
    store: VersionStore, model: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    version = store.publish(model, provenance={}).version

    store.storage.download(version, "variables", tmp_path / "copy")

    found = {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()}
    prefix = "variables/"
    assert found == {
        name.removeprefix(prefix): content
        for name, content in FILES.items()
        if name.startswith(prefix)
    }
