"""Field-weighted factorization machine."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.ctr.fwfm_params import FwFMParams
from clickwright.models.layers.inner_products import InnerProducts
from clickwright.schemas.model_input import ModelInput


def build_fwfm(inputs: Sequence[ModelInput], params: FwFMParams) -> keras.Model:
    """`p = sigmoid(b + y_linear + sum_{i<j} r_ij <e_i, e_j>)`.

    One trained weight `r_ij` a pair of fields; `y_linear` is one of

    * `LW`: `sum_f w_f`, one weight a feature value;
    * `FeLV`: `sum_f <e_f, v_f>`, `v` from a second table. There a numeric value counts
      once, not squared (one with an encoding other than `linear` has a vector of its
      value), and of an id set the vectors `v` are summed;
    * `FiLV`: `sum_f <e_f, v_f>`, one vector `v` a field.

    With `V` table rows and `P` pairs, parameters number `V D + P + 1` and `V`, `V D` or
    `F D` for the first-order term.

    Args:
        inputs: named tensors that the model reads, at least two.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is one input.

    References:
        Pan et al., Field-weighted Factorization Machines for Click-Through Rate
        Prediction in Display Advertising, WWW 2018 (arXiv 1806.03514). Trained and
        laid out as in FuxiCTR v1.1.0, which the BARS figures come from.
    """
    parts.need_pairs(inputs, "fwfm")
    features = parts.symbolic_inputs(inputs)
    embeddings = parts.embed(features, inputs, params)  # [B, F, D]
    products = InnerProducts(dtype="float32", name="products")(embeddings)  # [B, P]
    pairs = _weighted_sum(products, params, use_bias=True, name="pairs")  # [B, 1]
    linear = _linear(features, embeddings, inputs, params)  # [B, 1]
    return parts.click_model(features, parts.add([linear, pairs]), name="fwfm")


def _linear(
    features: Mapping[str, Any],
    embeddings: Any,
    inputs: Sequence[ModelInput],
    params: FwFMParams,
) -> Any:
    if params.linear == "LW":
        return parts.linear(features, inputs, params)
    flat = parts.flatten(embeddings)  # [B, F * D]
    if params.linear == "FiLV":
        return _weighted_sum(flat, params, use_bias=False, name="linear")
    ones = {
        i.name: ops.ones_like(features[i.name])
        for i in inputs
        if i.kind == "value" and (i.numeric is None or i.numeric.kind == "linear")
    }
    vectors = parts.embed(
        {**features, **ones}, inputs, params, name="linear_vectors", pooling="sum"
    )  # [B, F, D]
    vectors = keras.layers.Flatten(name="flat_linear_vectors")(vectors)
    return keras.layers.Dot(axes=1, dtype="float32", name="linear")([flat, vectors])


def _weighted_sum(x: Any, params: FwFMParams, use_bias: bool, name: str) -> Any:
    return keras.layers.Dense(
        1,
        use_bias=use_bias,
        kernel_initializer="glorot_normal",
        kernel_regularizer=keras.regularizers.L2(params.l2 / 2),
        dtype="float32",
        name=name,
    )(x)
