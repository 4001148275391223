"""What all encoders have in common, and each against its formula in NumPy."""

import functools
import json
import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_battery import check_layer
from numeric_reference import bins_by_loops, encoded_by_loops

from clickwright.models.layers.numeric.autodis import AutoDis
from clickwright.models.layers.numeric.buckets import Buckets
from clickwright.models.layers.numeric.log_linear import LogLinear
from clickwright.models.layers.numeric.nary import Nary
from clickwright.models.layers.numeric.numeric_encoder import NumericEncoder
from clickwright.models.layers.numeric.numeric_mlp import NumericMLP
from clickwright.models.layers.numeric.periodic import Periodic
from clickwright.models.layers.numeric.piecewise_linear import PiecewiseLinear
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)

MISSING = np.nan
X = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.2, -0.7, 1.5],
        [0.8, MISSING, -2.0],
        [MISSING, 0.5, 0.25],
        [1.0, 3.0, MISSING],
        [-0.4, 1e4, 0.999],
    ],
    np.float32,
)
MANY = tuple(np.linspace(-2.5, 2.5, 200).tolist())
NUMBERS: dict[str, tuple[type[NumericEncoder], list[Any]]] = {
    "log_linear": (
        LogLinear,
        [LogLinearEncoding(shift=0.3 * n, width=1.0 + n) for n in range(3)],
    ),
    "buckets": (
        Buckets,
        [
            BucketsEncoding(boundaries=(0.0, 0.2, 0.9)),
            BucketsEncoding(boundaries=(0.5,)),
            BucketsEncoding(boundaries=MANY),
        ],
    ),
    "piecewise_linear": (
        PiecewiseLinear,
        [
            PiecewiseLinearEncoding(boundaries=(0.0, 0.2, 0.9)),
            PiecewiseLinearEncoding(boundaries=(-1.0, 4.0)),
            PiecewiseLinearEncoding(boundaries=(-3.0, -1.0, 0.0, 0.5, 2.0)),
        ],
    ),
    "piecewise_linear, many": (
        PiecewiseLinear,
        [
            PiecewiseLinearEncoding(boundaries=(0.0, 0.2, 0.9)),
            PiecewiseLinearEncoding(boundaries=(-1.0, 4.0)),
            PiecewiseLinearEncoding(boundaries=MANY),
        ],
    ),
    "periodic": (
        Periodic,
        [PeriodicEncoding(frequencies=4, sigma=s) for s in (0.1, 0.5, 1.0)],
    ),
    "nary": (
        Nary,
        [
            NaryEncoding(),
            NaryEncoding(low=-1.0, high=3.0),
            NaryEncoding(low=-2.0, high=1.5),
        ],
    ),
    "nary, one digit": (
        Nary,
        [NaryEncoding(low=-1.0, high=h, bases=(7,), digits=(1,)) for h in (1, 2, 3)],
    ),
    "mlp": (NumericMLP, [MLPEncoding(hidden_units=5)] * 3),
}
for form in ("full", "reduced"):
    for mode in ("constant", "annealed", "learned"):
        for aggregation in ("weighted", "max", "topk"):
            for bias in (True, False):
                NUMBERS[f"autodis, {form}, {mode}, {aggregation}, {bias}"] = (
                    AutoDis,
                    [
                        AutoDisEncoding(
                            meta_embeddings=size,
                            temperature=temperature,
                            form=form,
                            temperature_mode=mode,
                            aggregation=aggregation,
                            use_bias=bias,
                            top_k=2,
                        )
                        for size, temperature in ((4, 0.3), (1, 0.5), (6, 2.0))
                    ],
                )
FEW = [n for n in NUMBERS if not n.startswith("autodis")] + [
    "autodis, full, constant, weighted, True",
    "autodis, reduced, annealed, max, False",
    "autodis, full, learned, topk, True",
]


def partial(name: str) -> Any:
    encoder, encodings = NUMBERS[name]
    return functools.partial(encoder, ["a", "b", "c"], encodings, 4)


def made(name: str, seed: int = 0, **kwargs: Any) -> NumericEncoder:
    """The encoder, its weights far from 0 and from each other."""
    encoder: NumericEncoder = partial(name)(**kwargs)
    encoder.build((None, 3))
    random = np.random.default_rng(seed)
    for w in encoder.trainable_weights:
        values = np.array(w) + random.normal(0.0, 0.4, w.shape)
        if encoder.kind == "autodis" and w.shape[1] == 6:
            values[0, 4:] = values[1, 1:] = 0.0  # padding
            if w.shape[2:] == (6,):
                values[0, :, 4:] = values[1, :, 1:] = 0.0
        w.assign(values)
    for w in encoder.non_trainable_weights:
        w.assign(300)  # steps of an annealing
    return encoder


