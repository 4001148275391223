"""Transform runs on hand-made rows; every kind of feature against brute force."""

import collections
import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from numeric_plans import LINEAR, make_plan, scaled
from tensorflow.core.protobuf import saved_model_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import transform_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import json_utils, proto_utils

from clickwright.components.discretizer import artifacts
from clickwright.components.transform.component import SpecTransform
from clickwright.components.transform.executor import Executor, check_sizes
from clickwright.schemas.discretization_plan import DiscretizationPlan, Scaling
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.metadata import to_schema
from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE
from clickwright.schemas.spec import SPLITS, FeatureSpec

# TFT divides 0 by 0 for columns that have no value yet, and mends it afterwards.
pytestmark = pytest.mark.filterwarnings(
    "ignore:invalid value encountered in divide:RuntimeWarning"
)

Row = dict[str, list[Any]]
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")

KNOTS = (0.125, 0.3, 0.3, 0.3, 0.9, 2.5, 6.0, 6.0)
SCALINGS = {
    "none": Scaling(kind="none", low=0.125, high=6.0),
    "min_max": Scaling(kind="min_max", low=0.125, high=6.0, shift=0.125, width=5.875),
    "z_score": Scaling(kind="z_score", low=0.125, high=6.0, shift=1.5, width=1.75),
    "log1p": Scaling(kind="log1p", low=-2.0, high=6.0, shift=0.8, width=0.5),
    "signed_log": Scaling(kind="signed_log", low=-9.0, high=6.0, shift=0.8, width=0.5),
    "quantile_rank": Scaling(
        kind="quantile_rank", low=0.125, high=6.0, knots=KNOTS, missing=0.5
    ),
    # A few values beyond the knots, as bounds in a spec may have it.
    "wide_rank": Scaling(kind="quantile_rank", low=-1.0, high=9.0, knots=KNOTS),
    "filled": Scaling(kind="z_score", low=0.125, high=6.0, width=2.0, missing=-0.75),
    "unbounded": Scaling(kind="signed_log", low=-3e38, high=3e38, width=10.0),
}
"""Of the same column; `missing` where it is given."""

SPEC = FeatureSpec.model_validate(
    {
        "name": "kinds",
        "split": {"kind": "given"},
        "labels": {"click": {}, "buy": {"presence": "optional"}},
        "weight": "row",
        "group_key": "session",
        "timestamp": "at",
        "features": {
            "user": {
                "kind": "categorical",
                "role": "user",
                "dtype": "int64",
                "vocabulary": {"kind": "learned", "oov_buckets": 3},
            },
            "item": {
                "kind": "categorical",
                "role": "item",
                "vocabulary": {"kind": "learned", "min_count": 4, "oov_buckets": 2},
            },
            "shop": {
                "kind": "categorical",
                "role": "item",
                "presence": "optional",
            },
            "session": {
                "kind": "categorical",
                "role": "user",
                "vocabulary": {"kind": "hash", "buckets": 11},
            },
            "user_hash": {
                "kind": "categorical",
                "role": "user",
                "dtype": "int64",
                "column": "user",
                "vocabulary": {"kind": "hash", "buckets": 7},
            },
            "position": {
                "kind": "categorical",
                "role": "context",
                "dtype": "int64",
                "presence": "optional",
                "vocabulary": {"kind": "identity", "size": 5},
            },
            "tags": {
                "kind": "multi_hot",
                "role": "item",
                "presence": "optional",
                "max_length": 3,
            },
            "history": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "presence": "optional",
                "max_length": 4,
                "side": {"shop": {"of": "shop", "column": "history_shop"}},
            },
            "history_left": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "column": "history",
                "presence": "optional",
                "max_length": 4,
                "padding": "left",
            },
            "shop_user": {
                "kind": "cross",
                "role": "context",
                "of": ("shop", "user"),
                "buckets": 13,
            },
            **{
                f"price_{scaling}": {
                    "kind": "numeric",
                    "role": "item",
                    "column": "price",
                    "presence": "optional",
                }
                for scaling in SCALINGS
            },
            "age": {"kind": "numeric", "role": "item", "dtype": "int64"},
            "constant": {"kind": "numeric", "role": "item"},
            "void": {"kind": "numeric", "role": "item", "presence": "optional"},
            "void_word": {
                "kind": "categorical",
                "role": "item",
                "presence": "optional",
            },
        },
    }
)
PLAN = make_plan(
    SPEC,
    {
        **{f"price_{name}": (scaling, LINEAR) for name, scaling in SCALINGS.items()},
        "age": (
            Scaling(kind="z_score", low=-50.0, high=49.0, shift=0.5, width=29.0),
            LINEAR,
        ),
        "constant": (Scaling(kind="none", low=2.5, high=2.5, shift=2.5), LINEAR),
        "void": (Scaling(kind="none", low=0.0, high=0.0, missing=0.0), LINEAR),
    },
)
SMALL_SPEC = FeatureSpec.model_validate(
    {
        "name": "small",
        "split": {"kind": "given"},
        "labels": {"click": {}},
        "weight": "row",
        "features": {
            name: SPEC.features[name].model_dump()
            for name in ("item", "history", "price_z_score", "shop")
        },
    }
)

