"""What a model takes over from its parent, and what it does with new ids."""

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from warm_rows import NEW, OLD, SPEC, inputs_of, keep, make_rows, make_trainer, start_of

from clickwright.models.incremental.warm_start import learned_variables
from clickwright.models.training.optimizer_state import innermost, slots
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import FeatureSpec

DEEP: dict[str, Any] = {"embedding_dim": 4, "hidden_units": [6], "l2": 1e-4}


def trained(name: str, model: dict[str, Any], **params: Any) -> Trainer:
    trainer = make_trainer(name, OLD, model, **params)
    trainer.train(make_rows(200, 1), make_rows(100, 2))
    return trainer


def scrambled(trainer: Trainer) -> Trainer:
    """With random weights, as no training leaves them: no two rows are alike."""
    rng = np.random.default_rng(1)
    for variable in learned_variables(trainer.model).values():
        if variable.trainable:
            variable.assign(rng.normal(scale=0.3, size=variable.shape))
    return trainer


def values(trainer: Trainer) -> dict[str, Any]:
    return {n: v.numpy() for n, v in learned_variables(trainer.model).items()}


def slot_values(trainer: Trainer) -> dict[tuple[str, str], Any]:
    found = slots(trainer._optimizer, trainer.model.trainable_variables)
    return {(s.of, s.kind): s.variable.numpy() for s in found}


def table_of(vocabularies: dict[str, list[str]], table: str) -> int:
    return SPEC.table_rows({n: len(v) for n, v in vocabularies.items()})[table]


def predict(trainer: Trainer, features: dict[str, Any]) -> Any:
    return trainer._score_model(
        {n: tf.constant(x) for n, x in features.items()}, training=False
    ).numpy()


def features_of(rows: int, seed: int) -> dict[str, Any]:
    return dict(next(iter(make_rows(rows, seed).batches(rows))).features)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "adam"},
        {"optimizer": "adam", "table_updates": "sparse"},
        {"optimizer": "adamw", "table_updates": "sparse"},
        {"optimizer": "adagrad", "table_updates": "sparse"},
        {"optimizer": "adagrad"},
        {"optimizer": "ftrl"},
    ],
    ids=lambda p: "-".join(p.values()),
)
def test_known_ids_keep_rows_and_optimizer_slots_bit_for_bit(
    tmp_path: pathlib.Path, params: dict[str, Any]
) -> None:
    parent = trained("deepfm", DEEP, **params)
    folder = keep(parent, tmp_path / "state", "deepfm", DEEP, **params)
    child = make_trainer(
        "deepfm", NEW, DEEP, start_of(folder, "deepfm", DEEP), **params
    )
    fresh = make_trainer("deepfm", NEW, DEEP, **params)
    before, after = values(parent), values(child)
    old_slots, new_slots = slot_values(parent), slot_values(child)
    untouched = slot_values(fresh)
    # Tables lie one after the other in one variable: user, item, shop, price.
    old_user, user = table_of(OLD, "user"), table_of(NEW, "user")
    old_item, item = table_of(OLD, "item"), table_of(NEW, "item")
    known = [
        (slice(0, 10), slice(0, 10)),
        (slice(10, old_user), slice(13, user)),  # rows of unknown values
        (slice(old_user, old_user + 15), slice(user, user + 15)),
        (slice(old_user + 15, None), slice(user + 17, None)),
    ]
    new = [slice(10, 13), slice(user + 15, user + 17)]
    grown = [n for n, v in before.items() if v.shape != after[n].shape]
    assert grown and all("embeddings" in n for n in grown)
    assert old_item + 2 == item
    for name, value in before.items():
        if name not in grown:
            np.testing.assert_array_equal(after[name], value)
            continue
        for old_rows, new_rows in known:
            np.testing.assert_array_equal(after[name][new_rows], value[old_rows])
    kept = 0
    assert {of for of, _ in old_slots} == {
        n for n, v in learned_variables(parent.model).items() if v.trainable
    }
    for key, value in old_slots.items():
        if key[0] not in grown:
            np.testing.assert_array_equal(new_slots[key], value)
            continue
        for old_rows, new_rows in known:
            np.testing.assert_array_equal(new_slots[key][new_rows], value[old_rows])
            kept += int(np.abs(value[old_rows]).sum() > 0)
        for rows in new:
            np.testing.assert_array_equal(new_slots[key][rows], untouched[key][rows])
    assert kept  # moments are not all zero
    steps = innermost(parent._optimizer).iterations.numpy()
    assert steps and innermost(child._optimizer).iterations.numpy() == steps


