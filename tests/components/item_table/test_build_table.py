"""Item data become rows of their entity's ids, and bad data are refused."""

import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from item_tables import build, item_spec, write_items

from clickwright.schemas.errors import DataError
from clickwright.schemas.item_table import ItemTable, vocabulary_digest

VALUES = ["30", "10", "20", "40"]
"""The vocabulary: item 30 has id 1."""


def vectors(rows: Any, dtype: Any = None) -> pa.Array:
    return pa.array(rows, pa.list_(dtype or pa.float32()))


def embedding(**changes: Any) -> Any:
    return item_spec({"look": {"kind": "embedding", "width": 2, **changes}})


@pytest.mark.parametrize("shape", ["list", "large_list", "float64"])
def test_vectors_stand_in_the_rows_of_their_ids_and_all_else_is_zero(
    shape: str, tmp_path: pathlib.Path
) -> None:
    column = vectors([[1, 2], None, [5, 6], [7, 8]])
    column = {
        "list": column,
        "large_list": column.cast(pa.large_list(pa.float32())),
        "float64": column.cast(pa.list_(pa.float64())),
    }[shape]
    # Item 99 is unknown; item 40 is absent; item 10 has no vector.
    path = write_items(tmp_path / "items.parquet", item=[20, 10, 30, 99], look=column)

    table = build(embedding(), VALUES, path, tmp_path / "table", oov_rows=3)

    expected = [[0, 0], [5, 6], [0, 0], [1, 2], [0, 0], [0, 0], [0, 0], [0, 0]]
    np.testing.assert_array_equal(table.array(tmp_path / "table", "look"), expected)
    assert (table.rows, table.known, table.absent, table.unknown) == (8, 3, 1, 1)
    assert table.vectors["look"].missing == 1
    assert table.vocabulary_digest == vocabulary_digest(VALUES)
    assert ItemTable.read(tmp_path / "table") == table


def test_vectors_may_be_lists_of_fixed_size(tmp_path: pathlib.Path) -> None:
    given = pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))
    path = write_items(tmp_path / "items.parquet", item=[10, 30], look=given)
    table = build(embedding(), VALUES, path, tmp_path / "table")
    found = table.array(tmp_path / "table", "look")
    assert found[1:3].tolist() == [[3, 4], [1, 2]]


def test_an_empty_list_is_a_missing_vector(tmp_path: pathlib.Path) -> None:
    path = write_items(
        tmp_path / "items.parquet", item=[30, 10], look=vectors([[], [1, 2]])
    )
    table = build(embedding(), VALUES, path, tmp_path / "table")
    assert table.vectors["look"].missing == 1
    assert table.array(tmp_path / "table", "look")[1:3].tolist() == [[0, 0], [1, 2]]


def test_a_folder_of_files_gives_the_same_table_as_one_file(
    tmp_path: pathlib.Path,
) -> None:
    rows = [[float(n), float(-n)] for n in range(4)]
    one = write_items(
        tmp_path / "one.parquet", item=[10, 20, 30, 40], look=vectors(rows)
    )
    for part, piece in enumerate([slice(0, 1), slice(1, 4)]):
        write_items(
            tmp_path / "many" / f"part-{part}.parquet",
            item=[10, 20, 30, 40][piece],
            look=vectors(rows[piece]),
        )
    whole = build(embedding(), VALUES, one, tmp_path / "a")
    parts = build(embedding(), VALUES, tmp_path / "many", tmp_path / "b")
    assert whole == parts
    np.testing.assert_array_equal(
        whole.array(tmp_path / "a", "look"), parts.array(tmp_path / "b", "look")
    )


def test_more_rows_than_a_batch_are_aligned_as_a_brute_force_does(
    tmp_path: pathlib.Path,
) -> None:
    rng = np.random.default_rng(0)
    ids = rng.permutation(40_000)
    given = rng.normal(size=(40_000, 3)).astype(np.float32)
    values = [str(v) for v in rng.permutation(60_000)[:30_000]]
    path = write_items(tmp_path / "items.parquet", item=ids, look=vectors(list(given)))

    table = build(embedding(width=3), values, path, tmp_path / "table")

    of = dict(zip(ids.tolist(), given, strict=True))
    expected = [of.get(int(v), np.zeros(3)) for v in values]
    found = table.array(tmp_path / "table", "look")
    np.testing.assert_array_equal(found[1:-1], expected)
    assert not found[[0, -1]].any()
    assert table.known == sum(int(v) in of for v in values)


