"""Trainings that are killed and go on."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from training_rows import make_params, make_rows, make_trainer, values, without_clock

from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.examples import Batch
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.training_log import TrainingLog
from clickwright.schemas.errors import DataError


class Killed(BaseException):
    pass


class KillingRows(InMemoryExamples):
    """Ends the process's work at one batch of one epoch."""

    def __init__(self, examples: InMemoryExamples, epoch: int, batch: int) -> None:
        self.__dict__.update(examples.__dict__)
        self._kill_at = epoch, batch

    def batches(
        self,
        batch_size: int,
        shuffle_seed: tuple[int, ...] | None = None,
        start: int = 0,
    ) -> Iterator[Batch]:
        batches = super().batches(batch_size, shuffle_seed, start)
        for number, batch in enumerate(batches, start=start):
            if shuffle_seed is not None and (shuffle_seed[1], number) == self._kill_at:
                raise Killed
            yield batch


# With valid rows turned round the training is killed past its best epoch, whose
# weights must survive.
@pytest.mark.parametrize(
    ("epoch", "batch", "signal", "updates"),
    [(2, 0, 1.0, "dense"), (2, 5, 1.0, "sparse"), (4, 7, -1.0, "dense")],
)
def test_a_killed_training_ends_as_though_it_had_never_stopped(
    tmp_path: pathlib.Path, epoch: int, batch: int, signal: float, updates: str
) -> None:
    train, valid = make_rows(600, 0), make_rows(300, 1, signal)
    rules: dict[str, Any] = {
        "epochs": 5,
        "early_stop": 4,
        "checkpoint_steps": 2,
        "table_updates": updates,
    }
    whole = make_trainer(**rules)
    log = TrainingLog(tmp_path / "whole", make_params(**rules), train.rows)
    wanted = whole.train(train, valid, log=log)
    best = max(wanted, key=lambda record: record.valid_auc or 0.0)
    assert signal > 0 or best.epoch < 4

    checkpoint = Checkpoint(tmp_path / "checkpoint")
    with pytest.raises(Killed):
        make_trainer(**rules).train(KillingRows(train, epoch, batch), valid, checkpoint)
    state = checkpoint.load()
    assert state is not None and len(state.records) == epoch - 1
    assert state.part.steps == batch // 2 * 2
    resumed = make_trainer(**rules)
    log = TrainingLog(tmp_path / "resumed", make_params(**rules), train.rows)
    records = resumed.train(train, valid, checkpoint, log)

    assert without_clock(records) == without_clock(wanted)
    for one, other in zip(values(resumed), values(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    logs = [logged(tmp_path / name) for name in ("whole", "resumed")]
    clock = [[line.pop("seconds") for line in lines] for lines in logs]
    assert clock[1] == sorted(clock[1])
    for line in logs[0] + logs[1]:
        line.pop("examples_per_second")
    assert logs[0] == logs[1]


def logged(folder: pathlib.Path) -> list[dict[str, Any]]:
    lines = (folder / "training_log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


SCRIPT = """
import os, pathlib, signal, sys
import numpy as np
from training_rows import make_rows, make_trainer, values, without_clock
from clickwright.models.training.checkpoint import Checkpoint

class Rows(type(make_rows(2, 0))):
    def batches(self, batch_size, shuffle_seed=None, start=0):
        for n, batch in enumerate(super().batches(batch_size, shuffle_seed, start)):
            if kill and shuffle_seed == (0, 2) and start + n == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

folder, kill = pathlib.Path(sys.argv[1]), sys.argv[2] == "kill"
train, valid = make_rows(600, 0), make_rows(300, 1)
train.__class__ = Rows
trainer = make_trainer(epochs=3, checkpoint_steps=3)
records = trainer.train(train, valid, Checkpoint(folder / "state"))
np.savez(folder / "out.npz", *values(trainer), records=repr(without_clock(records)))
"""


def test_a_process_killed_within_an_epoch_goes_on_bit_by_bit(
    tmp_path: pathlib.Path,
) -> None:
    tests = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(tests), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(folder: pathlib.Path, how: str) -> int:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", SCRIPT, str(folder), how]
        return subprocess.run(command, env=environment, check=False).returncode

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(whole, "end") == 0
    assert run(cut, "kill") == -signal.SIGKILL
    state = Checkpoint(cut / "state").load()
    assert state is not None and (len(state.records), state.part.steps) == (1, 6)
    assert run(cut, "end") == 0
    with np.load(whole / "out.npz") as one, np.load(cut / "out.npz") as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])


def test_small_trainings_keep_their_state_between_epochs_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[int, int]] = []
    monkeypatch.setattr(
        Checkpoint,
        "save",
        lambda _, state: kept.append((len(state.records), state.part.steps)),
    )
    make_trainer(epochs=2).train(
        make_rows(600, 0), make_rows(300, 1), Checkpoint(tmp_path)
    )
    assert kept == [(1, 0), (2, 0)]
    kept.clear()
    trainer = make_trainer(epochs=1, checkpoint_seconds=1e-9)
    trainer.train(make_rows(192, 0), make_rows(300, 1), Checkpoint(tmp_path))
    assert kept == [(0, 1), (0, 2), (0, 3), (1, 0)]


def test_a_finished_trainings_checkpoint_gives_its_model_at_once(
    tmp_path: pathlib.Path,
) -> None:
    train, valid = make_rows(600, 0), make_rows(300, 1)
    first = make_trainer()
    records = first.train(train, valid, Checkpoint(tmp_path))
    second = make_trainer()
    assert second.train(train, valid, Checkpoint(tmp_path)) == records
    for one, other in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("other", "found", "wanted"),
    [
        ({"name": "logistic_regression"}, "embeddings/embeddings` [35, 4]", "[1]"),
        (
            {"model": {"hidden_units": [9]}},
            "tower/dense_0/kernel` [12, 8]",
            "tower/dense_0/kernel` [12, 9]",
        ),
        ({"model": {"hidden_units": [8, 8]}}, "` [35, 1]", "tower/dense_1/kernel`"),
        ({"model": {"batch_norm": False}}, "norm_0/gamma` [8]", "seed_generator"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_and_left_alone(
    tmp_path: pathlib.Path, other: dict[str, Any], found: str, wanted: str
) -> None:
    rows = make_rows(100, 0)
    checkpoint = Checkpoint(tmp_path)
    make_trainer(epochs=1).train(rows, rows, checkpoint)
    before = checkpoint.file.read_bytes()
    with pytest.raises(DataError, match="of another model") as error:
        make_trainer(**{"epochs": 2, **other}).train(rows, rows, checkpoint)
    said_found, said_wanted = error.value.what.split(" where ")
    assert found in said_found and wanted in said_wanted
    assert error.value.where == str(checkpoint.file)
    assert checkpoint.file.read_bytes() == before