@pytest.mark.parametrize("name", ["deepfm", "din", "ffm", "eulernet", "dcnv3", "bst"])
def test_growing_changes_no_prediction_of_known_ids(
    tmp_path: pathlib.Path, name: str
) -> None:
    model = {"embedding_dim": 4}
    parent = scrambled(make_trainer(name, OLD, model))
    folder = keep(parent, tmp_path / "state", name, model)
    child = make_trainer(name, NEW, model, start_of(folder, name, model))
    features = features_of(64, 3)
    np.testing.assert_array_equal(predict(child, features), predict(parent, features))


def test_a_new_id_predicts_like_the_unknown_value_that_it_was(
    tmp_path: pathlib.Path,
) -> None:
    parent = scrambled(make_trainer("deepfm", OLD, DEEP))
    folder = keep(parent, tmp_path / "state", "deepfm", DEEP)
    child = make_trainer("deepfm", NEW, DEEP, start_of(folder, "deepfm", DEEP))
    buckets = tf.strings.to_hash_bucket_fast(NEW["user"][9:], 2).numpy()
    assert len(set(buckets)) == 2
    features = features_of(3, 4)
    unknown = features | {"user": 10 + buckets, "item": np.full(3, 15)}
    named = features | {"user": np.array([10, 11, 12]), "item": np.array([15, 16, 15])}
    np.testing.assert_array_equal(predict(child, named), predict(parent, unknown))


def test_fresh_ids_start_from_the_initialiser(tmp_path: pathlib.Path) -> None:
    parent = scrambled(make_trainer("deepfm", OLD, DEEP))
    folder = keep(parent, tmp_path / "state", "deepfm", DEEP)
    start = start_of(folder, "deepfm", DEEP, new_ids="fresh")
    child, fresh = (make_trainer("deepfm", NEW, DEEP, s) for s in (start, None))
    name = "embeddings/embeddings"
    rows = slice(10, 13)
    np.testing.assert_array_equal(values(child)[name][rows], values(fresh)[name][rows])
    np.testing.assert_array_equal(values(child)[name][:10], values(parent)[name][:10])


def test_ids_seen_seldom_share_a_row_until_they_are_seen_often(
    tmp_path: pathlib.Path,
) -> None:
    model = DEEP | {"min_frequency": 20}
    parent = trained("deepfm", model)
    folder = keep(parent, tmp_path / "state", "deepfm", model)
    child = make_trainer("deepfm", NEW, model, start_of(folder, "deepfm", model))
    features = features_of(64, 3)
    np.testing.assert_array_equal(predict(child, features), predict(parent, features))
    counts = "embeddings/frequency_filter/counts"
    assert values(child)[counts].sum() == values(parent)[counts].sum() > 0
    table = values(child)["embeddings/embeddings"]
    shared = table_of(NEW, "user")  # behind the user's rows
    for new in (10, 11, 12):
        assert values(child)[counts][new] == 0
        np.testing.assert_array_equal(table[new], table[shared])


def test_a_compressed_table_goes_on_as_long_as_it_does_not_grow(
    tmp_path: pathlib.Path,
) -> None:
    compression = {"kind": "quotient_remainder", "collisions": 2, "min_rows": 16}
    model = DEEP | {"compression": compression}
    parent = scrambled(make_trainer("deepfm", OLD, model))
    folder = keep(parent, tmp_path / "state", "deepfm", model)
    same = {**NEW, "item": OLD["item"]}
    child = make_trainer("deepfm", same, model, start_of(folder, "deepfm", model, same))
    features = features_of(64, 3)
    np.testing.assert_array_equal(predict(child, features), predict(parent, features))
    with pytest.raises(ConfigError, match="`item` has grown, and its table is compr"):
        make_trainer("deepfm", NEW, model, start_of(folder, "deepfm", model))


@pytest.mark.parametrize("updates", ["dense", "sparse"])
def test_without_new_ids_a_warm_start_is_the_parents_own_next_step(
    tmp_path: pathlib.Path, updates: str
) -> None:
    model = DEEP | {"dropout": 0.0}
    parent = trained("deepfm", model, table_updates=updates)
    folder = keep(parent, tmp_path / "state", "deepfm", model)
    start = start_of(folder, "deepfm", model, OLD)
    child = make_trainer("deepfm", OLD, model, start, table_updates=updates)
    for trainer in (parent, child):
        trainer._optimizer.learning_rate.assign(1e-3)
        for batch in make_rows(128, 7).batches(64):
            trainer._train_on_batch(1, batch)
    for name, value in values(parent).items():
        np.testing.assert_array_equal(values(child)[name], value)


