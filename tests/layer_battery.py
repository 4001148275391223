"""What every layer must pass, whatever it computes."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def check_layer(
    make: Callable[..., keras.layers.Layer],
    inputs: Any,
    output_shape: tuple[int, ...],
    folder: pathlib.Path,
) -> None:
    """Config round trip, shapes, save and load, one training step, mixed precision.

    Args:
        make: the layer's class with its arguments filled in; takes `dtype` and `name`.
        inputs: an array, a dict of arrays by name, or a tuple of arrays, which the
            layer takes one by one, the first of which shapes the output; with the
            batch in front.
        output_shape: shape of the output, batch included.
        folder: an empty folder.
    """
    layer = make(name="tested")
    eager = _called(layer, inputs)
    assert tuple(eager.shape) == output_shape
    assert np.isfinite(np.asarray(eager)).all()

    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert [tuple(v.shape) for v in layer.weights] == [
        tuple(v.shape) for v in _built(again, inputs).weights
    ]

    symbolic = _symbolic(inputs)
    model = keras.Model(symbolic, _called(layer, symbolic, training=None))
    assert tuple(model.output.shape) == (None, *output_shape[1:])
    if isinstance(inputs, tuple):
        stated = layer.compute_output_shape(np.shape(inputs[0]))
    elif isinstance(inputs, dict):
        stated = layer.compute_output_shape({k: np.shape(v) for k, v in inputs.items()})
    else:
        stated = layer.compute_output_shape(np.shape(inputs))
    assert tuple(stated) == output_shape

    path = folder / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded(inputs, training=False), eager)

    if layer.trainable_variables:
        before = [np.array(v) for v in layer.trainable_variables]
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(inputs, np.asarray(eager) + 1.0, epochs=1, verbose=0)
        after = [np.array(v) for v in layer.trainable_variables]
        assert all(np.isfinite(values).all() for values in after)
        moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert any(moved)

    full = _built(make(name="full"), inputs)
    mixed = _built(make(name="mixed", dtype="mixed_bfloat16"), inputs)
    mixed.set_weights(full.get_weights())
    want = _called(full, inputs)
    low = _called(mixed, inputs)
    assert keras.backend.standardize_dtype(low.dtype) == "bfloat16"
    np.testing.assert_allclose(
        np.asarray(keras.ops.cast(low, "float32")), want, rtol=0.05, atol=0.05
    )


def _called(layer: keras.layers.Layer, inputs: Any, training: Any = False) -> Any:
    taken = inputs if isinstance(inputs, tuple) else (inputs,)
    return layer(*taken, **({} if training is None else {"training": training}))


def _symbolic(inputs: Any, name: str | None = None) -> Any:
    if isinstance(inputs, tuple):
        return tuple(_symbolic(values) for values in inputs)
    if isinstance(inputs, dict):
        return {key: _symbolic(values, key) for key, values in inputs.items()}
    values = np.asarray(inputs)
    return keras.Input(values.shape[1:], dtype=str(values.dtype), name=name)


def _built(layer: keras.layers.Layer, inputs: Any) -> keras.layers.Layer:
    _called(layer, inputs, training=None)
    return layer
