"""Publishing: whole or not at all, whatever happens on the way."""

import collections
import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from model_folder import FILES, make_model

from clickwright.components.publisher import folder_storage
from clickwright.components.publisher.isolated_load_test import isolated_load_test
from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.schemas.manifest import (
    MANIFEST_PATH,
    digest_of,
    hash_files,
    verify,
)
from clickwright.serving.server.model_config import models, read_model_config

if TYPE_CHECKING:
    from tfx import types


def folder_of(store: VersionStore, version: int | None = None) -> pathlib.Path:
    return pathlib.Path(store.folder if version is None else store.address(version))


def visible(store: VersionStore) -> list[str]:
    return sorted(p.name for p in folder_of(store).iterdir() if p.name[0] != ".")


def hidden(store: VersionStore) -> list[str]:
    return sorted(p.name for p in folder_of(store).iterdir() if p.name[0] == ".")


@pytest.fixture
def model(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def store(tmp_path: pathlib.Path) -> VersionStore:
    return VersionStore(tmp_path / "serving", "ctr")


# What a version holds.


def test_a_version_holds_the_model_and_a_manifest(
    store: VersionStore, model: pathlib.Path
) -> None:
    before = int(time.time())

    manifest = store.publish(model, provenance={"config_sha256": "abc"})

    version = folder_of(store, manifest.version)
    assert before <= manifest.version <= time.time()
    for name, content in FILES.items():
        assert (version / name).read_bytes() == content
    written = json.loads((version / MANIFEST_PATH).read_text())
    assert written["model_name"] == "ctr"
    assert written["version"] == manifest.version
    assert written["provenance"] == {"config_sha256": "abc"}
    assert written["files"] == {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in FILES.items()
    }
    assert visible(store) == [str(manifest.version)]
    assert hidden(store) == [".lock"]


def test_the_digest_is_that_of_the_output_of_sha256sum(model: pathlib.Path) -> None:
    listing = subprocess.run(
        ["sha256sum", *sorted(FILES)], cwd=model, stdout=subprocess.PIPE, check=True
    ).stdout

    assert digest_of(hash_files(model)) == hashlib.sha256(listing).hexdigest()


def test_other_users_can_read_a_version_as_the_umask_allows(
    store: VersionStore, model: pathlib.Path
) -> None:
    for path in model.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = os.umask(0o022)
    try:
        manifest = store.publish(model, provenance={})
    finally:
        os.umask(before)

    version = folder_of(store, manifest.version)
    for path in (version, *version.rglob("*")):
        expected = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_a_version_taken_as_the_model_is_published_with_its_own_manifest(
    store: VersionStore, model: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    first = store.publish(model, provenance={"run": "1"})
    other = VersionStore(tmp_path / "production", "ctr")

    second = other.publish(
        folder_of(store, first.version), provenance={"promoted": "yes"}
    )

    assert second.digest == first.digest
    published = verify(folder_of(other, second.version))
    assert published.provenance == {"promoted": "yes"}


# Damage is named.


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda v: (v / "assets/vocabulary").unlink(),
            "`assets/vocabulary` is missing",
        ),
        (
            lambda v: (v / "assets/vocabulary").write_bytes(b"apple\n"),
            "`assets/vocabulary` must have 11 bytes. Received: 6.",
        ),
        (
            lambda v: (v / "assets/vocabulary").write_bytes(b"apple\nPear\n"),
            "`assets/vocabulary` must have the SHA-256",
        ),
        (
            lambda v: (v / "assets/new").write_bytes(b""),
            "`assets/new` is not in the manifest",
        ),
        (
            lambda v: (v / "assets/link").symlink_to(v / "saved_model.pb"),
            "`assets/link` is neither a plain file nor a folder",
        ),
        (lambda v: (v / MANIFEST_PATH).unlink(), f"`{MANIFEST_PATH}` cannot be read"),
        (
            lambda v: (v / MANIFEST_PATH).write_text("{}"),
            f"`{MANIFEST_PATH}` cannot be read.*digest",
        ),
    ],
)
def test_verify_names_the_broken_file(
    store: VersionStore,
    model: pathlib.Path,
    damage: Callable[[pathlib.Path], object],
    message: str,
) -> None:
    version = folder_of(store) / str(store.publish(model, provenance={}).version)
    assert verify(version).model_name == "ctr"
    damage(version)

    with pytest.raises(DataError, match=message) as caught:
        verify(version)

    assert caught.value.where == str(version)


