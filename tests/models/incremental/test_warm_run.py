"""A run that goes on from another one's model, on rows with new values."""

import json
import logging
import pathlib
from typing import Any

import numpy as np
import pytest
from tfx.components.trainer.fn_args_utils import FnArgs
from transformed_shop import PLAN, SPEC, Transformed, make_rows, transform

from clickwright.models.training import run
from clickwright.models.training.data_span import write_data_span
from clickwright.models.training.training_state import (
    VOCABULARIES_FILE,
    TrainingState,
    state_folder,
)
from clickwright.schemas.errors import ConfigError

MODEL = {"name": "deepfm", "params": {"embedding_dim": 4, "hidden_units": [4]}}


def make_args(
    rows: Transformed, folder: pathlib.Path, parent: FnArgs | None = None, **more: Any
) -> FnArgs:
    return FnArgs(
        train_files=[str(rows.train / "*")],
        eval_files=[str(rows.valid / "*")],
        transform_graph_path=str(rows.graph),
        serving_model_dir=str(folder / "Format-Serving"),
        model_run_dir=str(folder / "run"),
        base_model=parent and parent.serving_model_dir,
        custom_config={
            "spec": SPEC.model_dump_json(),
            "model": MODEL,
            "training": {"epochs": 3, "batch_size": 128},
            "checkpoint_dir": str(folder / "checkpoints"),
            **more,
        },
    )


@pytest.fixture(scope="module")
def parent(
    transformed: Transformed, tmp_path_factory: pytest.TempPathFactory
) -> FnArgs:
    args = make_args(transformed, tmp_path_factory.mktemp("parent"))
    run.run_fn(args)
    return args


@pytest.fixture(scope="module")
def next_rows(parent: FnArgs, tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Rows of the next span, among them five values more of each vocabulary."""
    folder = tmp_path_factory.mktemp("next")
    known = state_folder(parent.serving_model_dir) / VOCABULARIES_FILE
    rows = make_rows(700, seed=5, known=25)
    rows = [row for row in rows if row["user"] != 2]  # a value is not seen again
    done = transform(folder, rows[:500], rows[500:], known=known)
    write_data_span(done.graph, 2)
    return done


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What `child` says of its start."""
    return []


@pytest.fixture(scope="module")
def child(
    parent: FnArgs,
    next_rows: Transformed,
    told: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> FnArgs:
    args = make_args(next_rows, tmp_path_factory.mktemp("child"), parent)
    progress = logging.getLogger("clickwright.progress")

    def keep(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("started"):
            told.append(record.getMessage())
        return True

    level = progress.level
    progress.setLevel(logging.INFO)
    progress.addFilter(keep)
    try:
        run.run_fn(args)
    finally:
        progress.removeFilter(keep)
        progress.setLevel(level)
    return args


def state_of(args: FnArgs) -> TrainingState:
    return TrainingState.read(state_folder(args.serving_model_dir))


def test_vocabularies_are_appended_to(
    transformed: Transformed, next_rows: Transformed
) -> None:
    for name in ("user", "item", "tags"):
        old, new = (
            [v.decode() for v in t.output.vocabulary_by_name(name)]
            for t in (transformed, next_rows)
        )
        assert len(new) == len(old) + 5 == 25, name
        assert new[:20] == old, name
    assert b"2" in next_rows.output.vocabulary_by_name("user")


def test_the_child_tells_of_its_parent(parent: FnArgs, child: FnArgs) -> None:
    before, after = state_of(parent).manifest, state_of(child).manifest
    assert before.parent is None and before.span is None
    assert after.parent is not None and after.span == 2
    assert after.parent.state_sha256 == before.sha256
    assert after.started == {"user": 5, "item": 5, "tags": 5}
    assert after.vocabularies == {"user": 25, "item": 25, "tags": 25}
    assert after.steps == before.steps + 4  # one pass over 500 rows
    assert state_of(child).plan == PLAN


def test_one_pass_starts_from_the_parents_weights(
    parent: FnArgs, child: FnArgs
) -> None:
    before, after = state_of(parent), state_of(child)
    log = pathlib.Path(child.model_run_dir) / "training_log.jsonl"
    (epoch,) = map(json.loads, log.read_text().splitlines())
    assert epoch["learning_rate"] == pytest.approx(1e-4)  # a tenth of the parent's
    moved = [
        np.abs(after.variables[name] - value).max()
        for name, value in before.variables.items()
        if value.shape == after.variables[name].shape and name.endswith("kernel")
    ]
    # Four steps of Adam at that rate; a fresh start would be far away.
    assert moved and 0 < max(moved) < 0.001


def test_a_killed_warm_start_ends_as_though_it_had_never_stopped(
    parent: FnArgs,
    child: FnArgs,
    next_rows: Transformed,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from clickwright.models.training.trainer import Trainer

    args = make_args(next_rows, tmp_path, parent)
    args.custom_config["training"]["checkpoint_steps"] = 1
    step = Trainer._train_on_batch
    taken: list[Any] = []

    def killed(self: Trainer, epoch: int, batch: Any) -> int:
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(batch)
        return step(self, epoch, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_on_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            run.run_fn(args)
    run.run_fn(args)
    one, two = state_of(child), state_of(args)
    for name, value in one.variables.items():
        np.testing.assert_array_equal(two.variables[name], value)
    for a, b in zip(one.slots, two.slots, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_that_were_not_transformed_for_the_parent_are_refused(
    parent: FnArgs, transformed: Transformed, tmp_path: pathlib.Path
) -> None:
    rows = make_rows(300, seed=6, known=25)
    alone = transform(tmp_path / "alone", rows[:200], rows[200:])
    with pytest.raises(ConfigError, match="`user` does not start with the 20 values"):
        run.run_fn(make_args(alone, tmp_path, parent))
    other = PLAN.model_dump(mode="json")
    other["fields"]["price"]["scaling"]["shift"] = 3.0
    args = make_args(transformed, tmp_path, parent)
    args.hyperparameters = json.loads(json.dumps({"discretization_plan": other}))
    with pytest.raises(ConfigError, match="`price` is scaled or encoded otherwise"):
        run.run_fn(args)
    assert not (tmp_path / "Format-Serving").exists()


def test_progress_tells_of_the_parent_and_the_new_values(
    child: FnArgs, told: list[str]
) -> None:
    new = "5 of `user`, 5 of `item`, 5 of `tags`"
    assert told == [f"started from the model of an earlier run; new values: {new}"]
