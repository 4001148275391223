"""A retrieval model from transformed rows to the items that its export finds."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from request_files import arrays, golden, replay, warmed_up
from retrieval_log import (
    ITEMS,
    SPEC,
    TEST,
    TRAIN,
    USERS,
    VALID,
    padded,
    serialized,
    transformed,
)
from tfx.components.trainer.fn_args_utils import FnArgs
from transformed_shop import Row, Transformed

from clickwright.components.evaluation.found_items import FoundItems
from clickwright.components.publisher.load_test import load_test
from clickwright.models.training import run, run_retrieval
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.serving_files import GOLDEN_ROWS_FILE

MODELS: dict[str, dict[str, Any]] = {
    "sasrec": {"embedding_dim": 8, "blocks": 1, "dropout": 0.1},
    "bert4rec": {"embedding_dim": 8, "blocks": 1},
    "two_tower": {"embedding_dim": 8},
}
TRAINING = {"epochs": 12, "batch_size": 16, "learning_rate": 0.02, "cutoffs": [5, 10]}
KNOWN = sorted({row["item"] for row in TRAIN})


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    done = transformed(tmp_path_factory.mktemp("retrieval"))
    with tf.io.TFRecordWriter(str(done.graph / GOLDEN_ROWS_FILE), "GZIP") as writer:
        for example in serialized(VALID[:20]):  # the fourth one's item is unknown
            writer.write(example)
    return done


def make_args(
    rows: Transformed, folder: pathlib.Path, model: str, **training: Any
) -> FnArgs:
    return FnArgs(
        train_files=[str(rows.train / "*")],
        eval_files=[str(rows.valid / "*")],
        transform_graph_path=str(rows.graph),
        serving_model_dir=str(folder / "model"),
        model_run_dir=str(folder / "run"),
        custom_config={
            "spec": SPEC.model_dump_json(),
            "model": {"name": model, "params": MODELS.get(model, {})},
            "training": {**TRAINING, **training},
            "checkpoint_dir": str(folder / "checkpoints"),
            "export": {"batch_sizes": [1, 8, 32]},
        },
    )


@pytest.fixture(scope="module", params=["sasrec", "bert4rec", "two_tower"])
def trained(
    request: pytest.FixtureRequest,
    rows: Transformed,
    tmp_path_factory: pytest.TempPathFactory,
) -> FnArgs:
    args = make_args(rows, tmp_path_factory.mktemp(request.param), request.param)
    run.run_fn(args)
    return args


def request_of(args: FnArgs, rows: Sequence[Row]) -> dict[str, tf.Tensor]:
    request = {"clicks": tf.constant(padded(rows), tf.string)}
    if args.custom_config["model"]["name"] == "two_tower":
        request["user"] = tf.constant([row["user"] for row in rows], tf.int64)
    return request


def reference(
    model: Any, args: FnArgs, rows: list[Row]
) -> list[list[tuple[str, float]]]:
    """Items of each request, best first, from the embeddings of both sides."""
    users = model.signatures["embed_user"](**request_of(args, rows))["embedding"]
    items = model.signatures["embed_item"](item=tf.constant(KNOWN))
    scores = users.numpy() @ items["embedding"].numpy().T
    if "bias" in items:
        scores = scores + items["bias"].numpy()
    found = []
    for row, of_row in zip(rows, scores, strict=True):
        left = [
            (item, float(score))
            for item, score in zip(KNOWN, of_row, strict=True)
            if item not in row["clicks"]
        ]
        found.append(sorted(left, key=lambda pair: -pair[1]))
    return found


def test_the_best_items_are_those_of_the_two_embeddings_less_what_was_seen(
    trained: FnArgs,
) -> None:
    model = tf.saved_model.load(trained.serving_model_dir)
    found = model.signatures["top_k"](**request_of(trained, TEST))
    wanted = reference(model, trained, TEST)
    items, scores = found["items"].numpy(), found["scores"].numpy()
    assert items.shape == scores.shape == (USERS, len(KNOWN))
    for row, of_row in enumerate(wanted):
        n = len(of_row)
        assert [i.decode() for i in items[row, :n]] == [item for item, _ in of_row]
        np.testing.assert_allclose(scores[row, :n], [s for _, s in of_row], atol=1e-5)
        assert np.all(np.isneginf(scores[row, n:]))


def test_examples_and_raw_columns_find_the_same(trained: FnArgs) -> None:
    model = tf.saved_model.load(trained.serving_model_dir)
    raw = model.signatures["top_k"](**request_of(trained, TEST))
    requests = tf.constant(serialized(TEST, ["clicks", "user"]))
    examples = model.signatures["serving_default"](examples=requests)
    assert sorted(raw) == sorted(examples) == ["items", "scores"]
    np.testing.assert_array_equal(raw["items"], examples["items"])
    np.testing.assert_array_equal(raw["scores"], examples["scores"])


def test_an_empty_history_finds_items_too(trained: FnArgs) -> None:
    model = tf.saved_model.load(trained.serving_model_dir)
    rows = [{**row, "clicks": []} for row in TEST[:2]]
    for found in (
        model.signatures["top_k"](**request_of(trained, rows)),
        model.signatures["serving_default"](
            examples=tf.constant(serialized(rows, ["clicks", "user"]))
        ),
    ):
        assert np.isfinite(found["scores"].numpy()).all()
        assert len(set(found["items"].numpy()[0])) == len(KNOWN)


def test_unknown_items_have_no_embedding_of_their_own_and_missing_ones_none(
    trained: FnArgs,
) -> None:
    model = tf.saved_model.load(trained.serving_model_dir)
    found = model.signatures["embed_item"](item=tf.constant(["", KNOWN[0], "no such"]))
    vectors = found["embedding"].numpy()
    assert not vectors[0].any() and vectors[1].any()


def test_golden_answers_are_those_of_the_trained_model(trained: FnArgs) -> None:
    model = pathlib.Path(trained.serving_model_dir)
    found = replay(model)
    names = ("serving_default", "top_k", "embed_user", "embed_item")
    assert set(found) == {(name, n) for name in names for n in (1, 8, 20)}
    assert max(found.values()) < 1e-5
    assert warmed_up(model) == {(name, n) for name in names for n in (1, 8, 32)}
    wanted = arrays(golden(model, "top_k")[-1].predict_log.response.outputs)
    for items, row in zip(wanted["items"], VALID, strict=False):
        assert items[0].decode() in set(KNOWN) - set(row["clicks"])


def test_a_server_can_load_it(trained: FnArgs) -> None:
    names = ("serving_default", "top_k", "embed_user", "embed_item")
    load_test(pathlib.Path(trained.serving_model_dir), names)


def test_the_export_finds_what_validation_said(trained: FnArgs, tmp_path: Any) -> None:
    folder = pathlib.Path(trained.model_run_dir)
    summary = json.loads((folder / "training_summary.json").read_text())
    file = tmp_path / "valid"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in serialized(VALID):
            writer.write(example)
    measured = FoundItems(trained.serving_model_dir).measure([str(file)], SPEC, (5, 10))
    validated = summary["seeds"][0]["metrics"]
    for name in ("hr@5", "ndcg@10", "mrr@5", "recall@10", "queries"):
        assert measured[name] == pytest.approx(validated[f"valid_{name}"], abs=1e-6)
    if trained.custom_config["model"]["name"] == "sasrec":
        # Who walks in a circle of 15 is found out; chance would be about 0.5.
        assert measured["hr@5"] > 0.8
    assert list((folder.parent / "checkpoints").iterdir()) == []


def test_the_exported_variables_are_those_that_a_request_reads(trained: FnArgs) -> None:
    found = {
        name: shape
        for name, shape in tf.train.list_variables(
            str(pathlib.Path(trained.serving_model_dir) / "variables" / "variables")
        )
        if "_variables" in name
    }
    rows = (
        ITEMS + 4
    )  # at most: padding, two unknown, and what no training row asked for
    tables = [s for s in found.values() if len(s) == 2 and s[1] == 8 and s[0] <= rows]
    tables = [s for s in tables if s[0] >= len(KNOWN)]
    name = trained.custom_config["model"]["name"]
    if name == "sasrec":
        assert len(tables) == 1  # read by histories and by scores alike
    if name == "two_tower":
        assert sorted(found.values()) == [[len(KNOWN) + 3, 8], [USERS + 2, 8]]


def test_the_measure_of_an_export_counts_ties_and_groups(
    trained: FnArgs, tmp_path: pathlib.Path
) -> None:
    """Against a loop over the model's own answers, with two items a user."""
    rows = [*TEST, *({**row, "item": KNOWN[0]} for row in TEST[::2])]
    file = tmp_path / "test"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in serialized(rows):
            writer.write(example)
    model = tf.saved_model.load(trained.serving_model_dir)
    answers = reference(model, trained, TEST)
    recalls = []
    for row, answer in zip(TEST, answers, strict=True):
        wanted = [r["item"] for r in rows if r["user"] == row["user"]]
        first = [item for item, _ in answer[:5]]
        recalls.append(np.mean([item in first for item in wanted]))
    measured = FoundItems(trained.serving_model_dir).measure([str(file)], SPEC, (5,))
    assert measured["recall@5"] == pytest.approx(np.mean(recalls), abs=1e-6)
    assert (measured["queries"], measured["rows"]) == (USERS, len(rows))


