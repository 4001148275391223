"""Bad input ends in one clear message; nothing is published, half-written or lost."""

import copy
import gzip
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest
import tensorflow as tf
from tiny_shop import CONFIG, SPEC, Command, Shop, make_log, make_shop

pytestmark = pytest.mark.e2e
Tables = dict[str, pa.Table]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(autouse=True)
def good_runs_around(shop: Shop, command: Command) -> Iterator[None]:
    """A good run before; afterwards nothing has changed and the next one works."""
    code, _, shown = command("run", "-c", shop.config, "--out", shop.out)
    assert code == 0, shown
    published = shop.published()

    yield

    assert shop.published() == published
    assert shop.unfinished_executions() == []
    shop.write_spec(SPEC)
    shop.write_config(CONFIG)
    code, _, shown = command("run", "-c", shop.config, "--out", shop.out)
    assert code == 0, shown
    states = {c["name"]: c["state"] for c in shop.summary()["components"]}
    assert states["LogExampleGen"] == states["Trainer"] == "cached"


def column(table: pa.Table, name: str, values: Any) -> pa.Table:
    """The table with one column replaced."""
    return table.set_column(table.column_names.index(name), name, values)


def without_device(tables: Tables) -> Tables:
    return {**tables, "train": tables["train"].drop_columns(["device"])}


def price_in_words(tables: Tables) -> Tables:
    words = pa.array(["cheap"] * tables["valid"].num_rows)
    return {**tables, "valid": column(tables["valid"], "price", words)}


def no_rows(tables: Tables) -> Tables:
    return {**tables, "test": tables["test"].slice(0, 0)}


def no_clicks(tables: Tables) -> Tables:
    none = pa.array(np.zeros(tables["valid"].num_rows, "int64"))
    return {**tables, "valid": column(tables["valid"], "click", none)}


def label_two(tables: Tables) -> Tables:
    clicks = tables["train"]["click"].to_numpy().copy()
    clicks[17] = 2
    return {**tables, "train": column(tables["train"], "click", pa.array(clicks))}


def too_many_items(tables: Tables) -> Tables:
    many = pa.array(np.arange(tables["train"].num_rows) % 150)
    return {**tables, "train": column(tables["train"], "item", many)}


def mostly_phones(tables: Tables) -> Tables:
    return make_log(seed=1, phones=0.95)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_device, ["part-0.parquet", "train", "device"]),
        (price_in_words, ["part-0.parquet", "valid", "price", "string", "float"]),
        (no_rows, ["test", "no rows"]),
        (no_clicks, ["valid", "click", "positive"]),
        (label_two, ["part-0.parquet", "train", "click", "2", "row 18"]),
        (too_many_items, ["item", "150", "100", "max_size"]),
        (mostly_phones, ["device", "0.2", "drift"]),
    ],
)
def test_rows_that_break_the_spec(
    spoil: Callable[[Tables], Tables],
    words: list[str],
    shop: Shop,
    command: Command,
    tiny_log: Tables,
) -> None:
    bad = shop.write_log(spoil(tiny_log), to=spoil.__name__)

    code, out, shown = command(
        "run", "-c", shop.config, "--data", bad, "--out", shop.out
    )

    assert (code, out) == (1, "")
    for word in words:
        assert word in shown
    assert shown.count("Error:") == 1
    assert "Fix:" in shown
    assert "log.txt" in shown


def truncated_parquet(folder: pathlib.Path) -> str:
    file = folder / "train" / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:-500])
    return "parquet"


def empty_file(folder: pathlib.Path) -> str:
    (folder / "train" / "part-0.parquet").write_bytes(b"")
    return "parquet"


def truncated_gzip(folder: pathlib.Path) -> str:
    for file in sorted(folder.rglob("*.parquet")):
        rows = pa.BufferOutputStream()
        pyarrow.csv.write_csv(pa.parquet.read_table(file), rows)
        packed = gzip.compress(rows.getvalue().to_pybytes())
        keep = len(packed) // 2 if "train" in str(file) else len(packed)
        file.with_suffix(".csv.gz").write_bytes(packed[:keep])
        file.unlink()
    return "csv"