def test_without_new_rows_nothing_changes(tmp_path: pathlib.Path) -> None:
    parent = trained("deepfm", DEEP)
    folder = keep(parent, tmp_path / "state", "deepfm", DEEP)
    child = make_trainer(
        "deepfm", OLD, DEEP, start_of(folder, "deepfm", DEEP, OLD), epochs=1
    )
    child.train(make_rows(0, 1), make_rows(100, 2))
    for name, value in values(parent).items():
        np.testing.assert_array_equal(values(child)[name], value)


def test_moments_follow_a_table_that_becomes_large_enough_for_sparse_updates(
    tmp_path: pathlib.Path,
) -> None:
    model = DEEP | {"l2": 0.0}  # a penalty touches all rows
    parent = trained("deepfm", model, table_updates="dense")
    folder = keep(parent, tmp_path / "state", "deepfm", model)
    start = start_of(folder, "deepfm", model, OLD)
    child = make_trainer("deepfm", OLD, model, start, table_updates="sparse")
    old, name = slot_values(parent), "embeddings/embeddings"
    state = slot_values(child)[name, "state"]
    np.testing.assert_array_equal(state[:, :4], old[name, "momentum"])
    np.testing.assert_array_equal(state[:, 4:8], old[name, "velocity"])
    touched = old[name, "velocity"].any(axis=1)
    steps = innermost(parent._optimizer).iterations.numpy()
    np.testing.assert_array_equal(state[:, 8], np.where(touched, steps, 0))
    assert touched.any() and not touched.all()


def test_another_optimizer_begins_anew(tmp_path: pathlib.Path) -> None:
    parent = trained("deepfm", DEEP)
    folder = keep(parent, tmp_path / "state", "deepfm", DEEP)
    start = start_of(folder, "deepfm", DEEP, OLD)
    child = make_trainer("deepfm", OLD, DEEP, start, optimizer="adagrad")
    assert not any(v.any() for v in slot_values(child).values())
    assert innermost(child._optimizer).iterations.numpy() == 0
    for name, value in values(parent).items():
        np.testing.assert_array_equal(values(child)[name], value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "fm"}, "is a `deepfm`, and the configuration names a `fm`"),
        (
            {"model": DEEP | {"hidden_units": [7]}},
            r"other parameters: `hidden_units` \(\[6\], now \[7\]\)",
        ),
        ({"vocabularies": {**NEW, "user": NEW["user"][::-1]}}, "`user` does not start"),
        ({"vocabularies": {**NEW, "item": ["item 0"]}}, "with the 14 values"),
    ],
    ids=["model", "params", "order", "lost values"],
)
def test_another_parent_is_refused(
    tmp_path: pathlib.Path, changed: dict[str, Any], message: str
) -> None:
    parent = make_trainer("deepfm", OLD, DEEP)
    folder = keep(parent, tmp_path / "state", "deepfm", DEEP)
    given: dict[str, Any] = {"name": "deepfm", "model": DEEP} | changed
    if given["name"] == "fm":
        given["model"] = {}
    with pytest.raises(ConfigError, match=message) as error:
        start_of(folder, **given)
    assert error.value.where == str(folder)
    assert "incremental.warm_start: false" in error.value.fix


def test_a_parent_of_another_schema_is_refused(tmp_path: pathlib.Path) -> None:
    folder = keep(make_trainer("fm", OLD), tmp_path / "state", "fm")
    content = SPEC.model_dump(mode="json")
    # What says nothing of the weights' meaning may change.
    content["features"]["user"]["vocabulary"]["max_size"] = 7
    content["features"]["user"]["description"] = "who"
    content["slices"] = [["user"]]
    start_of(folder, "fm", spec=FeatureSpec.model_validate(content, strict=False))
    content["features"]["shop"]["vocabulary"]["buckets"] = 7
    with pytest.raises(ConfigError, match="another feature spec than `spans`"):
        start_of(folder, "fm", spec=FeatureSpec.model_validate(content, strict=False))


def test_all_tables_of_a_model_grow_with_the_vocabularies() -> None:
    for name in ("deepfm", "din", "ffm"):
        old, new = (make_trainer(name, v, {"embedding_dim": 4}) for v in (OLD, NEW))
        assert len(inputs_of(OLD)) == len(inputs_of(NEW))
        shapes = [
            [v.shape[0] for v in learned_variables(t.model).values()]
            for t in (old, new)
        ]
        assert {b - a for a, b in zip(*shapes, strict=True)} == {0, 5}, name
