"""The exported model on rows without histories and on items without vectors."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import history_shop as shop
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, channel_utils, standard_artifacts
from transformed_shop import Row, Transformed, encode, transform

from clickwright.components.evaluation.ablations import (
    NO_HISTORY,
    NO_MULTIMODAL,
    ablations,
)
from clickwright.components.evaluation.component import ModelEvaluator
from clickwright.components.evaluation.executor import Executor
from clickwright.components.evaluation.metrics.gauc import GAUC
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows
from clickwright.components.evaluation.result import EvaluationResult, read_evaluation
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

ROWS = shop.make_rows(400, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The exported model, one of the same weights without vectors, and examples."""
    folder = tmp_path_factory.mktemp("ablations")
    train = shop.make_rows(500, seed=1)
    transformed: Transformed = transform(
        folder, train, train[:100], shop.SPEC, shop.PLAN
    )
    vectors = shop.random_vectors(transformed)
    for name, filled in (("model", vectors), ("without", np.zeros_like(vectors))):
        model = shop.build(transformed, filled)
        shop.write(model, transformed, folder / name / "Format-Serving")
    for split in ("valid", "test"):
        path = folder / "examples" / f"Split-{split}" / "data-00000-of-00001.gz"
        path.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for row in ROWS:
                writer.write(encode(row, spec=shop.SPEC))
    return folder


@pytest.fixture(scope="module")
def files(folder: pathlib.Path) -> list[str]:
    return [str(path) for path in (folder / "examples" / "Split-test").iterdir()]


def served(folder: pathlib.Path, model: str, rows: Sequence[Row]) -> dict[str, float]:
    """Metrics of a model on requests, by other means."""
    loaded = tf.saved_model.load(str(folder / model / "Format-Serving"))
    score = loaded.signatures["serving_default"](examples=shop.requests(rows))
    scores = score["probability"].numpy()
    label, weight, user = (
        np.array([row[name] for row in rows])
        for name in ("click", "importance", "user")
    )
    grouped = ScoredRows.sort(label, scores, weight, user)
    return {
        "auc": sklearn.metrics.roc_auc_score(label, scores, sample_weight=weight),
        "logloss": sklearn.metrics.log_loss(
            label, scores.astype(np.float64), sample_weight=weight
        ),
        "gauc": GAUC("user").values(grouped)[0],
    }


def test_the_model_is_scored_with_empty_histories_and_with_zero_vectors(
    folder: pathlib.Path, files: list[str]
) -> None:
    nothing: Any = {"history": [], "history_shop": [], "history_times": []}

    found = ablations(str(folder / "model" / "Format-Serving"), files, shop.SPEC, 400)

    emptied = served(folder, "model", [{**row, **nothing} for row in ROWS])
    zeroed = served(folder, "without", ROWS)
    assert found[NO_HISTORY] == pytest.approx(emptied, abs=1e-6)
    assert found[NO_MULTIMODAL] == pytest.approx(zeroed, abs=1e-6)
    whole = served(folder, "model", ROWS)
    for metrics in found.values():  # either takes something away
        assert abs(metrics["logloss"] - whole["logloss"]) > 1e-3


def changed_spec(*dropped: str, **changes: Any) -> FeatureSpec:
    content = shop.SPEC.model_dump(mode="json") | changes
    for name in dropped:
        del content["features"][name]
    return FeatureSpec.model_validate_json(json.dumps(content))


@pytest.mark.parametrize(
    ("dropped", "names"),
    [
        (("history", "recent"), [NO_MULTIMODAL]),
        (("picture",), [NO_HISTORY]),
        (("history", "recent", "picture"), []),
    ],
)
def test_what_the_spec_lacks_is_not_taken_away(
    folder: pathlib.Path, files: list[str], dropped: tuple[str, ...], names: list[str]
) -> None:
    path = str(folder / "model" / "Format-Serving")

    assert list(ablations(path, files, changed_spec(*dropped))) == names


def test_without_group_key_and_weight_every_row_counts_alike(
    folder: pathlib.Path, files: list[str]
) -> None:
    spec = changed_spec(group_key=None, weight=None)

    found = ablations(str(folder / "model" / "Format-Serving"), files, spec)

    equal = [{**row, "importance": 1.0} for row in ROWS]
    expected = served(folder, "without", equal)
    del expected["gauc"]
    assert found[NO_MULTIMODAL] == pytest.approx(expected, abs=1e-6)


def test_a_broken_row_names_its_file(folder: pathlib.Path, files: list[str]) -> None:
    spec = changed_spec(
        labels={"user": {}},
        features={
            "history": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
            },
            "item": {"kind": "categorical", "role": "item"},
        },
        group_key=None,
    )

    with pytest.raises(DataError, match="`user` must be 0 or 1") as caught:
        ablations(str(folder / "model" / "Format-Serving"), files, spec)

    assert caught.value.where == files[0]


def evaluated(folder: pathlib.Path, out: pathlib.Path, asked: int) -> EvaluationResult:
    """Runs the executor as TFX does."""
    examples, model = standard_artifacts.Examples(), standard_artifacts.Model()
    examples.uri, model.uri = str(folder / "examples"), str(folder / "model")
    examples.split_names = artifact_utils.encode_split_names(["valid", "test"])
    evaluation = standard_artifacts.ModelEvaluation()
    blessing = standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(out / "evaluation"), str(out / "blessing")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"],
        tmp_dir=str(out / "tmp"),
        unique_id="1",
    )
    Executor(context).Do(
        {"examples": [examples], "model": [model]},
        {"evaluation": [evaluation], "blessing": [blessing]},
        {
            "feature_spec": shop.SPEC.model_dump_json(),
            "thresholds": "{}",
            "ablations": asked,
        },
    )
    return read_evaluation(evaluation.uri)


def test_the_evaluation_keeps_them_where_they_are_asked_for(
    folder: pathlib.Path, files: list[str], tmp_path: pathlib.Path
) -> None:
    result = evaluated(folder, tmp_path / "asked", 1)

    path = str(folder / "model" / "Format-Serving")
    assert result.ablations == ablations(path, files, shop.SPEC)
    assert result.splits["test"].overall["auc"] == pytest.approx(
        served(folder, "model", ROWS)["auc"], abs=1e-6
    )  # the model itself is scored whole
    assert evaluated(folder, tmp_path / "not", 0).ablations == {}


def test_the_component_is_told_of_them() -> None:
    def channel(kind: type[types.Artifact]) -> types.BaseChannel:
        return channel_utils.as_channel([kind()])

    evaluators = [
        ModelEvaluator(
            channel(standard_artifacts.Examples),
            channel(standard_artifacts.Model),
            feature_spec=shop.SPEC,
            thresholds=Thresholds(),
            ablations=asked,
        )
        for asked in (True, False)
    ]

    assert [e.exec_properties["ablations"] for e in evaluators] == [1, 0]