def corrupt_tfrecord(folder: pathlib.Path) -> str:
    for file in sorted(folder.rglob("*.parquet")):
        target = file.with_suffix(".tfrecord")
        with tf.io.TFRecordWriter(str(target)) as writer:
            for row in pa.parquet.read_table(file).to_pylist():
                writer.write(_example(row).SerializeToString())
        if "train" in str(file):
            content = bytearray(target.read_bytes())
            content[len(content) // 2] ^= 0xFF
            target.write_bytes(content)
        file.unlink()
    return "tfrecord"


def _example(row: dict[str, Any]) -> tf.train.Example:
    features = {}
    for name, value in row.items():
        match value:
            case int():
                feature = tf.train.Feature(int64_list={"value": [value]})
            case float():
                feature = tf.train.Feature(float_list={"value": [value]})
            case _:
                feature = tf.train.Feature(bytes_list={"value": [value.encode()]})
        features[name] = feature
    return tf.train.Example(features=tf.train.Features(feature=features))


@pytest.mark.parametrize(
    "spoil", [truncated_parquet, empty_file, truncated_gzip, corrupt_tfrecord]
)
def test_files_that_are_broken(
    spoil: Callable[[pathlib.Path], str], shop: Shop, command: Command, tiny_log: Tables
) -> None:
    bad = shop.write_log(tiny_log, to=spoil.__name__)
    config = copy.deepcopy(CONFIG)
    config["data"]["format"] = spoil(bad)
    shop.write_config(config)

    code, _, shown = command("run", "-c", shop.config, "--data", bad, "--out", shop.out)

    assert code == 1
    assert "train" in shown
    assert "part-0." in shown
    assert shown.count("Error:") == 1
    assert "Fix:" in shown


def test_an_unknown_key_in_the_configuration(shop: Shop, command: Command) -> None:
    shop.write_config({**CONFIG, "trianing": {"epochs": 3}})

    code, _, shown = command("run", "-c", shop.config, "--out", shop.out)

    assert code == 1
    assert str(shop.config) in shown
    assert "`trianing`: unknown key. Did you mean `training`?" in shown


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("training", {"epochs": 0}, ["epochs", "0"]),
        ("training", {"epoch": 3}, ["epoch", "Did you mean `epochs`?"]),
        ("model", {"name": "deepfn"}, ["deepfn", "Did you mean `deepfm`?"]),
        ("evaluation", {"thresholds": {"acu": {"min": 1}}}, ["acu", "`auc`"]),
        ("data", {"dataset": "frapp"}, ["frapp", "Did you mean `frappe`?"]),
    ],
)
def test_values_that_break_a_rule_of_the_configuration(
    part: str, content: dict[str, Any], words: list[str], shop: Shop, command: Command
) -> None:
    shop.write_config({**CONFIG, part: content})

    code, _, shown = command("run", "-c", shop.config, "--out", shop.out)

    assert code == 1
    for word in words:
        assert word in shown


def test_a_feature_named_twice(shop: Shop, command: Command) -> None:
    spec = shop.folder / "features.yaml"
    spec.write_text(spec.read_text() + "  user: {kind: numeric, role: user}\n")
    content = spec.read_text()
    assert content.count("  user:") >= 1

    code, _, shown = command("spec", "check", spec)

    assert code == 1
    assert str(spec) in shown
    assert "duplicate key `user`" in shown


def test_an_output_folder_that_cannot_be_written(shop: Shop, command: Command) -> None:
    # Not even root may write there, unlike into a folder without write permission.
    code, _, shown = command("run", "-c", shop.config, "--out", "/proc/clickwright")

    assert code == 1
    assert "/proc/clickwright" in shown
    assert "--out" in shown


def test_a_full_disk(shop: Shop, command: Command, tmp_path: pathlib.Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        code, _, shown = command("run", "-c", shop.config, "--out", disk / "out")
        left = list((disk / "out").rglob("*.gz"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        shutil.rmtree(disk, ignore_errors=True)

    assert code == 1
    assert "space" in shown
    assert left == []


def test_a_data_folder_that_is_not_there(shop: Shop, command: Command) -> None:
    code, _, shown = command(
        "run", "-c", shop.config, "--data", "nowhere", "--out", shop.out
    )

    assert code == 1
    assert "nowhere" in shown
    assert "does not exist" in shown


def test_clicks_are_there_in_the_good_log(tiny_log: Tables) -> None:
    # The cases above would prove little if the good log lacked what they take away.
    for table in tiny_log.values():
        assert 0.1 < pc.mean(table["click"]).as_py() < 0.9
