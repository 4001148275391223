import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from sequence_shop import FEATURES, INPUTS, ITEMS, LABELS, TABLES

from clickwright.models import registry
from clickwright.models.item_tables import fill_item_tables, frozen_variables
from clickwright.models.layers.item_vectors import VECTORS
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.item_table import (
    AttributeColumn,
    ItemTable,
    VectorColumn,
    vocabulary_digest,
)

DIGEST = vocabulary_digest(["a", "b"])


def written(
    folder: pathlib.Path,
    entity: str,
    arrays: dict[str, Any],
    scales: dict[str, Any] | None = None,
    rows: int | None = None,
) -> pathlib.Path:
    """An item table as the component leaves it."""
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    for name, array in (scales or {}).items():
        np.save(folder / f"{name}.scale.npy", array)
    ids = {name: a for name, a in arrays.items() if a.dtype == np.int32}
    ItemTable(
        entity=entity,
        vocabulary_digest=DIGEST,
        rows=rows or len(next(iter(arrays.values()))),
        known=2,
        absent=0,
        unknown=0,
        vectors={
            name: VectorColumn(width=a.shape[1], storage=str(a.dtype), missing=0)  # type: ignore[arg-type]
            for name, a in arrays.items()
            if name not in ids
        },
        attributes={
            name: AttributeColumn(length=a.shape[1], values=5, missing=0)
            for name, a in ids.items()
        },
    ).write(folder)
    return folder


@pytest.fixture
def folders(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    own = {name: TABLES[name] for name in ("tags", "photo")}
    return {
        "item": written(tmp_path / "item", "item", own),
        "shop": written(tmp_path / "shop", "shop", {"logo": TABLES["logo"]}),
    }


def built(**photo: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = [
        i if i.name != "photo" else type(i)(**{**i.to_dict(), **photo}) for i in INPUTS
    ]
    return registry.build("deepfm", inputs, {"embedding_dim": 3, "hidden_units": [4]})


def test_tables_fill_the_layers_of_their_features(
    folders: dict[str, pathlib.Path],
) -> None:
    model = built()
    fill_item_tables(model, folders, {"item": DIGEST})
    for name, table in TABLES.items():
        np.testing.assert_array_equal(
            model.get_layer(name)(np.arange(len(table))), table
        )
    assert {v.path for v in frozen_variables(model)} == {
        *("tags/attributes", f"photo/{VECTORS}", f"logo/{VECTORS}"),
    }
    assert not {id(v) for v in frozen_variables(model)} & {
        id(v) for v in model.trainable_variables
    }


def test_an_int8_table_brings_its_scales(
    tmp_path: pathlib.Path, folders: dict[str, pathlib.Path]
) -> None:
    integers = np.arange(ITEMS * 5).reshape(ITEMS, 5).astype(np.int8)
    integers[0] = 0
    scales = np.linspace(0.0, 1.0, ITEMS, dtype=np.float32)
    folders["item"] = written(
        tmp_path / "int8",
        "item",
        {"photo": integers, "tags": TABLES["tags"]},
        {"photo": scales},
    )
    model = built(storage="int8")
    fill_item_tables(model, folders)
    np.testing.assert_array_equal(
        model.get_layer("photo")(np.arange(ITEMS)), integers * scales[:, None]
    )
    assert "photo/scales" in {v.path for v in frozen_variables(model)}


def test_a_table_of_another_vocabulary_is_refused(
    folders: dict[str, pathlib.Path],
) -> None:
    with pytest.raises(
        ConfigError, match="another vocabulary of `item`.*run Transform"
    ):
        fill_item_tables(built(), folders, {"item": vocabulary_digest(["b", "a"])})


def test_a_table_of_another_entity_is_refused(
    folders: dict[str, pathlib.Path],
) -> None:
    with pytest.raises(ConfigError, match="is of `shop`, where one of `item`"):
        fill_item_tables(built(), {"item": folders["shop"]})


def test_a_feature_that_no_table_holds_is_named(
    folders: dict[str, pathlib.Path],
) -> None:
    with pytest.raises(ConfigError, match="vectors `logo`.*tables of: item"):
        fill_item_tables(built(), {"item": folders["item"]})


@pytest.mark.parametrize(
    ("photo", "tags", "message"),
    [
        (np.zeros((ITEMS + 1, 5), np.float32), None, "the rows 10, and .* for 9"),
        (np.zeros((ITEMS, 4), np.float32), None, "the width 4, and .* for 5"),
        (np.zeros((ITEMS, 5), np.float16), None, "storage float16, .* for float32"),
        (None, np.zeros((ITEMS, 2), np.int32), "the length 2, and .* for 3"),
    ],
)
def test_a_table_of_another_shape_is_refused(
    photo: Any,
    tags: Any,
    message: str,
    tmp_path: pathlib.Path,
    folders: dict[str, pathlib.Path],
) -> None:
    photo = TABLES["photo"] if photo is None else photo
    tags = np.zeros((len(photo), 3), np.int32) if tags is None else tags
    folders["item"] = written(
        tmp_path / "other", "item", {"photo": photo, "tags": tags}
    )
    with pytest.raises(ConfigError, match=message):
        fill_item_tables(built(), folders)


def test_a_file_that_is_gone_is_named(folders: dict[str, pathlib.Path]) -> None:
    (folders["item"] / "photo.npy").unlink()
    with pytest.raises(DataError, match="photo.npy"):
        fill_item_tables(built(), folders)


def test_training_neither_moves_nor_copies_nor_keeps_a_frozen_table(
    tmp_path: pathlib.Path, folders: dict[str, pathlib.Path]
) -> None:
    model = built()
    fill_item_tables(model, folders)
    examples = InMemoryExamples(FEATURES, LABELS)
    trainer = Trainer(model, TrainingParams(epochs=2, batch_size=4, learning_rate=0.05))
    kernel = np.array(model.get_layer("embeddings").kernels["photo"])
    trainer.train(examples, examples, Checkpoint(tmp_path / "state"))
    for name, table in TABLES.items():
        np.testing.assert_array_equal(
            model.get_layer(name)(np.arange(len(table))), table
        )
    assert np.abs(
        np.array(model.get_layer("embeddings").kernels["photo"]) - kernel
    ).max()

    state = Checkpoint(tmp_path / "state").load()
    assert state is not None
    frozen = {v.path for v in frozen_variables(model)}
    assert len(frozen) == 3
    assert frozen.isdisjoint(state.names)
    assert len(state.model) == len(state.best) == len(model.variables) - 3
    assert not [n for n in state.names if any(f in n for f in ("photo/", "logo/"))]


def test_a_resumed_training_ends_as_though_it_had_never_stopped(
    tmp_path: pathlib.Path, folders: dict[str, pathlib.Path]
) -> None:
    examples = InMemoryExamples(FEATURES, LABELS)

    def trained(folder: str, epochs: int) -> keras.Model:
        model = built()
        fill_item_tables(model, folders)
        params = TrainingParams(epochs=epochs, batch_size=4, learning_rate=0.05)
        Trainer(model, params).train(examples, examples, Checkpoint(tmp_path / folder))
        return model

    trained("twice", 1)
    twice, once = trained("twice", 3), trained("once", 3)
    for a, b in zip(twice.variables, once.variables, strict=True):
        np.testing.assert_array_equal(a, b)