def test_a_killed_run_goes_on_and_several_seeds_export_the_best(
    rows: Transformed, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    args = make_args(rows, tmp_path, "two_tower", epochs=2, seeds=2)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run_retrieval, "export_retrieval", killed)
        run.run_fn(args)
    first = (tmp_path / "run" / "training_summary.json").read_text()
    run.run_fn(args)
    assert (tmp_path / "run" / "training_summary.json").read_text() == first
    summary = json.loads(first)
    ndcg = {s["seed"]: s["metrics"]["valid_ndcg@10"] for s in summary["seeds"]}
    assert sorted(ndcg) == [0, 1] and len(set(ndcg.values())) == 2
    assert ndcg[summary["exported_seed"]] == max(ndcg.values())


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"monitor": "auc"}, "`monitor` must be one of"),
        ({"negative_sampling_rate": 0.5}, "negative_sampling_rate"),
        ({"batch_size": 1000}, "1000 rows is larger"),
    ],
)
def test_training_parameters_are_those_of_retrieval(
    rows: Transformed, tmp_path: pathlib.Path, training: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        run.run_fn(make_args(rows, tmp_path, "two_tower", **training))


def test_a_model_that_does_not_find_items_is_refused(tmp_path: pathlib.Path) -> None:
    module = tf.Module()
    module.f = tf.function(
        lambda examples: {"probability": tf.zeros(tf.shape(examples))},
        [tf.TensorSpec([None], tf.string, name="examples")],
    )
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.f})
    with pytest.raises(DataError, match="gives `items` and `scores`"):
        FoundItems(str(tmp_path))


def test_a_split_with_nothing_to_find_is_refused(
    trained: FnArgs, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "none"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in serialized([{**row, "taken": 0} for row in TEST]):
            writer.write(example)
    with pytest.raises(DataError, match="no row whose label `taken` is 1"):
        FoundItems(trained.serving_model_dir).measure([str(file)], SPEC, (5,))