@pytest.mark.parametrize("name", NUMBERS)
def test_it_equals_its_formula_written_out_in_numpy(name: str) -> None:
    encoder = made(name)
    x = X
    if encoder.kind in ("autodis", "periodic"):
        # Beyond, float32 has no phases; 0 without biases makes all choices equal.
        x = np.clip(np.where(X == 0, 0.1, X), -3.0, 3.0)
    want = encoded_by_loops(encoder, x)
    assert (np.abs(want).max(axis=2) > 0.0).mean() > 0.7
    np.testing.assert_allclose(encoder(x), want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", FEW)
def test_it_passes_the_battery(name: str, tmp_path: pathlib.Path) -> None:
    calm = np.clip(X, -3.0, 3.0)
    check_layer(partial(name), calm, (6, 3, 4), tmp_path)


@pytest.mark.parametrize("name", FEW)
def test_a_missing_value_gives_an_embedding_of_its_own(name: str) -> None:
    encoder = made(name)
    nothing = np.asarray(encoder(np.full((2, 3), MISSING, np.float32)))
    np.testing.assert_array_equal(nothing[0], nothing[1])
    something = np.asarray(encoder(np.zeros((1, 3), np.float32)))
    assert (np.abs(nothing[0] - something[0]).max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("name", NUMBERS)
def test_missing_values_give_no_nan_gradient(name: str) -> None:
    encoder = made(name)
    x = tf.constant(np.clip(X, -3.0, 3.0))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(encoder(x, training=True) ** 2)
    variables = [w.value for w in encoder.trainable_weights]
    of_x, *gradients = tape.gradient(loss, [x, *variables])
    for w, gradient in zip(encoder.trainable_weights, gradients, strict=True):
        assert np.isfinite(tf.convert_to_tensor(gradient).numpy()).all(), w.path
    if of_x is not None:
        assert np.isfinite(np.nan_to_num(of_x, nan=np.inf)).all()


@pytest.mark.parametrize("name", FEW)
def test_only_its_embedding_learns_from_a_missing_value(name: str) -> None:
    encoder = made(name)
    gone = tf.constant(np.full((4, 3), MISSING, np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(gone))
    variables = [w.value for w in encoder.trainable_weights]
    touched = 0
    for gradient in tape.gradient(loss, variables):
        if gradient is not None:
            dense = np.abs(tf.convert_to_tensor(gradient).numpy())
            touched += int((dense.reshape(-1, dense.shape[-1]).sum(axis=1) > 0).sum())
    assert touched == 3  # one row a field


@pytest.mark.parametrize("name", NUMBERS)
def test_assignments_are_shares_of_the_bins(name: str) -> None:
    encoder = made(name)
    found = encoder.assignments(X)
    if encoder.kind in ("log_linear", "periodic", "nary", "mlp"):
        assert found is None
        return
    found = np.asarray(found)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    want = np.where(np.isnan(X), 0.0, 1.0)
    np.testing.assert_allclose(found.sum(axis=2), want, atol=1e-5)
    if encoder.kind == "autodis":
        assert found.shape == (6, 3, 6)
        assert (found[:, 0, 4:] == 0).all()
        assert (found[:, 1, 1:] == 0).all()
    else:
        np.testing.assert_allclose(found, bins_by_loops(encoder, X), atol=1e-4)


@pytest.mark.parametrize("name", FEW)
def test_half_precision_decides_as_float32_does(name: str) -> None:
    full = made(name)
    half = made(name, dtype="mixed_bfloat16")
    half.set_weights(full.get_weights())
    # So close to each other that bfloat16 would take them for one value.
    close = np.array([[0.2, 0.5, 0.5], [0.2001, 0.5001, 0.5001]], np.float32)
    x = np.concatenate([np.clip(X, -3.0, 3.0), close])
    assert half(x).dtype == "bfloat16"
    assert all(w.dtype in ("float32", "int32") for w in half.weights)
    got = np.asarray(keras.ops.cast(half(x), "float32"))
    np.testing.assert_allclose(got, full(x), rtol=0.02, atol=0.03)
    if full.assignments(x) is not None:
        np.testing.assert_array_equal(half.assignments(x), full.assignments(x))


@pytest.mark.parametrize("name", FEW)
def test_a_config_survives_json(name: str) -> None:
    encoder = made(name, embeddings_regularizer=keras.regularizers.L2(0.5))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(encoder)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.names == encoder.names
    assert again.encodings == encoder.encodings
    assert float(again.embeddings_regularizer.l2) == 0.5


@pytest.mark.parametrize("name", FEW)
def test_what_makes_embeddings_is_penalized_and_networks_are_not(name: str) -> None:
    encoder = made(name, embeddings_regularizer=keras.regularizers.L2(0.5))
    unpenalized = {
        "first",
        "first_bias",
        "second",
        "second_bias",
        "log_temperature",
        "frequencies",
        "bias",
    }
    for w in encoder.trainable_weights:
        assert (w.regularizer is None) == (w.path.rpartition("/")[2] in unpenalized)


def test_weights_of_one_shape_start_apart() -> None:
    encoder = partial("log_linear")()
    encoder.build((None, 3))
    values = [np.array(w) for w in encoder.weights]
    assert len({v.tobytes() for v in values}) == 3


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("log_linear", 3 * 3 * 4),
        ("buckets", (4 + 2 + 201 + 3) * 4),
        ("piecewise_linear", (3 + 2 + 5 + 3) * 4),
        ("periodic", 3 * (4 + 2 * 4 * 4 + 2 * 4)),
        ("nary", 3 * 4 * ((2 * 5 + 3 * 3 + 5 * 2) + 3 + 2)),
        ("mlp", 3 * (2 * 5 + 5 * 4 + 2 * 4)),
    ],
)
def test_parameters_number_as_documented(kind: str, want: int) -> None:
    assert made(kind).count_params() == want


def test_it_refuses_encodings_that_do_not_belong_together() -> None:
    one, other = PeriodicEncoding(), PeriodicEncoding(frequencies=3)
    with pytest.raises(ValueError, match=r"differ in no more than \['sigma'\]"):
        Periodic(["a", "b"], [one, other], 4)
    with pytest.raises(ValueError, match="must all be `mlp`"):
        NumericMLP(["a"], [one], 4)
    with pytest.raises(ValueError, match="one length, 1 or more. Received: 2 and 1"):
        Periodic(["a", "b"], [one], 4)
    with pytest.raises(ValueError, match="one length, 1 or more. Received: 0 and 0"):
        Periodic([], [], 4)
    with pytest.raises(ValueError, match="`width` must be positive. Received: 0"):
        Periodic(["a"], [one], 0)
