"""The Trainer component's function on what Transform wrote."""

import json
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from request_files import replay, warmed_up
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.utils import import_utils
from transformed_shop import PLAN, SPEC, Transformed, encode, make_rows

from clickwright.models.freeze_report import FreezeReport
from clickwright.models.metrics.auc import area_under_roc
from clickwright.models.metrics.log_loss import log_loss
from clickwright.models.training import run, run_click
from clickwright.models.training.numeric_fields import read_numeric_fields
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.serving_files import (
    GOLDEN_PATH,
    GOLDEN_ROWS_FILE,
    WARMUP_PATH,
)


def make_args(
    transformed: Transformed, folder: pathlib.Path, number: int = 1, **training: Any
) -> FnArgs:
    return FnArgs(
        train_files=[str(transformed.train / "*")],
        eval_files=[str(transformed.valid / "*")],
        transform_graph_path=str(transformed.graph),
        serving_model_dir=str(folder / f"model-{number}" / "Format-Serving"),
        model_run_dir=str(folder / f"run-{number}"),
        custom_config={
            "spec": SPEC.model_dump_json(),
            "model": {"name": "logistic_regression", "params": {}},
            "training": {"epochs": 3, "batch_size": 128, **training},
            "checkpoint_dir": str(folder / "checkpoints"),
        },
    )


def logged(args: FnArgs) -> list[dict[str, Any]]:
    log = pathlib.Path(args.model_run_dir) / "training_log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_training_leaves_a_model_a_log_and_no_checkpoint(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = make_args(transformed, tmp_path, learning_rate=0.05)
    for _ in range(2):  # TFX reloads the module from the second time on
        run_fn = import_utils.import_func_from_module(
            "clickwright.models.training.run", "run_fn"
        )
    run_fn(args)
    aucs = [line["valid_auc"] for line in logged(args)]
    assert len(aucs) == 3 and max(aucs) > 0.6
    assert list((tmp_path / "checkpoints").iterdir()) == []

    score = tf.saved_model.load(args.serving_model_dir).signatures["serving_default"]
    valid = [row for row in make_rows(600, seed=2) if row["click"] is not None]
    examples = tf.constant([encode(row) for row in valid])
    auc = area_under_roc(
        [row["click"] for row in valid],
        np.asarray(score(examples=examples)["probability"]),
        [row["importance"] for row in valid],
    )
    assert auc == pytest.approx(max(aucs), abs=1e-4)


