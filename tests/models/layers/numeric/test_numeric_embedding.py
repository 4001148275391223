import pathlib
from typing import Any

import numpy as np
import pytest
from layer_battery import check_layer

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.linear_term import LinearTerm
from clickwright.models.layers.numeric.numeric_embedding import NumericEmbedding
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)


def value(name: str, encoding: Any = None) -> ModelInput:
    return ModelInput(name, "value", "item", numeric=encoding)


USER = ModelInput("user", "id", "user", "user", 5)
SHARP = value("sharp", AutoDisEncoding(meta_embeddings=4))
WEIGHT = value("weight", BucketsEncoding(boundaries=(0.0, 1.0)))
SOFT = value("soft", AutoDisEncoding(meta_embeddings=3, temperature=2.0))
PLAIN = value("plain")
LINE = value("line", LinearEncoding())
HALVES = value("halves", AutoDisEncoding(form="reduced"))
PRICE = value("price", PiecewiseLinearEncoding(boundaries=(0.0, 1.0, 3.0)))
AGE = value("age", LogLinearEncoding())
ENCODED = (SHARP, WEIGHT, SOFT, HALVES, PRICE, AGE)
ALL = (SHARP, USER, WEIGHT, SOFT, PLAIN, LINE, HALVES, PRICE, AGE)
X = np.array([0.3, np.nan, -2.0, 1.5], np.float32)
FEATURES: dict[str, Any] = {
    i.name: np.array([1, 0, 4, 2]) if i is USER else X[[n % 4, 1, 2, 3]]
    for n, i in enumerate(ALL)
} | {"plain": np.array([0.5, 2.0, -1.0, 0.0], np.float32)}
ENCODED_FEATURES = {i.name: FEATURES[i.name] for i in ENCODED}


def randomized(layer: Any) -> Any:
    random = np.random.default_rng(3)
    for w in layer.trainable_weights:
        w.assign(random.normal(size=w.shape))
    return layer


def test_fields_that_fit_together_share_an_encoder() -> None:
    layer = NumericEmbedding(ENCODED, 4)
    assert [e.names for e in layer.encoders] == [
        ("sharp", "soft"),
        ("weight",),
        ("halves",),
        ("price",),
        ("age",),
    ]
    encoder, position = layer.encoder_of("soft")
    assert encoder is layer.encoders[0]
    assert encoder.encodings[position] == SOFT.numeric
    with pytest.raises(ValueError, match="one of sharp, weight, .* Received: no"):
        layer.encoder_of("no")


def test_fields_lie_in_the_order_of_the_inputs() -> None:
    layer = NumericEmbedding(ENCODED, 4)
    layer(ENCODED_FEATURES)
    got = np.asarray(randomized(layer)(ENCODED_FEATURES))
    for n, i in enumerate(ENCODED):
        encoder, position = layer.encoder_of(i.name)
        values = np.stack([FEATURES[name] for name in encoder.names], axis=1)
        np.testing.assert_array_equal(got[:, n], encoder(values)[:, position])


def test_it_passes_the_battery(tmp_path: pathlib.Path) -> None:
    def make(**kwargs: Any) -> NumericEmbedding:
        return NumericEmbedding(ENCODED, 4, **kwargs)

    check_layer(make, ENCODED_FEATURES, (4, 6, 4), tmp_path)


def test_it_refuses_inputs_without_an_encoder() -> None:
    for bad in (PLAIN, LINE, USER):
        with pytest.raises(ValueError, match="must have one of the encodings autodis"):
            NumericEmbedding([bad], 4)
    with pytest.raises(ValueError, match="at least one input"):
        NumericEmbedding([], 4)


def randomized_after(layer: Any, features: Any) -> Any:
    layer(features)
    return randomized(layer)


def test_fused_embedding_mixes_encoders_and_rows_in_the_inputs_order() -> None:
    layer = FusedEmbedding(ALL, 4)
    got = np.asarray(randomized_after(layer, FEATURES)(FEATURES))
    table = np.asarray(layer.embeddings)
    assert layer.row_ranges == {"user": (0, 5), "plain": (5, 6), "line": (6, 7)}
    assert layer.numeric is not None
    encoded = np.asarray(layer.numeric(FEATURES))
    for field, i in enumerate(ALL):
        x = FEATURES[i.name]
        if i in ENCODED:
            want = encoded[:, ENCODED.index(i)]
        elif i is USER:
            want = table[x]
        else:  # a missing value of `linear` is 0
            want = np.nan_to_num(x)[:, None] * table[layer.row_ranges[i.name][0]]
        np.testing.assert_allclose(got[:, field], want, rtol=1e-6)


def test_fused_embedding_shows_nan_where_no_value_may_be_missing() -> None:
    layer = FusedEmbedding([PLAIN, LINE], 2)
    got = np.asarray(layer({"plain": X, "line": X}))
    assert np.isnan(got[1, 0]).all()
    assert (got[1, 1] == 0).all()


def test_fused_embedding_of_encoded_inputs_alone_has_no_table(
    tmp_path: pathlib.Path,
) -> None:
    layer = FusedEmbedding(ENCODED, 4)
    layer(ENCODED_FEATURES)
    assert layer.embeddings is None
    assert layer.row_ranges == {}

    def make(**kwargs: Any) -> FusedEmbedding:
        return FusedEmbedding(ENCODED, 4, **kwargs)

    check_layer(make, ENCODED_FEATURES, (4, 6, 4), tmp_path)


def test_linear_term_keeps_bins_and_takes_the_rest_for_linear() -> None:
    others = (
        SHARP,
        PLAIN,
        LINE,
        AGE,
        value("waves", PeriodicEncoding()),
        value("digits", NaryEncoding()),
        value("net", MLPEncoding()),
    )
    inputs = (WEIGHT, *others, PRICE)
    features = {i.name: X for i in inputs} | {"plain": np.nan_to_num(X)}
    layer = LinearTerm(inputs)
    got = np.asarray(randomized_after(layer, features)(features))[:, 0]
    table = layer.weights_table
    assert table.numeric is not None
    assert [e.names for e in table.numeric.encoders] == [("weight",), ("price",)]
    w = np.asarray(table.embeddings)[:, 0]
    assert len(w) == len(others)
    bins = np.asarray(table.numeric(features))[:, :, 0].sum(axis=1)
    want = float(layer.bias[0]) + np.nan_to_num(X) * w.sum() + bins
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    again = LinearTerm.from_config(layer.get_config())
    again(features)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(features)[:, 0], got)
