"""Trainings whose numbers stop being finite."""

import pathlib
from typing import Any

import keras
import numpy as np
import pytest
from training_rows import (
    DEEP,
    INPUTS,
    make_params,
    make_rows,
    make_trainer,
    values,
)

from clickwright.models import registry
from clickwright.models.training.checkpoint import Checkpoint
from clickwright.models.training.divergence import infinite_column, infinite_part
from clickwright.models.training.examples import Batch
from clickwright.models.training.in_memory_examples import InMemoryExamples
from clickwright.models.training.trainer import Trainer
from clickwright.schemas.errors import ConfigError, DataError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    LinearEncoding,
    NumericEncoding,
)


def test_a_diverging_training_stops_with_what_to_change() -> None:
    trainer = make_trainer(learning_rate=1e30)
    rows = make_rows(600, 0)
    with pytest.raises(ConfigError, match="not a finite number") as error:
        trainer.train(rows, rows)
    # The first step is fine and throws the weights off; the second shows it.
    assert "step 2," in error.value.what and "layer `" in error.value.what
    assert "learning_rate" in error.value.fix


def test_an_infinite_input_is_named() -> None:
    price = np.zeros(100, np.float32)
    price[7] = np.inf
    ids = np.ones(100, np.int64)
    examples = InMemoryExamples(
        {"user": ids, "item": ids, "price": price}, np.arange(100) % 2
    )
    with pytest.raises(DataError, match="`price` holds infinite values or NaN"):
        make_trainer().train(examples, examples)


def test_a_missing_value_that_is_embedded_is_not_blamed() -> None:
    rows = make_rows(600, 0)
    batch = next(iter(rows.batches(64)))
    price = np.array(batch.features["price"])
    price[7] = np.nan
    broken = batch._replace(features={**batch.features, "price": price})

    def column(encoding: NumericEncoding | None) -> str | None:
        price = ModelInput("price", "value", "item", numeric=encoding)
        inputs = [i for i in INPUTS if i.kind != "value"] + [price]
        model = registry.build("deepfm", inputs, DEEP)
        return infinite_column(model, broken)

    assert column(None) == "price"
    assert column(LinearEncoding()) is column(AutoDisEncoding()) is None


@keras.saving.register_keras_serializable(package="tests")
class Overflow(keras.layers.Layer):
    """Passes values on; one of 3 or more becomes infinite."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.where(inputs < 3.0, inputs, np.inf)


@keras.saving.register_keras_serializable(package="tests")
class BadGradient(keras.layers.Layer):
    """Passes values on; the gradient of `sqrt(0)` makes it infinite."""

    def call(self, inputs: Any) -> Any:
        return inputs + keras.ops.sqrt(inputs - inputs)


def make_model(*layers: keras.layers.Layer) -> keras.Model:
    price = keras.Input((), name="price")
    x = keras.layers.Reshape((1,))(price)
    for layer in layers:
        x = layer(x)
    logit = keras.layers.Dense(1, kernel_initializer="ones", name="head")(x)
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    outputs = {"probability": keras.layers.Reshape(())(probability)}
    return keras.Model({"price": price}, outputs)


def make_prices(at: int) -> InMemoryExamples:
    """500 rows, of which one has a price of 5."""
    price = np.full(500, 0.5, np.float32)
    price[at] = 5.0
    return InMemoryExamples({"price": price}, np.arange(500) % 2)


def test_the_layer_that_overflows_is_named_and_the_last_good_state_stays(
    tmp_path: pathlib.Path,
) -> None:
    layers = keras.layers.Dense(2, name="before"), Overflow(name="culprit")
    layers[0].build((None, 1))
    layers[0].set_weights([np.ones((1, 2)), np.zeros(2)])
    trainer = Trainer(make_model(*layers), make_params(epochs=3, checkpoint_steps=1))
    rows = make_prices(499)
    calm = make_prices(499)
    calm._features["price"][:] = 0.5
    checkpoint = Checkpoint(tmp_path)
    order = [b.features["price"].max() for b in rows.batches(64, (0, 1))]
    bad = int(np.argmax(order)) + 1
    with pytest.raises(ConfigError, match="output of the layer `culprit`") as error:
        trainer.train(rows, calm, checkpoint)
    assert f"(epoch 1, step {bad}," in error.value.what
    state = checkpoint.load()
    if bad == 1:
        assert state is None
    else:
        assert state is not None and state.part.steps == bad - 1
        assert str(tmp_path) in error.value.fix
    # What the good steps made of the weights is still there.
    assert all(np.isfinite(v).all() for v in values(trainer))


def test_a_gradient_that_breaks_the_weights_is_noticed_before_they_are_kept(
    tmp_path: pathlib.Path,
) -> None:
    layers = keras.layers.Dense(2, name="before"), BadGradient(name="root")
    trainer = Trainer(make_model(*layers), make_params(checkpoint_steps=1))
    rows = make_prices(0)
    with pytest.raises(ConfigError, match="Infinite values or NaN in the weights"):
        trainer.train(rows, rows, Checkpoint(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_each_part_of_a_step_is_told_from_the_others() -> None:
    batch = Batch({"price": np.ones(4, np.float32)}, np.ones(4), np.ones(4))

    def part(*layers: keras.layers.Layer, loss: Any = None) -> str | None:
        model = make_model(*layers)
        logits = keras.Model(model.input, model.get_layer("probability").input)
        mean = lambda labels, logits, weights: keras.ops.mean(logits)
        return infinite_part(logits, loss or mean, batch)

    def dense(**options: Any) -> keras.layers.Layer:
        return keras.layers.Dense(2, name="first", **options)

    def endless(x: Any) -> Any:
        return keras.ops.log(0.0 * x[0, 0])

    assert part(dense()) is None
    said = part(dense(), loss=lambda *_: keras.ops.log(-1.0))
    assert said == "the loss of finite logits"
    assert part(dense(), BadGradient()) == "the gradient of `first/kernel`"
    assert part(dense(kernel_regularizer=endless)) == "a penalty on the weights"
    broken = dense(bias_initializer=keras.initializers.Constant(np.nan))
    assert part(broken) == "the weights `first/bias`"
    spoilt = keras.layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.Constant(np.inf), name="norm"
    )
    assert part(dense(), spoilt) == "the weights `norm/moving_mean`"