def test_verify_refuses_a_manifest_whose_digest_is_not_that_of_its_files(
    store: VersionStore, model: pathlib.Path
) -> None:
    version = folder_of(store) / str(store.publish(model, provenance={}).version)
    content = json.loads((version / MANIFEST_PATH).read_text())
    del content["files"]["assets/vocabulary"]
    (version / "assets/vocabulary").unlink()
    (version / MANIFEST_PATH).write_text(json.dumps(content))

    with pytest.raises(DataError, match="`digest` is not that of `files`"):
        verify(version)


# Version numbers.


def test_versions_of_one_second_do_not_collide(
    store: VersionStore, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000.9)

    published = [
        store.publish(make_model(tmp_path / f"m{i}", b"%d" % i), provenance={}).version
        for i in range(3)
    ]

    assert published == [1_000, 1_001, 1_002]


def test_a_version_exceeds_every_other_though_the_clock_went_back(
    store: VersionStore, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 10 000 is above 9 999 as a number, below it as a name.
    for name in ("9999", "10000", "latest", "20000.tmp", ".30000"):
        (folder_of(store) / name).mkdir(parents=True)
    (folder_of(store) / "40000").write_text("a file is no version")
    monkeypatch.setattr(time, "time", lambda: 5_000.0)

    assert store.versions() == [9_999, 10_000]
    assert store.publish(model, provenance={}).version == 10_001


def test_publishing_the_newest_content_again_changes_nothing(
    store: VersionStore, model: pathlib.Path
) -> None:
    first = store.publish(model, provenance={"run": "1"})
    before = (folder_of(store, first.version)).stat().st_mtime_ns

    again = store.publish(model, provenance={"run": "2"})

    assert again == first
    assert visible(store) == [str(first.version)]
    assert (folder_of(store, first.version)).stat().st_mtime_ns == before


def test_an_older_content_becomes_a_new_version(
    store: VersionStore, tmp_path: pathlib.Path
) -> None:
    old, new = make_model(tmp_path / "a", b"a"), make_model(tmp_path / "b", b"b")
    first = store.publish(old, provenance={})
    second = store.publish(new, provenance={})

    third = store.publish(old, provenance={})

    assert third.digest == first.digest
    assert third.version > second.version


def test_a_damaged_newest_version_is_not_reused(
    store: VersionStore, model: pathlib.Path
) -> None:
    first = store.publish(model, provenance={})
    (folder_of(store, first.version) / "saved_model.pb").write_bytes(b"Graph")

    second = store.publish(model, provenance={})

    assert second.version > first.version
    verify(folder_of(store, second.version))


# Pruning.


def test_the_newest_versions_stay(store: VersionStore, tmp_path: pathlib.Path) -> None:
    few = VersionStore(store.root, store.model_name, keep=2)
    published = [
        few.publish(make_model(tmp_path / f"m{i}", b"%d" % i), provenance={}).version
        for i in range(4)
    ]

    assert few.versions() == published[-2:]
    assert hidden(few) == [".lock"]


def test_an_old_version_that_cannot_be_removed_does_not_stop_the_publish(
    store: VersionStore,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = VersionStore(store.root, store.model_name, keep=1)
    one.publish(make_model(tmp_path / "a", b"a"), provenance={})
    rmtree = shutil.rmtree

    def refuse(path: pathlib.Path, ignore_errors: bool = False) -> None:
        if path.name.startswith(".retired-"):
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    second = one.publish(make_model(tmp_path / "b", b"b"), provenance={})

    assert one.versions() == [second.version]
    assert "An old version cannot be removed" in caplog.text


# Bad arguments, bad models.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ftp://host/serving", "ctr", 5), "`gs://`.*Received: ftp://host"),
        (("s3://", "ctr", 5), "names no bucket"),
        (("serving", "../other", 5), "Received: '../other'"),
        (("serving", "", 5), "Received: ''"),
        (("serving", "ctr", 0), "At least one version must be kept.*Received: 0"),
    ],
)
def test_a_store_refuses_bad_arguments(
    arguments: tuple[str, str, int], message: str
) -> None:
    root, name, keep = arguments
    with pytest.raises(ConfigError, match=message):
        VersionStore(root, name, keep)