SMALL_PLAN = make_plan(SMALL_SPEC, {"price_z_score": (SCALINGS["z_score"], LINEAR)})


def ordinary_rows(count: int, seed: int) -> list[Row]:
    """Rows with ties among the values, and with gaps in the optional columns."""
    draw = np.random.default_rng(seed)
    rows: list[Row] = []
    for row in range(count):
        length = int(draw.integers(0, 8))
        history = [b"i%d" % i for i in draw.integers(0, 12, length)]
        shops = [b"", b"s1", b"s2", b"s10"]
        rows.append(
            {
                "row": [float(row)],
                "click": [int(draw.integers(2))],
                "buy": [int(draw.integers(2))] if draw.random() < 0.5 else [],
                "user": [int(draw.integers(-2, 12))],
                "item": [b"i%d" % min(draw.geometric(0.2), 12)],
                "shop": [shops[draw.integers(4)]] if draw.random() < 0.8 else [],
                "session": [b"session %d" % draw.integers(9)],
                "position": [int(draw.integers(5))] if draw.random() < 0.8 else [],
                "tags": [b"t%d" % t for t in draw.integers(0, 6, draw.integers(0, 6))],
                "history": history,
                "history_shop": [shops[i] for i in draw.integers(0, 4, length)],
                "price": [np.float32(draw.lognormal())] if draw.random() < 0.8 else [],
                "age": [int(draw.integers(-50, 50))],
                "constant": [2.5],
                "void": [],
                "void_word": [],
                "at": [1_700_000_000 + row],
            }
        )
    return rows


def odd_rows() -> list[Row]:
    """Rows that the training split has nothing like."""
    usual = ordinary_rows(1, seed=9)[0]
    odd: list[Row] = [
        {"item": [b"unheard of"], "user": [2**62], "shop": ["déjà vu".encode()]},
        {
            "item": [b""],
            "session": [b""],
            "tags": [b"", b"t1"],
            "history": [b"", b"i1"],
        },
        {"item": [b"i1\ni2"], "tags": [b"new", b"t1", b"t2", b"t3"]},
        {"position": [-1]},
        {"position": [5]},
        {"position": [2**63 - 1]},
        {"position": []},
        {"history": [], "history_shop": [], "tags": []},
        {"history": [b"i%d" % i for i in range(12)], "history_shop": [b"s1"] * 12},
        {"price": [-0.0]},
        {"price": [1e-45]},
        {"price": [-1e-40]},
        {"price": [1e-30]},
        {"price": [-1.5]},
        {"price": [6.0]},
        {"price": [0.3]},
        {"price": [1e38]},
        {"price": [-1e38]},
        {"price": [math.inf]},
        {"price": [-math.inf]},
        {"price": [math.nan]},
        {"price": []},
        {"age": [2**62], "constant": [-3.0]},
        {"void": [4.0], "void_word": [b"first"]},
    ]
    return [{**usual, **row, "row": [float(i)]} for i, row in enumerate(odd)]


ROWS = {
    "train": ordinary_rows(200, seed=1),
    "valid": ordinary_rows(20, seed=2),
    "test": odd_rows(),
}


@dataclasses.dataclass
class Run:
    """What Transform wrote: its graph, and its rows in the order of `ROWS`."""

    graph: tft.TFTransformOutput
    rows: dict[str, dict[str, np.ndarray]]


