"""`clickwright models`: what is published, released, taken back and removed."""

import json
import pathlib

import fake_model
import pytest
from model_folder import make_model
from tiny_shop import Command

from clickwright.components.publisher.release_record import Label
from clickwright.components.publisher.version_store import VersionStore
from clickwright.pipeline.paths import RunPaths


@pytest.fixture
def root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    root = tmp_path / "serving"
    monkeypatch.setenv("CLICKWRIGHT_SERVING_ROOT", str(root))
    return root


@pytest.fixture
def versions(root: pathlib.Path, tmp_path: pathlib.Path) -> list[int]:
    """Four versions of `shop`: the third is stable, the fourth on trial."""
    store = VersionStore(root, "shop", keep=9)
    labels: list[Label] = ["stable", "stable", "stable", "canary"]
    return [
        store.publish(
            make_model(tmp_path / f"m{i}", b"%d" % i), provenance={}, label=label
        ).version
        for i, label in enumerate(labels)
    ]


def test_versions_are_listed_with_labels(
    versions: list[int], root: pathlib.Path, command: Command
) -> None:
    (root / "other/7").mkdir(parents=True)

    code, out, _ = command("models", "list")

    assert code == 0
    lines = {line.split()[1]: line for line in out.splitlines() if line.split()[1:]}
    assert "stable" in lines[str(versions[2])]
    assert "canary" in lines[str(versions[3])]
    assert "served" in lines[str(versions[1])]
    assert "kept" in lines[str(versions[0])]
    assert lines["7"].split() == ["other", "7", "-", "-", "kept"]


def test_versions_are_listed_for_programs(
    versions: list[int], command: Command
) -> None:
    code, out, _ = command("models", "list", "shop", "--json")

    assert code == 0
    rows = json.loads(out)
    assert [row["version"] for row in rows] == versions[::-1]
    assert [row["labels"] for row in rows] == [["canary"], ["stable"], [], []]
    assert {row["bytes"] for row in rows} == {10_025}


def test_a_canary_is_promoted_and_taken_back(
    versions: list[int], command: Command
) -> None:
    assert command("models", "promote", "shop")[:2] == (
        0,
        f"shop: stable is version {versions[3]}\n",
    )
    assert command("models", "rollback", "shop")[:2] == (
        0,
        f"shop: stable is version {versions[2]}\n",
    )
    promoted = command("models", "promote", "shop", str(versions[0]), "--label=canary")
    assert promoted[:2] == (0, f"shop: canary is version {versions[0]}\n")


def test_old_versions_are_removed_on_request(
    versions: list[int], root: pathlib.Path, command: Command
) -> None:
    dry = command("models", "gc", "shop", "--keep", "1", "--dry-run")
    assert dry[:2] == (0, f"shop: would be removed: {versions[0]}\n")
    assert (root / "shop" / str(versions[0])).is_dir()

    assert command("models", "gc", "shop", "--keep", "1")[:2] == (
        0,
        f"shop: removed: {versions[0]}\n",
    )
    assert VersionStore(root, "shop").versions() == versions[1:]


def test_what_a_server_holds_is_not_removed(
    root: pathlib.Path, tmp_path: pathlib.Path, command: Command
) -> None:
    for version in (1, 2, 3):
        make_model(root / "shop" / str(version))
    server, address = fake_model.serve(fake_model.FakeModel())  # it holds 1 and 2
    try:
        code, out, _ = command(
            "models", "gc", "shop", "--keep", "1", "--server", address
        )
    finally:
        server.stop(0).wait()

    assert (code, out) == (0, "shop: removed: none\n")
    assert command("models", "gc", "shop", "--keep", "1")[1] == "shop: removed: 1, 2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "shp"], "Did you mean `shop`? Models: shop."),
        (["promote", "shop", "7"], "There is no version 7."),
        (["list", "shp"], "Did you mean `shop`?"),
        (["list", "--root", "nowhere"], "No model is published here."),
    ],
)
def test_what_is_not_there_is_named(
    versions: list[int], command: Command, arguments: list[str], message: str
) -> None:
    code, _, shown = command("models", *arguments)

    assert code == 1
    assert message in shown


def test_a_bucket_stays_an_address(tmp_path: pathlib.Path) -> None:
    paths = RunPaths(tmp_path)

    assert paths.serving_root("s3://bucket/serving") == "s3://bucket/serving"
    assert paths.serving_root(None) == str(tmp_path / "serving")
    assert paths.serving_root("models") == str(pathlib.Path("models").resolve())