def test_a_model_of_the_zoo_leaves_behind_what_training_alone_needs(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = make_args(transformed, tmp_path, epochs=1)
    args.custom_config["model"] = {
        "name": "qnn_alpha",
        "params": {"embedding_dim": 4, "rows": 2},
    }
    run.run_fn(args)
    loss = logged(args)[0]["loss"]
    assert loss > 1.5  # about three cross-entropies; one is about .69
    signatures = tf.saved_model.load(args.serving_model_dir).signatures
    for name in ("serving_default", "predict_raw"):
        assert list(signatures[name].structured_outputs) == ["probability"]


def encoders(folder: str) -> dict[str, str]:
    """The encoder of each numeric field, as the run left it."""
    layer = read_numeric_fields(pathlib.Path(folder))
    assert layer is not None
    return {i.name: i.numeric.kind for i in layer.inputs if i.numeric}


def deep_args(transformed: Transformed, folder: pathlib.Path) -> FnArgs:
    args = make_args(transformed, folder, epochs=1)
    params = {"embedding_dim": 4, "hidden_units": [4]}
    args.custom_config["model"] = {"name": "deepfm", "params": params}
    return args


def test_encoders_are_those_of_the_plan_beside_the_transform_graph(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = deep_args(transformed, tmp_path)
    run.run_fn(args)
    assert encoders(args.model_run_dir) == {"price": "autodis", "age": "buckets"}
    signatures = tf.saved_model.load(args.serving_model_dir).signatures
    assert set(signatures) >= {"serving_default", "predict_raw", "numeric_health"}


def test_a_plan_among_the_hyperparameters_comes_first(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    plan = PLAN.model_dump(mode="json")
    plan["fields"]["price"]["encoding"] = {"kind": "mlp", "hidden_units": 3}
    args = deep_args(transformed, tmp_path)
    args.hyperparameters = json.loads(json.dumps({"discretization_plan": plan}))
    run.run_fn(args)
    assert encoders(args.model_run_dir) == {"price": "mlp", "age": "buckets"}


def test_a_plan_of_another_spec_is_refused(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = make_args(transformed, tmp_path)
    plan = PLAN.model_dump(mode="json") | {"spec_name": "other", "spec_digest": "0"}
    args.hyperparameters = {"discretization_plan": plan}
    with pytest.raises(ConfigError, match="of `other`, price, age") as error:
        run.run_fn(args)
    assert error.value.where == "discretization plan"


def test_frozen_encoders_score_as_the_trained_ones_within_the_error(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    exact, frozen = (deep_args(transformed, tmp_path / name) for name in "ab")
    frozen.custom_config["export"] = {"freeze_numeric": {"max_error": 1e-4}}
    for args in (exact, frozen):
        run.run_fn(args)
    rows = tf.constant([encode(row) for row in make_rows(200, seed=4)])
    a, b = (
        np.asarray(
            tf.saved_model.load(args.serving_model_dir).signatures["serving_default"](
                examples=rows
            )["probability"]
        )
        for args in (exact, frozen)
    )
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-3)
    report = FreezeReport.read(pathlib.Path(frozen.model_run_dir))
    assert [name.rpartition("/")[2] for name in report.fields] == ["price"]


def test_a_killed_run_goes_on_from_its_last_epoch(
    transformed: Transformed, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_until_killed(args: FnArgs) -> None:
        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(run_click, "export", killed)
            with pytest.raises(KeyboardInterrupt):
                run.run_fn(args)

    first = make_args(transformed, tmp_path, 1)
    run_until_killed(first)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1
    other = make_args(transformed, tmp_path, 2, seed=1)
    run_until_killed(other)  # another training: it keeps a state of its own
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    again = make_args(transformed, tmp_path, 3)
    run.run_fn(again)
    # Equal to the clock: nothing was trained again.
    assert logged(again) == logged(first) != logged(other)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_sampled_negatives_are_corrected_in_the_log_and_in_the_export(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = make_args(
        transformed,
        tmp_path,
        learning_rate=0.05,
        negative_sampling_rate=0.2,
        cache="disk",
    )
    run.run_fn(args)
    assert list((tmp_path / "checkpoints").iterdir()) == []  # the rows went as well
    best = max(logged(args), key=lambda line: line["valid_auc"])
    score = tf.saved_model.load(args.serving_model_dir).signatures["serving_default"]
    rows = [row for row in make_rows(600, seed=2) if row["click"] is not None]
    examples = tf.constant([encode(row) for row in rows])
    p = np.asarray(score(examples=examples)["probability"], np.float64)
    labels = [row["click"] for row in rows]
    weights = [row["importance"] for row in rows]
    assert log_loss(labels, p, weights) == pytest.approx(
        best["valid_logloss"], abs=1e-4
    )
    # As learned from one negative in five, the mean would lie far above.
    learned = p / (p + 0.2 * (1.0 - p))
    assert learned.mean() > p.mean() + 0.2


def test_a_batch_larger_than_the_split_is_refused(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = make_args(transformed, tmp_path, batch_size=1_000_000)
    with pytest.raises(ConfigError, match="1000000 rows is larger .* 1200 r") as error:
        run.run_fn(args)
    assert error.value.where == "training.batch_size"
    assert "1200" in error.value.fix


def test_several_seeds_export_the_best_and_say_how_far_they_lie_apart(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    args = make_args(
        transformed, tmp_path, seeds=2, epochs=2, strategy="mirrored", device="cpu"
    )
    run.run_fn(args)
    assert list((tmp_path / "checkpoints").iterdir()) == []
    folder = pathlib.Path(args.model_run_dir)
    summary = json.loads((folder / "training_summary.json").read_text())
    aucs = {seed["seed"]: seed["metrics"]["valid_auc"] for seed in summary["seeds"]}
    assert sorted(aucs) == [0, 1]
    best = summary["exported_seed"]
    assert aucs[best] == max(aucs.values())
    assert summary["mean"]["valid_auc"] == pytest.approx(np.mean(list(aucs.values())))
    assert logged(args) == summary["seeds"][best]["records"]

    score = tf.saved_model.load(args.serving_model_dir).signatures["serving_default"]
    rows = [row for row in make_rows(600, seed=2) if row["click"] is not None]
    examples = tf.constant([encode(row) for row in rows])
    auc = area_under_roc(
        [row["click"] for row in rows],
        np.asarray(score(examples=examples)["probability"]),
        [row["importance"] for row in rows],
    )
    assert auc == pytest.approx(aucs[best], abs=1e-4)


def test_where_and_how_often_a_state_is_kept_makes_no_other_training(
    transformed: Transformed, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    for options in ({"tensorboard": "off"}, {"device": "cpu", "checkpoint_steps": 2}):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(run_click, "export", killed)
            run.run_fn(make_args(transformed, tmp_path, epochs=1, **options))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"learning_rat": 0.1}, "learning_rat"),
        ({"precision": "half"}, "precision"),
        ({"seeds": 0}, "seeds"),
        ({"jit_compile": True, "strategy": "mirrored"}, "does not go with"),
        ({"device": "gpu"}, "asks for a GPU"),
    ],
)
def test_training_parameters_are_checked_before_any_row_is_read(
    transformed: Transformed,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    training: dict[str, Any],
    said: str,
) -> None:
    if training.get("device") and tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    monkeypatch.setattr(run_click, "read_examples", None)
    with pytest.raises(ConfigError, match=said):
        run.run_fn(make_args(transformed, tmp_path, **training))


def test_requests_are_written_where_transform_kept_rows(
    transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    graph = tmp_path / "graph"
    shutil.copytree(transformed.graph, graph)
    args = make_args(transformed, tmp_path, epochs=1)
    args.transform_graph_path = str(graph)
    args.custom_config["export"] = {"golden_rows": 7, "batch_sizes": [1, 4]}
    model = pathlib.Path(args.serving_model_dir)
    run.run_fn(args)
    assert not (model / GOLDEN_PATH).exists() and not (model / WARMUP_PATH).exists()
    with tf.io.TFRecordWriter(str(graph / GOLDEN_ROWS_FILE), "GZIP") as writer:
        for row in make_rows(20, seed=5):
            writer.write(encode(row))
    shutil.rmtree(model)
    run.run_fn(args)
    found = replay(model)
    assert set(found) == {
        (name, n)
        for name in ("serving_default", "predict_raw", "rank")
        for n in (1, 4, 7)
    }
    assert max(found.values()) < 1e-6
    assert {n for _, n in warmed_up(model)} == {1, 4}