def encode(spec: FeatureSpec, row: Row) -> bytes:
    """Returns the row as ingestion writes it."""
    example = tf.train.Example()
    for name, column in spec.columns().items():
        if row[name]:
            feature = example.features.feature[name]
            match column.dtype:
                case "int64":
                    feature.int64_list.value.extend(row[name])
                case "float32":
                    feature.float_list.value.extend(row[name])
                case "string":
                    feature.bytes_list.value.extend(row[name])
    return example.SerializeToString()


def transform(
    spec: FeatureSpec,
    rows: Mapping[str, Sequence[Row]],
    folder: pathlib.Path,
    beam_args: Sequence[str] = (),
    plan: DiscretizationPlan | None = None,
) -> Run:
    """Runs Transform's executor on real artifacts."""
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "examples")
    examples.split_names = artifact_utils.encode_split_names(list(rows))
    for split, of_split in rows.items():
        path = folder / "examples" / f"Split-{split}" / "data-00000-of-00001.gz"
        path.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for row in of_split:
                writer.write(encode(spec, row))
    schema = standard_artifacts.Schema()
    schema.uri = str(folder / "schema")
    (folder / "schema").mkdir()
    (folder / "schema" / "schema.pbtxt").write_text(
        text_format.MessageToString(to_schema(spec))
    )
    inputs = {"examples": [examples], "schema": [schema]}
    if plan is not None:
        artifact = artifacts.DiscretizationPlan()
        artifact.uri = str(folder / "plan")
        (folder / "plan").mkdir()
        plan.write(folder / "plan")
        inputs["plan"] = [artifact]
    graph, transformed = (
        standard_artifacts.TransformGraph(),
        standard_artifacts.Examples(),
    )
    graph.uri, transformed.uri = str(folder / "graph"), str(folder / "transformed")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=list(beam_args), tmp_dir=str(folder / "tmp"), unique_id="1"
    )

    Executor(context).Do(
        inputs,
        {"transform_graph": [graph], "transformed_examples": [transformed]},
        {
            "preprocessing_fn": "clickwright.models.preprocessing.preprocessing_fn",
            "custom_config": json_utils.dumps({"spec": spec.model_dump_json()}),
            "splits_config": proto_utils.proto_to_json(
                transform_pb2.SplitsConfig(analyze=SPLITS[:1], transform=SPLITS)
            ),
            "force_tf_compat_v1": 0,
            "disable_statistics": 1,
        },
    )

    output = tft.TFTransformOutput(graph.uri)
    read = {}
    for split in rows:
        files = sorted((folder / "transformed" / f"Split-{split}").iterdir())
        records = list(tf.data.TFRecordDataset([str(f) for f in files], "GZIP"))
        parsed = tf.io.parse_example(records, output.transformed_feature_spec())
        # Beam keeps no order; the weight is the row's number.
        order = np.argsort(parsed["sample_weight"].numpy())
        read[split] = {name: t.numpy()[order] for name, t in parsed.items()}
    return Run(output, read)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return transform(SPEC, ROWS, tmp_path_factory.mktemp("transform"), plan=PLAN)


def test_rows_of_the_validation_split_are_kept_beside_the_graph(run: Run) -> None:
    path = pathlib.Path(run.graph.transform_savedmodel_dir).parent / GOLDEN_ROWS_FILE
    records = tf.data.TFRecordDataset(str(path), "GZIP")
    kept = [tf.train.Example.FromString(record.numpy()) for record in records]
    given = [encode(SPEC, row) for row in ROWS["valid"][:128]]
    assert kept == [tf.train.Example.FromString(record) for record in given]


def text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def bucket(value: bytes, buckets: int) -> int:
    return int(tf.strings.to_hash_bucket_fast(value, buckets))


def vocabulary(column: str, min_count: int = 1) -> list[bytes]:
    """Values of the training split, by count and then by value, both descending."""
    counts = collections.Counter(
        text(value) for row in ROWS["train"] for value in row[column] if value != b""
    )
    kept = [(count, value) for value, count in counts.items() if count >= min_count]
    return [value for _, value in sorted(kept, reverse=True)]