def test_identity_vocabularies_are_aligned_by_value(tmp_path: pathlib.Path) -> None:
    path = write_items(
        tmp_path / "items.parquet",
        item=[2, 0, 3, -1],
        look=vectors([[1, 1], [2, 2], [3, 3], [4, 4]]),
    )
    spec = item_spec(
        {"look": {"kind": "embedding", "width": 2}},
        vocabulary={"kind": "identity", "size": 3},
    )
    table = build(spec, ["0", "1", "2"], path, tmp_path / "table")
    found = table.array(tmp_path / "table", "look")
    assert found[:, 0].tolist() == [0, 2, 0, 1, 0]
    assert (table.known, table.unknown, table.absent) == (2, 2, 1)


def test_ids_of_text_may_be_dictionary_encoded(tmp_path: pathlib.Path) -> None:
    path = write_items(
        tmp_path / "items.parquet",
        item=pa.array(["b", "a"]).dictionary_encode(),
        look=vectors([[1, 1], [2, 2]]),
    )
    spec = item_spec({"look": {"kind": "embedding", "width": 2}}, dtype="string")
    table = build(spec, ["a", "b"], path, tmp_path / "table")
    assert table.array(tmp_path / "table", "look")[:, 0].tolist() == [0, 2, 1, 0]


def test_int8_rows_are_integers_times_the_scale_of_the_row(
    tmp_path: pathlib.Path,
) -> None:
    given = np.array([[1.0, -2.54], [0.0, 0.0], [127.0, 1.0]], np.float32)
    path = write_items(
        tmp_path / "items.parquet", item=[30, 10, 20], look=vectors(list(given))
    )
    table = build(embedding(storage="int8"), VALUES, path, tmp_path / "table")

    stored = table.array(tmp_path / "table", "look")
    scales = table.scales(tmp_path / "table", "look")
    assert scales is not None
    assert stored.dtype == np.int8
    assert stored[1:4].tolist() == [[50, -127], [0, 0], [127, 1]]
    np.testing.assert_allclose(scales[1:4], [2.54 / 127, 0, 1], rtol=1e-6)
    restored = stored[1:4] * scales[1:4, None]
    assert np.abs(restored - given).max() <= scales.max() / 2
    assert table.vectors["look"].error == pytest.approx(np.abs(restored - given).max())


def test_float16_rounds_and_says_by_how_much(tmp_path: pathlib.Path) -> None:
    path = write_items(
        tmp_path / "items.parquet", item=[30], look=vectors([[0.1, 1000.1]])
    )
    table = build(embedding(storage="float16"), VALUES, path, tmp_path / "table")
    found = table.array(tmp_path / "table", "look")[1]
    assert found.tolist() == np.array([0.1, 1000.1], np.float16).tolist()
    assert table.vectors["look"].error == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("reduce", ["pca", "whiten"])
def test_wider_vectors_are_reduced_by_what_known_entities_have(
    reduce: str, tmp_path: pathlib.Path
) -> None:
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(6, 6))
    given = (rng.normal(size=(50, 6)) @ mixing + 3).astype(np.float32)
    wild = 100 * rng.normal(size=(10, 6)).astype(np.float32)  # of unknown entities
    values = [str(n) for n in rng.permutation(50)]
    path = write_items(
        tmp_path / "items.parquet",
        item=[*range(50), *range(100, 110)],
        look=vectors([*given, *wild]),
    )
    spec = embedding(width=2, reduce=reduce)

    table = build(spec, values, path, tmp_path / "table")

    found = table.array(tmp_path / "table", "look")[1:-1]
    centred = given - given.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(centred.T))
    expected = centred @ directions[:, ::-1][:, :2]
    if reduce == "whiten":
        expected = expected / np.sqrt(variances[::-1][:2])
    expected = expected[[int(v) for v in values]]
    signs = np.sign((found * expected).sum(axis=0))  # directions have no sign
    np.testing.assert_allclose(found * signs, expected, atol=1e-4)
    if reduce == "whiten":
        np.testing.assert_allclose(found.std(axis=0, ddof=1), 1, atol=1e-4)
    assert sorted(p.name for p in (tmp_path / "table").iterdir()) == [
        "item_table.json",
        "look.npy",
    ]


