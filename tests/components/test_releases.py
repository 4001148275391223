"""Releases: which versions are served, under which labels, and how to go back."""

import json
import pathlib
from collections.abc import Callable

import pytest
from model_folder import make_model
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from clickwright.components.publisher.release_record import Label
from clickwright.components.publisher.version_store import VersionStore
from clickwright.schemas.errors import ConfigError, DataError, MachineError
from clickwright.serving.server.model_config import (
    models,
    read_model_config,
    write_model_config,
)

Publish = Callable[..., int]


@pytest.fixture
def store(tmp_path: pathlib.Path) -> VersionStore:
    return VersionStore(tmp_path / "serving", "ctr", keep=2)


@pytest.fixture
def publish(store: VersionStore, tmp_path: pathlib.Path) -> Publish:
    """Publishes a model that differs from all before; returns its version."""
    made: list[pathlib.Path] = []

    def publish(label: Label | None = "stable", to: VersionStore = store) -> int:
        graph = b"%d" % len(made)
        made.append(make_model(tmp_path / f"model{len(made)}", graph))
        return to.publish(made[-1], provenance={}, label=label).version

    return publish


def config_file(store: VersionStore) -> pathlib.Path:
    return pathlib.Path(store.storage.root, "models.config")


def told(store: VersionStore) -> tuple[list[int], dict[str, int]]:
    """What the config file tells a server: versions to load, and labels."""
    entry = models(read_model_config(config_file(store)))[store.model_name]
    return (
        list(entry.model_version_policy.specific.versions),
        dict(entry.version_labels),
    )


def test_the_first_version_is_stable_whatever_its_label(
    store: VersionStore, publish: Publish
) -> None:
    first = publish("canary")

    assert told(store) == ([first], {"stable": first})
    entry = models(read_model_config(config_file(store)))["ctr"]
    assert entry.base_path == store.folder
    assert entry.model_platform == "tensorflow"


def test_a_stable_version_is_served_beside_the_one_before(
    store: VersionStore, publish: Publish
) -> None:
    first, second, third = publish(), publish(), publish()

    assert told(store) == ([second, third], {"stable": third})
    # A server needs a moment to unload what it was told to serve until now.
    assert store.versions() == [first, second, third]
    fourth = publish()
    assert store.versions() == [second, third, fourth]


def test_a_canary_is_served_beside_the_stable_version(
    store: VersionStore, publish: Publish
) -> None:
    stable, canary = publish(), publish("canary")

    assert told(store) == ([stable, canary], {"stable": stable, "canary": canary})


def test_a_canary_that_is_promoted_keeps_its_label(
    store: VersionStore, publish: Publish
) -> None:
    stable, canary = publish(), publish("canary")

    assert store.promote() == canary

    assert told(store) == ([stable, canary], {"stable": canary, "canary": canary})


def test_a_canary_follows_a_newer_stable_version(
    store: VersionStore, publish: Publish
) -> None:
    first, _, third = publish(), publish("canary"), publish()

    assert told(store) == ([first, third], {"stable": third, "canary": third})


def test_a_canary_ends_at_the_stable_version(
    store: VersionStore, publish: Publish
) -> None:
    stable, _ = publish(), publish("canary")

    assert store.rollback("canary") == stable

    assert told(store) == ([stable], {"stable": stable, "canary": stable})


def test_a_rollback_goes_back_release_by_release(
    store: VersionStore, publish: Publish
) -> None:
    many = VersionStore(store.root, "ctr", keep=9)
    first, second, third = (publish(to=many) for _ in range(3))
    publish("canary", to=many)

    assert store.rollback() == second
    # Whatever is newer would get the requests that name no version.
    assert told(store) == ([first, second], {"stable": second, "canary": second})
    assert store.rollback() == first
    assert told(store) == ([first], {"stable": first, "canary": first})
    with pytest.raises(DataError, match="no earlier release") as caught:
        store.rollback()
    assert "clickwright models promote ctr" in caught.value.fix
    assert told(store)[1]["stable"] == first
    assert store.promote(third) == third
    assert store.rollback() == first


def test_a_promoted_older_version_can_be_taken_back(
    store: VersionStore, publish: Publish
) -> None:
    first, second = publish(), publish()

    store.promote(first)
    assert told(store) == ([first], {"stable": first})
    store.rollback()

    # The one before stays until the label has moved.
    assert told(store) == ([first, second], {"stable": second})


def test_a_label_that_stays_where_it_is_changes_nothing(
    store: VersionStore, publish: Publish
) -> None:
    publish(), publish()
    files = [config_file(store), pathlib.Path(store.folder, "current.json")]
    before = [path.read_bytes() for path in files]

    assert store.promote() == store.versions()[-1]

    assert [path.read_bytes() for path in files] == before


def test_a_version_that_is_not_there_is_not_promoted(
    store: VersionStore, publish: Publish
) -> None:
    first = publish()

    with pytest.raises(DataError, match=rf"no version 7\. Versions: {first}\."):
        store.promote(7)

    assert told(store) == ([first], {"stable": first})


def test_a_damaged_version_is_not_promoted(
    store: VersionStore, publish: Publish
) -> None:
    first, second = publish(), publish("canary")
    pathlib.Path(store.address(second), "saved_model.pb").write_bytes(b"")

    with pytest.raises(DataError, match=r"`saved_model.pb` must have 1 bytes"):
        store.promote(second)

    assert told(store)[1]["stable"] == first


def test_a_store_without_versions_has_nothing_to_promote(store: VersionStore) -> None:
    for act in (store.promote, store.rollback):
        with pytest.raises(DataError, match="no version of `ctr`"):
            act()