def learned_id(values: list[bytes], value: Any, oov_buckets: int) -> int:
    if value == b"":
        return 0
    if text(value) in values:
        return 1 + values.index(text(value))
    return 1 + len(values) + bucket(text(value), oov_buckets)


def item_id(value: Any) -> int:
    return learned_id(vocabulary("item", min_count=4), value, 2)


def shop_id(value: Any) -> int:
    return learned_id(vocabulary("shop"), value, 1)


def padded(ids: list[int], length: int) -> list[int]:
    return ids + [0] * (length - len(ids))


def check(run: Run, output: str, expected: Any) -> None:
    """Compares an output of every row of every split with `expected(row)`."""
    for split, rows in ROWS.items():
        for number, row in enumerate(rows):
            got = run.rows[split][output][number]
            np.testing.assert_allclose(
                got, expected(row), rtol=1e-5, atol=1e-6, err_msg=f"{split} {row}"
            )


def test_the_outputs_are_the_model_inputs_labels_weight_and_group(run: Run) -> None:
    sizes = {
        name: run.graph.vocabulary_size_by_name(name)
        for name in ("user", "item", "shop", "tags", "void_word")
    }
    spec = run.graph.transformed_feature_spec()

    inputs = SPEC.model_inputs(sizes)
    extra = {"click", "buy", "sample_weight", "group_key"}
    assert set(spec) == {i.name for i in inputs} | extra
    for model_input in inputs:
        expected = tf.io.FixedLenFeature(
            [model_input.length] if model_input.length else [],
            tf.float32 if model_input.kind == "value" else tf.int64,
        )
        assert spec[model_input.name] == expected, model_input
        if model_input.rows is not None:
            for split in ROWS:
                ids = run.rows[split][model_input.name]
                assert 0 <= ids.min(), model_input
                assert ids.max() < model_input.rows, model_input
    for name in ("click", "buy", "sample_weight"):
        assert spec[name] == tf.io.FixedLenFeature([], tf.float32)
    assert spec["group_key"] == tf.io.FixedLenFeature([], tf.int64)


def test_vocabularies_hold_the_training_values_by_frequency_then_value(
    run: Run,
) -> None:
    for column, min_count in (("user", 1), ("item", 4), ("shop", 1), ("tags", 1)):
        expected = vocabulary(column, min_count)
        assert run.graph.vocabulary_by_name(column) == expected
        assert run.graph.vocabulary_size_by_name(column) == len(expected)
    counts = collections.Counter(row["item"][0] for row in ROWS["train"])
    assert min(counts.values()) < 4  # else `min_count` would not be tested


def test_values_of_other_splits_do_not_enter_a_vocabulary(run: Run) -> None:
    assert b"unheard of" not in run.graph.vocabulary_by_name("item")
    assert str(2**62).encode() not in run.graph.vocabulary_by_name("user")


def test_learned_integers_become_ids(run: Run) -> None:
    values = vocabulary("user")
    check(run, "user", lambda row: learned_id(values, row["user"][0], 3))


def test_learned_strings_become_ids_and_empty_ones_are_missing(run: Run) -> None:
    check(run, "item", lambda row: item_id(row["item"][0]))


def test_an_absent_value_of_a_categorical_feature_is_the_padding_id(run: Run) -> None:
    check(run, "shop", lambda row: shop_id(row["shop"][0]) if row["shop"] else 0)


def test_hashed_strings_and_integers_become_ids(run: Run) -> None:
    check(
        run,
        "session",
        lambda row: 1 + bucket(row["session"][0], 11) if row["session"][0] else 0,
    )
    check(run, "user_hash", lambda row: 1 + bucket(text(row["user"][0]), 7))


def test_identity_values_outside_the_range_share_the_last_row(run: Run) -> None:
    def expected(row: Row) -> int:
        if not row["position"]:
            return 0
        position = row["position"][0]
        return position + 1 if 0 <= position < 5 else 6

    check(run, "position", expected)


def test_a_multi_hot_keeps_its_first_values(run: Run) -> None:
    values = vocabulary("tags")
    check(
        run,
        "tags",
        lambda row: padded([learned_id(values, t, 1) for t in row["tags"][:3]], 3),
    )


def test_a_sequence_keeps_its_latest_values_in_the_owners_ids(run: Run) -> None:
    check(
        run, "history", lambda row: padded([item_id(i) for i in row["history"][-4:]], 4)
    )