def test_attributes_are_ids_by_frequency_then_value(tmp_path: pathlib.Path) -> None:
    path = write_items(
        tmp_path / "items.parquet",
        item=[10, 20, 30, 99],
        tags=[["red", "old", "", None], ["old", "big", "red", "new"], None, ["odd"]],
    )
    spec = item_spec(
        {
            "tags": {
                "kind": "attribute",
                "max_length": 3,
                "vocabulary": {"kind": "learned", "min_count": 2, "oov_buckets": 1},
            }
        }
    )
    table = build(spec, VALUES, path, tmp_path / "table")

    # red and old occur twice, red is the later word; the others share id 3.
    expected = [[0] * 3, [0] * 3, [1, 2, 0], [2, 3, 1], [0] * 3, [0] * 3]
    found = table.array(tmp_path / "table", "tags")
    assert found.tolist() == expected
    assert found.dtype == np.int32
    assert (table.attributes["tags"].values, table.attributes["tags"].missing) == (2, 1)
    values = (tmp_path / "table" / "tags.values.json").read_text()
    assert values == '["red", "old"]'


def test_one_value_an_entity_is_an_attribute_too(tmp_path: pathlib.Path) -> None:
    path = write_items(
        tmp_path / "items.parquet",
        item=[10, 20, 30],
        brand=pa.array([7, None, 7], pa.int32()),
    )
    spec = item_spec(
        {
            "maker": {
                "kind": "attribute",
                "dtype": "int64",
                "column": "brand",
                "max_length": 1,
            }
        }
    )
    table = build(spec, VALUES, path, tmp_path / "table")
    assert table.array(tmp_path / "table", "maker")[:, 0].tolist() == [0, 1, 1, 0, 0, 0]
    assert table.attributes["maker"].missing == 1


def test_rare_values_spread_over_the_rows_after_the_vocabulary(
    tmp_path: pathlib.Path,
) -> None:
    tags = [f"tag {n}" for n in range(200)]
    path = write_items(tmp_path / "items.parquet", item=[10], tags=[["x", "x", *tags]])
    spec = item_spec(
        {
            "tags": {
                "kind": "attribute",
                "max_length": 300,
                "vocabulary": {"kind": "learned", "min_count": 2, "oov_buckets": 4},
            }
        }
    )
    table = build(spec, VALUES, path, tmp_path / "table")
    row = table.array(tmp_path / "table", "tags")[2]
    assert row[:2].tolist() == [1, 1]
    assert set(row[2:202].tolist()) == {2, 3, 4, 5}
    assert not row[202:].any()
    assert spec.table_rows({"item": 4, "tags": 1})["tags"] == 6


GOOD: dict[str, Any] = {"item": [30, 10], "look": vectors([[1, 2], [3, 4]])}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"item": [30, 10, 30], "look": vectors([[1, 2]] * 3)},
            "Each item must have one row. Received: 30 in .*row 1 and in .*row 3",
        ),
        (
            {"item": [30, 99, 99], "look": vectors([[1, 2]] * 3)},
            "Received: 99 in .*row 2 and in .*row 3",
        ),
        ({"item": ["30", "10"]}, "ids must be int64.*Received: string, such as '30'"),
        ({"item": [30.0, 10.0]}, "ids must be int64.*Received: double"),
        ({"item": [30, None]}, r"row 2, column `item`.*must have an id"),
        ({"item": [7, 8]}, "None of the 2 ids is in the vocabulary.*Received.*7"),
        (
            {"look": vectors([[1, 2], [3, 4, 5]])},
            r"row 2 \(item 10\), column `look`: All vectors must have 2.*one of 3",
        ),
        (
            {"look": vectors([[1, 2, 3], [3, 4, 5]])},
            "must have 2 values, its `width`. Received: vectors of 3.*reduce: pca",
        ),
        ({"look": vectors([[1], [3]])}, "Received: vectors of 1"),
        (
            {"look": vectors([[1, 2], [3, float("nan")]])},
            r"row 2 \(item 10\), column `look`.*Received: nan at place 2 of 2",
        ),
        (
            {"look": vectors([None, [float("-inf"), 3]])},
            r"row 2 \(item 10\).*Received: -inf at place 1 of 2",
        ),
        ({"look": vectors([[1, 2], [None, 3]])}, "Received: null at place 1 of 2"),
        (
            {"look": vectors([[1e300, 2], [3, 3]], pa.float64())},
            r"row 1 \(item 30\).*Received: 1e\+300",
        ),
        ({"look": [1.0, 2.0]}, "must be lists of floats. Received: double"),
        ({"look": [["a"], ["b"]]}, "must be lists of floats. Received: list"),
        ({"look": vectors([None, None])}, "No row has a vector"),
        (
            {"item": [30, 99], "look": vectors([None, [1, 2]])},
            "No known entity has a vector",
        ),
    ],
)
def test_bad_item_data_are_refused_by_row_value_and_rule(
    columns: dict[str, Any], told: str, tmp_path: pathlib.Path
) -> None:
    path = write_items(tmp_path / "items.parquet", **{**GOOD, **columns})
    with pytest.raises(DataError, match=told) as error:
        build(embedding(), VALUES, path, tmp_path / "table")
    assert error.value.fix
    assert str(path) in str(error.value)