def test_a_folder_without_a_saved_model_is_refused(
    store: VersionStore, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(DataError, match=r"`saved_model.pb` is missing"):
        store.publish(tmp_path, provenance={})

    assert not folder_of(store).exists()


def test_a_model_with_a_link_is_refused(
    store: VersionStore, model: pathlib.Path
) -> None:
    (model / "assets/link").symlink_to("/etc/hostname")

    with pytest.raises(DataError, match="`assets/link` is neither a plain file"):
        store.publish(model, provenance={})

    assert visible(store) == []
    assert hidden(store) == [".lock"]


def test_a_model_with_a_folder_that_cannot_be_read_is_refused(
    store: VersionStore, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == str(model / "variables"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MachineError, match="Permission denied.*model/variables"):
        store.publish(model, provenance={})


def test_a_model_that_changes_while_it_is_copied_is_refused(
    store: VersionStore, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copyfile = shutil.copyfile

    def change_then_copy(source: pathlib.Path, target: pathlib.Path) -> None:
        if source.name == "vocabulary":
            source.write_bytes(b"cherry\nfig\n")
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", change_then_copy)
    with pytest.raises(DataError, match="`assets/vocabulary` must have the SHA-256"):
        store.publish(model, provenance={})

    assert visible(store) == []
    assert hidden(store) == [".lock"]


def test_a_check_that_fails_leaves_nothing(
    store: VersionStore, model: pathlib.Path
) -> None:
    seen = []

    def refuse(staged: pathlib.Path) -> None:
        seen.append((staged / "saved_model.pb").read_bytes())
        assert visible(store) == []
        raise DataError("not loadable")

    with pytest.raises(DataError, match="not loadable"):
        store.publish(model, provenance={}, check=refuse)

    assert seen == [b"graph"]
    assert visible(store) == []
    assert hidden(store) == [".lock"]


# Bad machines.


def test_a_full_disk_leaves_the_versions_as_they_were(
    store: VersionStore, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.publish(make_model(tmp_path / "a", b"a"), provenance={})
    copyfile = shutil.copyfile

    def fill_the_disk(source: pathlib.Path, target: pathlib.Path) -> None:
        if source.name == "saved_model.pb":
            target.write_bytes(b"")  # what a writer leaves that ran out of space
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        copyfile(source, target)

    other = make_model(tmp_path / "b", b"b")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", fill_the_disk)
        with pytest.raises(MachineError, match="No space is left.*needs 0.0 MB"):
            store.publish(other, provenance={})

    assert store.versions() == [first.version]
    verify(folder_of(store, first.version))
    assert hidden(store) == [".lock"]
    assert store.publish(other, provenance={}).version > first.version


@contextlib.contextmanager
def tmpfs(folder: pathlib.Path, options: str) -> Iterator[None]:
    """A small file system of its own on `folder`, where the machine allows it."""
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a file system")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_file_system_without_space_is_left_clean(tmp_path: pathlib.Path) -> None:
    model = make_model(tmp_path / "model")
    (model / "variables/large").write_bytes(os.urandom(2_000_000))
    with tmpfs(tmp_path / "small", "size=1m"):
        store = VersionStore(tmp_path / "small", "ctr")

        with pytest.raises(MachineError, match=r"No space.*2\.0 MB, 1\.0 MB are free"):
            store.publish(model, provenance={})

        assert visible(store) == []
        assert hidden(store) == [".lock"]


def test_a_read_only_file_system_is_named(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    with tmpfs(tmp_path / "locked", "ro"):
        store = VersionStore(tmp_path / "locked", "ctr")
        with pytest.raises(MachineError, match="Read-only file system") as caught:
            store.publish(model, provenance={})
    assert caught.value.where == str(store.folder)
    assert "that this user can write" in caught.value.fix


def test_a_destination_that_cannot_be_a_folder_is_named(
    tmp_path: pathlib.Path, model: pathlib.Path
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(MachineError, match="cannot be published.*Not a directory"):
        VersionStore(tmp_path / "file", "ctr").publish(model, provenance={})


def test_a_destination_without_rights_is_named(
    store: VersionStore, model: pathlib.Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder_of(store).mkdir(parents=True)
    folder_of(store).chmod(0o555)

    with pytest.raises(MachineError, match="Permission denied"):
        store.publish(model, provenance={})


# Readers, other writers and sudden death.


def read_all(store: VersionStore, problems: list[str]) -> int:
    """Reads every listed version whole; returns how many.

    A version may vanish between the listing and the reading, and then all of it.
    """
    read = 0
    for path in map(pathlib.Path, map(store.address, store.versions())):
        try:
            verify(path)
            read += 1
        except DataError as error:
            if path.exists():
                problems.append(str(error))
    return read


def test_a_reader_never_sees_a_half_written_or_half_deleted_version(
    tmp_path: pathlib.Path,
) -> None:
    store = VersionStore(tmp_path / "serving", "ctr", keep=3)
    models = [make_model(tmp_path / f"m{i}", b"%d" % i) for i in range(20)]
    problems: list[str] = []
    done = threading.Event()
    counts: collections.Counter[str] = collections.Counter()

    def watch() -> None:
        while not done.is_set():
            counts["versions"] += read_all(store, problems)

    readers = [threading.Thread(target=watch) for _ in range(2)]
    for reader in readers:
        reader.start()
    for path in models:
        store.publish(path, provenance={})
    done.set()
    for reader in readers:
        reader.join()

    assert problems == []
    assert counts["versions"] > 20
    assert len(store.versions()) == 3


def test_of_two_publishers_at_once_one_wins_and_the_other_says_so(
    store: VersionStore, tmp_path: pathlib.Path
) -> None:
    models = [make_model(tmp_path / f"m{i}", b"%d" % i) for i in range(2)]

    def meanwhile(_: pathlib.Path) -> None:
        with pytest.raises(MachineError, match=f"Another process.*{os.getpid()}"):
            VersionStore(store.root, "ctr").publish(models[1], provenance={})

    first = store.publish(models[0], provenance={}, check=meanwhile)

    assert store.versions() == [first.version]
    assert store.publish(models[1], provenance={}).version > first.version


# Where a publish stops for good: what to patch, the sign of the step in its first
# argument, and the versions that a reader then sees.
MOMENTS = {
    "in the middle of the copy": ("shutil.copyfile", "variables.index", ["old"]),
    "before the manifest is written": ("pathlib.Path.write_text", "manifest", ["old"]),
    "while files are written through": ("os.fsync", "", ["old"]),
    "before the rename": ("pathlib.Path.rename", ".staging-", ["old"]),
    "before the old one is hidden": (
        "pathlib.Path.rename",
        "serving/ctr/1",
        ["old", "new"],
    ),
    "before the old one is deleted": ("shutil.rmtree", ".retired-", ["new"]),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_publish_leaves_only_what_the_next_one_removes(
    tmp_path: pathlib.Path, moment: str
) -> None:
    store = VersionStore(tmp_path / "serving", "ctr", keep=1)
    first = store.publish(make_model(tmp_path / "a", b"old"), provenance={})
    model = make_model(tmp_path / "b", b"new")
    target, sign, expected = MOMENTS[moment]
    script = textwrap.dedent(f"""
        import os, pathlib, pkgutil, shutil, sys, time
        from clickwright.components.publisher.version_store import VersionStore

        owner_name, _, name = {target!r}.rpartition(".")
        owner = pkgutil.resolve_name(owner_name)
        real = getattr(owner, name)

        def stop(*args, **kwargs):
            if {sign!r} in str(args[0]):
                print("here", flush=True)
                time.sleep(600)
            return real(*args, **kwargs)

        setattr(owner, name, stop)
        store = VersionStore(pathlib.Path({str(store.root)!r}), "ctr", keep=1)
        store.publish(pathlib.Path({str(model)!r}), provenance={{}})
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    graphs = []
    for path in map(pathlib.Path, map(store.address, store.versions())):
        verify(path)
        graphs.append((path / "saved_model.pb").read_text())
    assert graphs == expected

    second = store.publish(model, provenance={})

    assert store.versions() == [second.version]
    assert second.version > first.version
    assert hidden(store) == [".lock"]
    assert (folder_of(store, second.version) / "saved_model.pb").read_bytes() == b"new"


def test_every_byte_is_on_the_disk_before_the_version_is_seen(
    store: VersionStore, model: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    rename = pathlib.Path.rename

    def record(path: pathlib.Path) -> None:
        events.append(path.name)

    def record_rename(path: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        events.append("rename")
        return rename(path, target)

    monkeypatch.setattr(folder_storage, "_fsync", record)
    monkeypatch.setattr(pathlib.Path, "rename", record_rename)
    manifest = store.publish(model, provenance={})

    version = folder_of(store, manifest.version)
    staged = [path.name for path in version.rglob("*")] + [f".staging-{version.name}"]
    renamed = events.index("rename")
    assert sorted(events[:renamed]) == sorted(staged)
    assert events[renamed + 1 :] == ["ctr"]


# The component, in a pipeline and with a real SavedModel.


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A `Model` artifact's folder: a table of 3 rows behind two signatures."""
    import keras
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("exported") / "Format-Serving"
    inputs = keras.Input([], dtype="int64", name="item")
    embedded = keras.layers.Embedding(3, 2, name="table")(inputs)
    model = keras.Model(inputs, keras.ops.sum(embedded, axis=-1))

    def parse(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"item": tf.io.FixedLenFeature([], tf.int64)}
        item = tf.io.parse_example(examples, spec)["item"]
        return {"probability": model(item)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        parse,
        [tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint(
        "predict_raw",
        lambda item: {"probability": model(item)},
        [tf.TensorSpec([None], tf.int64, name="item")],
    )
    archive.add_endpoint(
        "rank",
        lambda user, item: {
            "probability": model(item) * tf.cast(tf.strings.length(user), tf.float32)
        },
        [
            tf.TensorSpec([1], tf.string, name="user"),
            tf.TensorSpec([None], tf.int64, name="item"),
        ],
    )
    archive.write_out(folder, verbose=False)
    return folder.parent


@pytest.fixture(scope="module")
def unservable(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A SavedModel that Python loads and a model server cannot run."""
    import keras
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("unservable")
    module = tf.Module()
    module.model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    signature = tf.function(
        lambda x: {"probability": module.model(x)},
        input_signature=[tf.TensorSpec([None, 2], name="x")],
    )
    tf.saved_model.save(module, str(folder), {"serving_default": signature})
    loaded = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert loaded(x=tf.ones([1, 2]))["probability"].shape == [1, 1]
    return folder


def test_a_servable_model_passes_the_load_test(exported: pathlib.Path) -> None:
    from clickwright.components.publisher.load_test import load_test

    load_test(exported / "Format-Serving", ["serving_default", "predict_raw", "rank"])


def test_the_load_test_refuses_what_a_model_server_cannot_run(
    unservable: pathlib.Path,
) -> None:
    from clickwright.components.publisher.load_test import load_test

    with pytest.raises(DataError, match="`serving_default` cannot reach.*variable"):
        load_test(unservable, ["serving_default"])


def test_the_load_test_names_a_missing_signature(exported: pathlib.Path) -> None:
    from clickwright.components.publisher.load_test import load_test

    with pytest.raises(
        DataError,
        match="lacks the signature `top_k`.*predict_raw, rank, serving_default",
    ):
        load_test(exported / "Format-Serving", ["serving_default", "top_k"])


def test_the_load_test_refuses_a_truncated_graph(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    from clickwright.components.publisher.load_test import load_test

    broken = shutil.copytree(exported / "Format-Serving", tmp_path / "broken")
    graph = (broken / "saved_model.pb").read_bytes()
    (broken / "saved_model.pb").write_bytes(graph[: len(graph) // 2])

    with pytest.raises(DataError, match="cannot be loaded"):
        load_test(broken, ["serving_default"])


def test_the_load_test_refuses_truncated_variables(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    from clickwright.components.publisher.load_test import load_test

    broken = shutil.copytree(exported / "Format-Serving", tmp_path / "broken")
    (broken / "variables/variables.data-00000-of-00001").write_bytes(b"")

    with pytest.raises(DataError, match="cannot be loaded"):
        load_test(broken, ["serving_default"])


def test_a_model_that_ends_its_process_is_refused(
    exported: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = subprocess.run

    def crash(command: list[str], **options: Any) -> Any:
        script = "import os, sys; sys.stderr.write('too big'); sys.stderr.flush(); "
        return run([command[0], "-c", script + "os.kill(os.getpid(), 9)"], **options)

    monkeypatch.setattr(subprocess, "run", crash)
    with pytest.raises(DataError, match=r"ended with SIGKILL. It said: too big"):
        isolated_load_test(exported / "Format-Serving", ["serving_default"])


def test_a_model_that_does_not_end_is_refused(exported: pathlib.Path) -> None:
    with pytest.raises(DataError, match=r"did not load within 0.01 seconds"):
        isolated_load_test(exported, ["serving_default"], timeout_seconds=0.01)


def execute(
    model: pathlib.Path,
    out: pathlib.Path,
    blessed: bool | None,
    servable: bool | None = None,
    **changes: object,
) -> "types.Artifact":
    """Runs the executor on artifacts of its own; returns the `PushedModel`."""
    from tfx.types import standard_artifacts

    from clickwright.components.publisher.executor import Executor

    model_artifact = standard_artifacts.Model()
    model_artifact.uri = str(model)
    model_artifact.id = 7
    inputs: dict[str, list[types.Artifact]] = {"model": [model_artifact]}
    if blessed is not None:
        blessing = standard_artifacts.ModelBlessing()
        blessing.id = 8
        blessing.set_int_custom_property("blessed", int(blessed))
        inputs["model_blessing"] = [blessing]
    if servable is not None:
        infra = standard_artifacts.InfraBlessing()
        infra.id = 9
        infra.set_int_custom_property("blessed", int(servable))
        inputs["infra_blessing"] = [infra]
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(out / "pushed")
    properties = {
        "destination": str(out / "serving"),
        "model_name": "ctr",
        "keep": 5,
        "label": "stable",
        "signatures": ["serving_default"],
        "require_blessing": True,
        "provenance": {"config_sha256": "abc"},
    }
    Executor().Do(inputs, {"pushed_model": [pushed]}, properties | changes)
    return pushed


def test_a_blessed_model_is_published(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pushed = execute(exported, tmp_path, blessed=True, servable=True)

    version = pushed.get_string_custom_property("pushed_version")
    destination = pushed.get_string_custom_property("pushed_destination")
    assert pushed.get_int_custom_property("pushed") == 1
    assert destination == str(tmp_path / "serving" / "ctr" / version)
    manifest = verify(pathlib.Path(destination))
    assert manifest.provenance == {
        "config_sha256": "abc",
        "model_artifact_id": "7",
        "model_blessing_artifact_id": "8",
        "infra_blessing_artifact_id": "9",
    }
    copy = tmp_path / "pushed" / "clickwright_manifest.json"
    assert json.loads(copy.read_text()) == manifest.model_dump()
    config = read_model_config(tmp_path / "serving/models.config")
    assert models(config)["ctr"].version_labels == {"stable": int(version)}


def test_in_a_container_lists_come_as_json(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pushed = execute(
        exported,
        tmp_path,
        blessed=True,
        signatures='["serving_default"]',
        provenance='{"config_sha256": "abc"}',
    )

    destination = pushed.get_string_custom_property("pushed_destination")
    manifest = verify(pathlib.Path(destination))
    assert manifest.provenance["config_sha256"] == "abc"


@pytest.mark.parametrize(
    ("blessed", "servable", "require_blessing", "detail"),
    [
        (False, None, True, "not blessed: nothing published"),
        (False, True, False, "not blessed: nothing published"),
        (None, True, True, "no blessing: nothing published"),
        (True, False, True, "failed in the server: nothing published"),
        (None, False, False, "failed in the server: nothing published"),
    ],
)
def test_a_model_that_is_not_blessed_is_not_published(
    exported: pathlib.Path,
    tmp_path: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    blessed: bool | None,
    servable: bool | None,
    require_blessing: bool,
    detail: str,
) -> None:
    with caplog.at_level("INFO", "clickwright.progress"):
        pushed = execute(
            exported, tmp_path, blessed, servable, require_blessing=require_blessing
        )

    assert pushed.get_int_custom_property("pushed") == 0
    assert pushed.get_string_custom_property("pushed_version") == ""
    assert not (tmp_path / "serving").exists()
    assert [getattr(record, "detail", None) for record in caplog.records] == [detail]


def test_a_model_that_nothing_judged_is_published_on_request(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pushed = execute(exported, tmp_path, None, require_blessing=False, signatures=[])

    assert pushed.get_int_custom_property("pushed") == 1


def test_a_model_without_its_signature_is_not_published(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(DataError, match="lacks the signature `top_k`"):
        execute(exported, tmp_path, blessed=True, signatures=["top_k"])

    assert not VersionStore(tmp_path / "serving", "ctr").versions()


def test_the_component_refuses_bad_arguments_at_once() -> None:
    from tfx.types import channel, standard_artifacts

    from clickwright.components.publisher.component import Publisher

    model = channel.Channel(type=standard_artifacts.Model)
    blessing = channel.Channel(type=standard_artifacts.ModelBlessing)

    with pytest.raises(ConfigError, match="`require_blessing` is true"):
        Publisher(model, destination="serving", model_name="ctr")
    with pytest.raises(ConfigError, match=r"model name.*Received: 'a/b'"):
        Publisher(model, blessing, destination="serving", model_name="a/b")
    with pytest.raises(ConfigError, match="stable or canary.*Received: 'best'"):
        Publisher(
            model,
            blessing,
            destination="serving",
            model_name="ctr",
            label="best",  # type: ignore[arg-type]
        )
    with pytest.raises(ConfigError, match="Received: 0"):
        Publisher(model, blessing, destination="serving", model_name="ctr", keep=0)


def test_the_component_works_in_a_pipeline(
    exported: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    from tfx import v1 as tfx
    from tfx.orchestration.metadata import sqlite_metadata_connection_config

    from clickwright.components.publisher.component import Publisher

    blessing_folder = tmp_path / "blessing"
    blessing_folder.mkdir()
    metadata = sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))

    def run() -> None:
        model = tfx.dsl.Importer(
            source_uri=str(exported), artifact_type=tfx.types.standard_artifacts.Model
        ).with_id("model")
        blessing = tfx.dsl.Importer(
            source_uri=str(blessing_folder),
            artifact_type=tfx.types.standard_artifacts.ModelBlessing,
            custom_properties={"blessed": 1},
        ).with_id("blessing")
        publisher = Publisher(
            model.outputs["result"],
            blessing.outputs["result"],
            destination=str(tmp_path / "serving"),
            model_name="ctr",
            signatures=[],
            provenance={"config_sha256": "abc"},
        )
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="publish",
                pipeline_root=str(tmp_path / "root"),
                components=[model, blessing, publisher],
                metadata_connection_config=metadata,
            )
        )

    run()
    run()

    store = VersionStore(tmp_path / "serving", "ctr")
    (version,) = store.versions()
    provenance = verify(folder_of(store, version)).provenance
    assert provenance["config_sha256"] == "abc"
    assert int(provenance["model_artifact_id"]) > 0