def test_a_side_input_runs_beside_its_sequence(run: Run) -> None:
    check(
        run,
        "history__shop",
        lambda row: padded([shop_id(s) for s in row["history_shop"][-4:]], 4),
    )


def test_left_padding_puts_the_latest_value_last(run: Run) -> None:
    def expected(row: Row) -> list[int]:
        ids = [item_id(i) for i in row["history"][-4:]]
        return [0] * (4 - len(ids)) + ids

    check(run, "history_left", expected)


def test_a_cross_hashes_its_values_and_misses_when_one_is_missing(run: Run) -> None:
    def expected(row: Row) -> int:
        if not row["shop"] or not row["shop"][0]:
            return 0
        return 1 + bucket(row["shop"][0] + b"\x1f" + text(row["user"][0]), 13)

    check(run, "shop_user", expected)


@pytest.mark.parametrize("name", SCALINGS)
def test_numbers_are_scaled_by_the_constants_of_the_plan(run: Run, name: str) -> None:
    for split, rows in ROWS.items():
        raw = [row["price"][0] if row["price"] else math.nan for row in rows]
        expected = scaled(SCALINGS[name], raw)
        got = run.rows[split][f"price_{name}"]
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7, err_msg=split)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))


def test_missing_numbers_are_nan_unless_the_plan_fills_them(run: Run) -> None:
    missing = [not row["price"] or math.isnan(row["price"][0]) for row in ROWS["test"]]
    assert sum(missing) == 2  # one absent, one NaN; infinite values are not missing
    plain = run.rows["test"]["price_z_score"]
    np.testing.assert_array_equal(np.isnan(plain), missing)
    filled = run.rows["test"]["price_filled"]
    assert not np.isnan(filled).any()
    assert (filled[missing] == np.float32(-0.75)).all()


def test_numbers_beyond_the_training_range_move_to_its_ends(run: Run) -> None:
    rank = {
        str(row["price"]): value
        for row, value in zip(
            ROWS["test"], run.rows["test"]["price_quantile_rank"], strict=True
        )
    }
    assert rank["[1e+38]"] == rank["[inf]"] == rank["[6.0]"] == 1.0
    assert rank["[-1e+38]"] == rank["[-inf]"] == rank["[-1.5]"] == 0.0
    assert rank["[0.3]"] == np.float32(3 / 7)  # the last of three equal knots


def test_integers_are_scaled_and_huge_ones_clipped(run: Run) -> None:
    check(run, "age", lambda row: (np.clip(row["age"][0], -50, 49) - 0.5) / 29.0)
    assert any(row["age"] == [2**62] for row in ROWS["test"])


def test_a_column_without_width_becomes_zero(run: Run) -> None:
    check(run, "constant", lambda row: 0.0)


def test_a_column_never_seen_in_training_still_transforms(run: Run) -> None:
    check(run, "void", lambda row: 0.0)
    number = next(i for i, row in enumerate(ROWS["test"]) if row["void_word"])
    ids = run.rows["test"]["void_word"]
    assert ids[number] > 0
    assert not np.delete(ids, number).any()


def test_the_plan_lies_beside_the_transform_graph(run: Run) -> None:
    folder = pathlib.Path(run.graph.transform_savedmodel_dir).parent
    assert DiscretizationPlan.read(folder) == PLAN


def test_a_plan_of_another_spec_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="made for other numeric features") as error:
        transform(SPEC, {"train": ROWS["train"]}, tmp_path, plan=SMALL_PLAN)

    assert "`small`, price_z_score" in error.value.what
    assert not (tmp_path / "graph").exists()


def test_a_spec_with_numbers_needs_a_plan() -> None:
    examples, schema = standard_artifacts.Examples, standard_artifacts.Schema
    channels = (types.Channel(type=examples), types.Channel(type=schema))
    with pytest.raises(ValueError, match="`plan` must be given"):
        SpecTransform(*channels, SPEC)
    component = SpecTransform(
        *channels, SPEC, types.Channel(type=artifacts.DiscretizationPlan)
    )
    assert set(component.inputs) == {"examples", "schema", "plan"}