def test_a_column_that_is_not_there_is_named_with_its_neighbours(
    tmp_path: pathlib.Path,
) -> None:
    path = write_items(tmp_path / "items.parquet", **GOOD)
    with pytest.raises(DataError, match="lack the column `looks`.*mean `look`"):
        build(embedding(column="looks"), VALUES, path, tmp_path / "table")


def test_files_of_different_types_are_refused(tmp_path: pathlib.Path) -> None:
    write_items(tmp_path / "many" / "a.parquet", item=[30], look=vectors([[1, 2]]))
    write_items(tmp_path / "many" / "b.parquet", item=["1"], look=vectors([[1, 2]]))
    with pytest.raises(DataError, match="one type in all files. Received: string"):
        build(embedding(), VALUES, tmp_path / "many", tmp_path / "table")


@pytest.mark.parametrize("there", ["nothing", "empty folder", "text", "no rows"])
def test_files_that_are_no_item_data_are_refused(
    there: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "items.parquet"
    match there:
        case "empty folder":
            path.mkdir()
        case "text":
            path.write_text("item,look\n")
        case "no rows":
            write_items(path, item=pa.array([], pa.int64()), look=vectors([]))
    with pytest.raises(DataError, match="item data") as error:
        build(embedding(), VALUES, path, tmp_path / "table")
    assert error.value.fix


def test_float16_refuses_what_it_cannot_hold(tmp_path: pathlib.Path) -> None:
    path = write_items(tmp_path / "items.parquet", item=[30], look=vectors([[1e5, 0]]))
    with pytest.raises(DataError, match="Received: 100000"):
        build(embedding(storage="float16"), VALUES, path, tmp_path / "table")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"width": 4}, "needs more vectors of known entities"),
        ({"width": 9}, "must have 9 values or more. Received: 5"),
        ({"width": 3, "reduce": "whiten"}, "vary in 2 directions"),
    ],
)
def test_a_reduction_that_the_vectors_do_not_bear_is_refused(
    changes: dict[str, Any], told: str, tmp_path: pathlib.Path
) -> None:
    plane = np.random.default_rng(0).normal(size=(4, 2))
    given = np.c_[plane, plane @ [1.0, 1.0], np.zeros((4, 2))]
    path = write_items(
        tmp_path / "items.parquet", item=[10, 20, 30, 40], look=vectors(list(given))
    )
    with pytest.raises(DataError, match=told):
        build(
            embedding(**{"reduce": "pca", **changes}), VALUES, path, tmp_path / "table"
        )


@pytest.mark.parametrize(
    ("tags", "feature", "told"),
    [
        ([[1], [2]], {}, "must hold string values.*Received: list<.*int64"),
        ([["a"], ["b"]], {"dtype": "int64"}, "must hold int64 values"),
        ([["a"], ["b"]], {"vocabulary": {"min_count": 2}}, "No value occurs 2 times"),
        ([["a"], ["b"]], {"vocabulary": {"max_size": 1}}, "`max_size` is 1"),
    ],
)
def test_attributes_that_break_a_rule_are_refused(
    tags: Any, feature: dict[str, Any], told: str, tmp_path: pathlib.Path
) -> None:
    path = write_items(tmp_path / "items.parquet", item=[10, 20], tags=tags)
    spec = item_spec({"tags": {"kind": "attribute", **feature}})
    with pytest.raises(DataError, match=told):
        build(spec, VALUES, path, tmp_path / "table")


def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    path = write_items(tmp_path / "items.parquet", **GOOD)
    table = build(embedding(), VALUES, path, tmp_path / "table")
    np.save(tmp_path / "table" / "look.npy", np.zeros((6, 3), np.float32))
    with pytest.raises(DataError, match=r"holds float32 \[6, 3\].*says.*\[6, 2\]"):
        table.array(tmp_path / "table", "look")
