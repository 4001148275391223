"""The evaluator of retrieval models: what decides, what is written, what is refused."""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest
import tensorflow as tf
from tfx import types
from tfx.components.util import model_utils
from tfx.types import artifact_utils, channel_utils, standard_artifacts

from clickwright.components.evaluation.found_items import FoundItems
from clickwright.components.evaluation.result import read_evaluation
from clickwright.components.evaluation.retrieval_component import RetrievalEvaluator
from clickwright.components.evaluation.retrieval_executor import RetrievalExecutor
from clickwright.components.evaluation.retrieval_thresholds import RetrievalThresholds
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.spec import FeatureSpec

SPEC = FeatureSpec.model_validate(
    {
        "name": "tiny",
        "split": {"kind": "given"},
        "labels": {"taken": {"always": True}},
        "group_key": "user",
        "features": {
            "item": {
                "kind": "categorical",
                "role": "item",
                "dtype": "int64",
                "vocabulary": {"kind": "identity", "size": 50},
            }
        },
    }
)
ROWS = {
    "valid": [(1, 0), (2, 1)],
    # User 1 wants two items; 7 is given to all first, then 0, 1, 2 ...
    "test": [(1, 7), (1, 2), (2, 0), (3, 40)],
}


def model(folder: pathlib.Path, first: int) -> types.Artifact:
    """Gives `first`, then 0, 1, 2 ..., ten items to everybody; two of them tie."""
    module = tf.Module()

    def find(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.shape(examples)[0]
        items = tf.constant([[first, *range(9)]], tf.int64)
        scores = tf.constant([[9.0, 8, 7, 7, 5, 4, 3, 2, 1, -math.inf]])
        return {
            "items": tf.tile(items, [rows, 1]),
            "scores": tf.tile(scores, [rows, 1]),
        }

    module.f = tf.function(find, [tf.TensorSpec([None], tf.string, name="examples")])
    path = folder / "Format-Serving"
    tf.saved_model.save(module, str(path), {"serving_default": module.f})
    artifact = standard_artifacts.Model()
    artifact.uri = str(folder)
    return artifact


def examples(folder: pathlib.Path) -> types.Artifact:
    for split, rows in ROWS.items():
        path = folder / f"Split-{split}"
        path.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path / "data_tfrecord-00000-of-00001")) as file:
            for user, item in rows:
                example = tf.train.Example()
                for name, value in (("user", user), ("item", item), ("taken", 1)):
                    example.features.feature[name].int64_list.value.append(value)
                file.write(example.SerializeToString())
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(sorted(ROWS))
    return artifact


def evaluate(
    tmp_path: pathlib.Path, thresholds: Mapping[str, Any], baseline: int | None = None
) -> tuple[types.Artifact, types.Artifact]:
    inputs = {
        "examples": [examples(tmp_path / "examples")],
        "model": [model(tmp_path / "model", 7)],
        "baseline_model": []
        if baseline is None
        else [model(tmp_path / "baseline", baseline)],
    }
    component = RetrievalEvaluator(
        channel_utils.as_channel(inputs["examples"]),
        channel_utils.as_channel(inputs["model"]),
        feature_spec=SPEC,
        thresholds=strict_yaml.parse(RetrievalThresholds, dict(thresholds), "rules"),
    )
    evaluation = standard_artifacts.ModelEvaluation()
    blessing = standard_artifacts.ModelBlessing()
    for artifact, name in ((evaluation, "evaluation"), (blessing, "blessing")):
        artifact.uri = str(tmp_path / name)
        pathlib.Path(artifact.uri).mkdir()
    outputs = {"evaluation": [evaluation], "blessing": [blessing]}
    RetrievalExecutor().Do(inputs, outputs, component.exec_properties)
    return evaluation, blessing


def test_each_request_is_ranked_and_good_models_are_blessed(
    tmp_path: pathlib.Path,
) -> None:
    evaluation, blessing = evaluate(
        tmp_path, {"hr@10": {"min": 0.6}, "recall@1": {"max": 1.0}}
    )
    result = read_evaluation(evaluation.uri)
    test = result.splits["test"].overall
    # Ranks: user 1 has 1 and 4, 2 being tied with 1; user 2 has 2; user 3 has none.
    assert test["recall@1"] == pytest.approx((0.5 + 0 + 0) / 3)
    assert test["hr@10"] == pytest.approx(2 / 3)
    assert test["mrr@10"] == pytest.approx((1 + 0.5 + 0) / 3)
    gains = (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert test["ndcg@10"] == pytest.approx((gains + 1 / math.log2(3)) / 3)
    assert (test["rows"], test["queries"]) == (4, 3)
    assert "auc" not in test
    assert result.splits["valid"].overall["hr@5"] == 1.0
    assert result.blessed and model_utils.is_model_blessed(blessing)


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [
        ({}, "no threshold is configured"),
        ({"hr@10": {"min": 0.7}}, "test hr@10 0.666667 is below the floor 0.7"),
        ({"hr@10": {"max": 0.5}}, "test hr@10 0.666667 is above the limit 0.5"),
        (
            {"mrr@10": {"max_drop": 0.01}},
            "test mrr@10 lies 0.0833333 below that of the blessed model; 0.01 is allowed",
        ),
    ],
)
def test_broken_rules_are_told_and_nothing_is_blessed(
    tmp_path: pathlib.Path, thresholds: dict[str, Any], said: str
) -> None:
    # The blessed one gives 40 first, which user 3 wants; user 1 finds 2 at rank 4:
    # (1 / 4 + 1 / 2 + 1) / 3 against (1 + 1 / 2 + 0) / 3.
    evaluation, blessing = evaluate(tmp_path, thresholds, baseline=40)
    result = read_evaluation(evaluation.uri)
    assert [f for f in result.failures if said in f], result.failures
    assert not result.blessed and not model_utils.is_model_blessed(blessing)


@pytest.mark.parametrize("name", ["auc", "ndcg", "hr@0", "hr@101", "precision@5"])
def test_rules_for_other_metrics_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="rules are for hr, ndcg, mrr, recall"):
        strict_yaml.parse(RetrievalThresholds, {name: {"min": 0.1}}, "rules")


def test_an_unknown_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_rise"):
        strict_yaml.parse(RetrievalThresholds, {"hr@5": {"max_rise": 0.1}}, "rules")


def test_a_model_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DataError, match="cannot be loaded"):
        FoundItems(str(tmp_path / "nowhere"))