def test_labels_are_floats_and_minus_one_where_missing(run: Run) -> None:
    check(run, "click", lambda row: row["click"][0])
    check(run, "buy", lambda row: row["buy"][0] if row["buy"] else -1.0)


def test_group_keys_separate_the_groups(run: Run) -> None:
    keys: dict[bytes, set[int]] = collections.defaultdict(set)
    for split, rows in ROWS.items():
        for row, key in zip(rows, run.rows[split]["group_key"], strict=True):
            keys[row["session"][0]].add(int(key))

    assert all(len(found) == 1 for found in keys.values())
    assert len({next(iter(found)) for found in keys.values()}) == len(keys)


def test_serving_needs_neither_labels_nor_weight_and_gives_the_same(run: Run) -> None:
    layer = run.graph.transform_features_layer()
    dropped = {"click", "buy", "row", "at"}
    raw = {
        name: feature
        for name, feature in run.graph.raw_feature_spec().items()
        if name not in dropped
    }
    for split, rows in ROWS.items():
        records = [encode(SPEC, row) for row in rows]

        served = layer(tf.io.parse_example(records, raw))

        trained = run.rows[split]
        assert set(served) == set(trained) - {"click", "buy", "sample_weight"}
        for name, tensor in served.items():
            if tensor.dtype.is_floating:
                np.testing.assert_allclose(
                    tensor, trained[name], rtol=0, atol=1e-6, err_msg=name
                )
            else:
                np.testing.assert_array_equal(tensor, trained[name], err_msg=name)


def test_serving_needs_no_group_key_that_is_not_a_feature(run: Run) -> None:
    layer = run.graph.transform_features_layer()
    raw = {"item": tf.constant(["i1", "unheard of"])}

    served = layer(raw)

    assert set(served) == {"item"}
    np.testing.assert_array_equal(
        served["item"], [item_id(b"i1"), item_id(b"unheard of")]
    )


def test_every_lookup_of_a_vocabulary_shares_one_table(run: Run) -> None:
    path = pathlib.Path(run.graph.transform_savedmodel_dir) / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    tables = [
        node.attr["shared_name"].s
        for node in saved.meta_graphs[0].graph_def.node
        if node.op == "HashTableV2"
    ]
    # `item` has three lookups: its own and two sequences.
    assert len(tables) > len(set(tables)) == 5


def test_two_processes_learn_and_write_the_same(tmp_path: pathlib.Path) -> None:
    rows = {split: of_split[:60] for split, of_split in ROWS.items()}

    one = transform(SMALL_SPEC, rows, tmp_path / "one", plan=SMALL_PLAN)
    two = transform(SMALL_SPEC, rows, tmp_path / "two", TWO_PROCESSES, SMALL_PLAN)

    assert one.graph.vocabulary_by_name("item") == two.graph.vocabulary_by_name("item")
    for split in rows:
        for name, values in one.rows[split].items():
            np.testing.assert_allclose(
                values, two.rows[split][name], rtol=1e-6, err_msg=name
            )


def shop_spec(max_size: int) -> FeatureSpec:
    shop = {"kind": "categorical", "role": "item", "presence": "optional"}
    vocabulary = {"kind": "learned", "max_size": max_size}
    return FeatureSpec.model_validate(
        {
            "name": "shops",
            "split": {"kind": "given"},
            "labels": {"click": {}},
            "features": {"shop": {**shop, "vocabulary": vocabulary}},
        }
    )


def test_a_vocabulary_beyond_max_size_is_refused(tmp_path: pathlib.Path) -> None:
    rows = {split: of_split[:20] for split, of_split in ROWS.items()}
    assert {s for row in rows["train"] for s in row["shop"]} == {
        b"",
        b"s1",
        b"s2",
        b"s10",
    }

    with pytest.raises(DataError, match="`shop` has 3 values .* `max_size` is 2") as e:
        transform(shop_spec(max_size=2), rows, tmp_path)

    assert "features.<name>.vocabulary" in e.value.where
    assert "`max_size` or `min_count`" in e.value.fix


def test_a_vocabulary_of_just_max_size_is_accepted() -> None:
    check_sizes(shop_spec(max_size=3), {"shop": 3})
    with pytest.raises(DataError, match="`shop` has 4 values"):
        check_sizes(shop_spec(max_size=3), {"shop": 4})
