"""Devices, strategies and arithmetic."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_rows import make_params, make_rows, make_trainer

from clickwright.models.training.placement import check_device, placement
from clickwright.schemas.errors import ConfigError

needs_no_gpu = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU"
)


@needs_no_gpu
def test_a_gpu_that_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(ConfigError, match="Devices found: /device:CPU:0") as error:
        check_device(make_params(device="gpu"))
    assert "clickwright[gpu]" in error.value.fix and "device: cpu" in error.value.fix
    for device in ("auto", "cpu"):
        assert check_device(make_params(device=device)) == ["/device:CPU:0"]


def test_the_cpu_takes_variables_and_steps_when_asked_for() -> None:
    trainer = make_trainer(epochs=1, device="cpu")
    trainer.train(make_rows(100, 0), make_rows(100, 1))
    for variable in trainer.model.variables:
        assert variable.value.device.endswith("CPU:0")


def test_the_dtype_policy_holds_inside_alone() -> None:
    with (
        pytest.raises(RuntimeError),
        placement(make_params(precision="mixed_bfloat16")),
    ):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_learns_what_float32_learns(precision: str) -> None:
    train, valid = make_rows(1200, 0), make_rows(600, 1)
    # Without dropout: half precision draws other random numbers.
    rules: dict[str, Any] = {
        "model": {"dropout": 0.0},
        "epochs": 4,
        "learning_rate": 0.01,
        "batch_size": 100,
    }
    full = make_trainer(**rules).train(train, valid)[-1]
    trainer = make_trainer(**rules, precision=precision)
    tower = trainer.model.get_layer("tower")
    assert tower.compute_dtype == precision.removeprefix("mixed_")
    assert {v.dtype for v in trainer.model.trainable_variables} == {"float32"}
    half = trainer.train(train, valid)[-1]
    assert half.loss == pytest.approx(full.loss, abs=0.01)
    assert half.valid_auc == pytest.approx(full.valid_auc, abs=0.01)
    assert (half.valid_auc or 0.0) > 0.75


def test_float16_skips_a_step_whose_scaled_gradient_overflows() -> None:
    trainer = make_trainer(epochs=1, precision="mixed_float16")
    optimizer = trainer._optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    optimizer.dynamic_scale.assign(1e38)
    before = [np.array(v) for v in trainer.model.trainable_variables]
    (batch,) = make_rows(64, 0).batches(64)
    trainer._train_on(*batch)
    for one, other in zip(before, trainer.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(optimizer.dynamic_scale) == pytest.approx(5e37)


def test_xla_gives_the_same_step() -> None:
    # Several steps would drift apart: Adam takes the sign of gradients near zero.
    (batch,) = make_rows(64, 0).batches(64)
    moved = []
    for compiled in (False, True):
        trainer = make_trainer(model={"dropout": 0.0, "l2": 0.1}, jit_compile=compiled)
        trainer._optimizer = keras.optimizers.SGD(1.0)
        trainer._optimizer.build(trainer.model.trainable_variables)
        trainer._step(*trainer._dealt(batch))
        moved.append([np.array(v) for v in trainer.model.trainable_variables])
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


SCRIPT = """
import json, pathlib, sys
import keras, numpy as np, tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpus[0], two)
from training_rows import build, make_params, make_rows
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.placement import placement
from clickwright.models.training.repeat import train_seeds
from clickwright.models.training.trainer import Trainer

folder = pathlib.Path(sys.argv[1])
# Steps of 64 rows, the last one of 1: one replica has no row of it.
rows = make_rows(257, 0)
rng = np.random.default_rng(3)
train = InMemoryExamples(rows._features, rows._labels, rng.integers(0, 4, 257))
valid = make_rows(200, 1)

def run(strategy, optimizer, **rules):
    params = make_params(epochs=2, strategy=strategy, device="cpu", **rules)
    with placement(params):
        keras.utils.set_random_seed(0)
        model = build(batch_norm=False, dropout=0.0, l2=0.01)
        trainer = Trainer(model, params)
        if optimizer is not None:
            trainer._optimizer = optimizer()
            trainer._optimizer.build(model.trainable_variables)
        records = trainer.train(train, valid)
    return trainer._replicas, records, [v.numpy() for v in model.trainable_variables]

sgd = lambda: keras.optimizers.SGD(0.5, global_clipnorm=0.1)
found = {}
for name, optimizer, rules in (
    ("adam", None, {}),
    ("sparse", None, {"table_updates": "sparse"}),
    ("sgd", sgd, {"learning_rate": 0.5}),
):
    one, records, weights = run("none", optimizer, **rules)
    two, records2, weights2 = run("mirrored", optimizer, **rules)
    found[name] = {
        "replicas": [one, two],
        "weights": max(float(abs(a - b).max()) for a, b in zip(weights, weights2)),
        "losses": [[r.loss for r in records], [r.loss for r in records2]],
        "aucs": [[r.valid_auc for r in records], [r.valid_auc for r in records2]],
    }
_, _, before = run("none", sgd, learning_rate=1e-9)
found["moved"] = max(float(abs(a - b).max()) for a, b in zip(weights, before))

# All options of a user's run; killed and resumed.
class Killed(BaseException): pass
class Rows(InMemoryExamples):
    def batches(self, size, seed=None, start=0):
        for n, batch in enumerate(super().batches(size, seed, start), start):
            if seed == (0, 2) and n == 2: raise Killed
            yield batch
params = make_params(
    epochs=3, strategy="mirrored", checkpoint_steps=1, tensorboard="histograms",
    precision="mixed_float16",
)
wanted = train_seeds(build, params, train, valid)
cut = Rows(rows._features, rows._labels, train._weights)
try:
    train_seeds(build, params, cut, valid, checkpoints=folder, log_directory=folder)
except Killed:
    found["killed"] = True
again = train_seeds(
    build, params, train, valid, checkpoints=folder, log_directory=folder)
found["resumed"] = max(
    float(abs(a.numpy() - b.numpy()).max())
    for a, b in zip(again.model.trainable_variables, wanted.model.trainable_variables))
found["plain"] = type(again.model.variables[0].value).__name__
(folder / "found.json").write_text(json.dumps(found))
"""


def test_two_replicas_train_as_one(tmp_path: pathlib.Path) -> None:
    tests = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(tests)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    subprocess.run(command, env=environment, check=True)
    found = json.loads((tmp_path / "found.json").read_text())
    for name in ("adam", "sparse", "sgd"):
        assert found[name]["replicas"] == [1, 2]
        assert found[name]["weights"] < 1e-5
        one, two = found[name]["losses"]
        assert two == pytest.approx(one, abs=1e-5)
        one, two = found[name]["aucs"]
        assert two == pytest.approx(one, abs=1e-3)
    assert found["moved"] > 0.05
    assert found["killed"] and found["resumed"] < 1e-6
    assert found["plain"] == "ResourceVariable"
