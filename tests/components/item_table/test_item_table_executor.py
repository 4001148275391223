"""The component's executor, on what Transform wrote."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow_transform as tft
from item_tables import write_items
from tfx import types
from tfx.types import standard_artifacts
from transformed_shop import SPEC, make_rows, transform

from clickwright.components.item_table.artifacts import ItemTable as Artifact
from clickwright.components.item_table.component import ItemTableGen
from clickwright.components.item_table.executor import Executor
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.item_table import ItemTable, vocabulary_digest
from clickwright.schemas.spec import FeatureSpec


def spec_with(features: dict[str, Any]) -> FeatureSpec:
    content = SPEC.model_dump(mode="json")
    content["features"] |= {
        name: {"role": "item", **feature} for name, feature in features.items()
    }
    return FeatureSpec.model_validate_json(json.dumps(content))


FEATURES: dict[str, Any] = {
    "look": {"kind": "embedding", "of": "item", "width": 2, "storage": "int8"},
    "label": {"kind": "attribute", "of": "item"},
    "light": {"kind": "embedding", "of": "hour", "width": 1},
}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("transform")
    return transform(folder, make_rows(200, 0), make_rows(50, 1)).graph


def run(
    spec: FeatureSpec, graph: pathlib.Path, items: dict[str, pathlib.Path], out: Any
) -> dict[str, Any]:
    """Runs the executor as the component would; returns the hyperparameters."""
    transform_graph = standard_artifacts.TransformGraph()
    transform_graph.uri = str(graph)
    outputs = {
        "item_table": Artifact(),
        "hyperparameters": standard_artifacts.HyperParameters(),
    }
    for key, artifact in outputs.items():
        artifact.uri = str(out / key)
        (out / key).mkdir(parents=True)
    component = ItemTableGen(
        types.Channel(type=standard_artifacts.TransformGraph),
        spec,
        items,
        dict.fromkeys(items, "1"),
    )
    Executor().Do(
        {"transform_graph": [transform_graph]},
        {key: [artifact] for key, artifact in outputs.items()},
        component.exec_properties,
    )
    (file,) = (out / "hyperparameters").iterdir()
    return dict(json.loads(file.read_text()))


def test_each_entity_has_a_table_in_the_order_of_its_vocabulary(
    graph: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    items = write_items(
        tmp_path / "items.parquet",
        item=[f"item {n}" for n in range(30)],
        look=[[float(n), 1.0] for n in range(30)],
        label=[f"label {n % 3}" for n in range(30)],
    )
    hours = write_items(
        tmp_path / "hours.parquet",
        hour=list(range(24)),
        light=[[float(n)] for n in range(24)],
    )
    spec = spec_with(FEATURES)

    given = run(spec, graph, {"item": items, "hour": hours}, tmp_path / "out")

    folders = {e: pathlib.Path(f) for e, f in given["item_tables"].items()}
    assert folders == {
        "item": tmp_path / "out" / "item_table" / "item",
        "hour": tmp_path / "out" / "item_table" / "hour",
    }
    vocabulary = tft.TFTransformOutput(str(graph)).vocabulary_by_name("item")
    table = ItemTable.read(folders["item"])
    digest = vocabulary_digest(v.decode() for v in vocabulary)
    assert (table.entity, table.vocabulary_digest) == ("item", digest)
    sizes = {"user": 1, "item": len(vocabulary), "tags": 1, "label": 3}
    assert table.rows == spec.table_rows(sizes)["item"]
    scales = table.scales(folders["item"], "look")
    assert scales is not None
    look = table.array(folders["item"], "look") * scales[:, None]
    expected = [int(v.decode().split()[1]) for v in vocabulary]
    np.testing.assert_allclose(look[1:-1, 0], expected, rtol=0.01)
    assert (table.known, table.unknown) == (20, 10)

    light = ItemTable.read(folders["hour"]).array(folders["hour"], "light")
    assert light[:, 0].tolist() == [0, *range(24), 0]


def test_an_entity_without_item_data_is_named(
    graph: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConfigError, match="no item data of `item`") as error:
        run(spec_with(FEATURES), graph, {}, tmp_path / "out")
    assert "`data.items.item`" in error.value.fix


def test_hashed_entities_are_refused_here_too(
    graph: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    spec = spec_with({"look": {"kind": "embedding", "of": "shop", "width": 2}})
    with pytest.raises(ConfigError, match="vocabulary is hashed"):
        run(spec, graph, {"shop": tmp_path}, tmp_path / "out")