def test_a_release_that_was_taken_back_is_not_released_by_the_same_files(
    store: VersionStore, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = make_model(tmp_path / "old", b"a"), make_model(tmp_path / "new", b"b")
    first = store.publish(old, provenance={}, label="stable").version
    second = store.publish(new, provenance={}, label="stable").version
    store.rollback()

    with caplog.at_level("INFO", "clickwright.progress"):
        again = store.publish(new, provenance={}, label="stable").version

    assert again == second
    assert told(store)[1]["stable"] == first
    assert "was taken back" in str([vars(record) for record in caplog.records])


def test_a_release_that_was_cut_off_is_completed_by_the_same_files(
    store: VersionStore, tmp_path: pathlib.Path
) -> None:
    model = make_model(tmp_path / "model")
    version = store.publish(model, provenance={}).version  # and no further
    assert not config_file(store).exists()

    assert store.publish(model, provenance={}, label="stable").version == version

    assert told(store) == ([version], {"stable": version})


# The record.


def test_the_record_tells_the_history(store: VersionStore, publish: Publish) -> None:
    first, second = publish(), publish("canary")
    store.promote()
    store.rollback()

    record = json.loads(pathlib.Path(store.folder, "current.json").read_text())
    assert record["version"] == first
    assert record["labels"] == {"stable": first, "canary": first}
    assert [(c["action"], c["label"], c["version"]) for c in record["history"]] == [
        ("publish", "stable", first),
        ("publish", "canary", second),
        ("promote", "stable", second),
        ("rollback", "stable", first),
    ]
    assert all(change["at"].endswith("+00:00") for change in record["history"])


def test_a_writer_that_ends_between_its_two_files_loses_no_release(
    store: VersionStore, publish: Publish
) -> None:
    path = pathlib.Path(store.folder, "current.json")
    first = publish()
    before = path.read_text()
    publish()
    path.write_text(before)

    assert store.rollback() == first


def test_a_damaged_record_is_named(store: VersionStore, publish: Publish) -> None:
    publish()
    pathlib.Path(store.folder, "current.json").write_text("{}")

    with pytest.raises(DataError, match=r"`ctr/current.json` cannot be read"):
        store.promote()


# The config file.


def test_what_others_wrote_into_the_config_stays(
    store: VersionStore, publish: Publish
) -> None:
    config = ModelServerConfig()
    mine = config.model_config_list.config.add(
        name="ctr", base_path="/models/ctr", model_platform="tensorflow"
    )
    mine.version_labels["shadow"] = 12
    mine.logging_config.sampling_config.sampling_rate = 0.5
    config.model_config_list.config.add(
        name="other", base_path="/models/other", model_platform="tensorflow"
    )
    pathlib.Path(store.root).mkdir()
    write_model_config(config_file(store), config)

    version = publish()

    after = models(read_model_config(config_file(store)))
    assert after["other"] == models(config)["other"]
    assert after["ctr"].base_path == "/models/ctr"
    assert after["ctr"].logging_config == mine.logging_config
    assert told(store) == ([12, version], {"shadow": 12, "stable": version})


def test_a_policy_to_serve_all_versions_stays(
    store: VersionStore, publish: Publish
) -> None:
    publish()
    config = read_model_config(config_file(store))
    models(config)["ctr"].model_version_policy.all.SetInParent()
    write_model_config(config_file(store), config)

    publish()

    policy = models(read_model_config(config_file(store)))["ctr"].model_version_policy
    assert policy.WhichOneof("policy_choice") == "all"


def test_a_damaged_config_stops_a_publish_before_anything_is_written(
    store: VersionStore, publish: Publish
) -> None:
    first = publish()
    config_file(store).write_text("model_config_list {")

    with pytest.raises(ConfigError, match="Invalid protobuf file") as caught:
        publish()

    assert caught.value.where == str(config_file(store))
    assert store.versions() == [first]
    assert config_file(store).read_text() == "model_config_list {"


def test_models_of_one_root_do_not_lose_each_others_changes(
    store: VersionStore, publish: Publish
) -> None:
    others = [VersionStore(store.root, f"model{i}") for i in range(3)]
    published = {other.model_name: publish(to=other) for other in others}

    assert {
        name: m.version_labels
        for name, m in models(read_model_config(config_file(store))).items()
    } == {name: {"stable": version} for name, version in published.items()}
    assert others[0].storage.model_names() == ["model0", "model1", "model2"]


# Collecting.


def test_neither_a_labelled_nor_a_served_version_is_ever_collected(
    store: VersionStore, publish: Publish
) -> None:
    first, second = publish(), publish()
    canaries = [publish("canary") for _ in range(4)]

    # The canary before was served until now; the one before it no longer is.
    assert store.versions() == [first, second, *canaries[-2:]]
    one = VersionStore(store.root, "ctr", keep=1)
    assert one.collect(dry_run=True) == [canaries[-2]]
    assert one.collect(in_use=[canaries[-2]]) == []
    assert one.collect() == [canaries[-2]]
    assert one.collect() == []
    assert one.versions() == [first, second, canaries[-1]]
    assert told(store)[0] == [first, second, canaries[-1]]


def test_a_version_that_a_label_of_others_names_is_kept(
    store: VersionStore, publish: Publish
) -> None:
    first = publish()
    config = read_model_config(config_file(store))
    models(config)["ctr"].version_labels["shadow"] = first
    write_model_config(config_file(store), config)

    newest = [publish() for _ in range(5)][-3:]

    assert store.versions() == [first, *newest]


def test_versions_change_under_one_writer_at_a_time(
    store: VersionStore, publish: Publish
) -> None:
    publish()
    other = VersionStore(store.root, "ctr")

    with store.storage.change_model():
        for act in (other.promote, other.rollback, other.collect):
            with pytest.raises(MachineError, match="Another process is changing"):
                act()
