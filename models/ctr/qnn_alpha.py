"""QNN-alpha: Khatri-Rao product layers, trained by two dropout passes."""

from collections.abc import Sequence
from typing import Any

import keras

from clickwright.models.ctr import parts
from clickwright.models.ctr.qnn_alpha_params import QNNAlphaParams
from clickwright.models.layers.khatri_rao_product import KhatriRaoProduct
from clickwright.models.losses.self_ensemble import SelfEnsemble
from clickwright.schemas.model_input import ModelInput


def build_qnn_alpha(
    inputs: Sequence[ModelInput], params: QNNAlphaParams
) -> keras.Model:
    """`p = sigmoid(x_L w + b)`, `x_0` the embeddings, `x_l` Khatri-Rao products.

    The layers run twice over one embedding, with dropout of their own; both logits go
    to the loss. The probability is that of the first pass, and a model of it alone
    runs the layers once. With `V` table rows, `N = F * embedding_dim`, `L` layers and
    `R` rows, parameters number `V D + L (N N R + N R + 2 N R) + N + 1` (without batch
    normalization no `2 N R`).

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch], "logits":
        [batch, 2]}`.

    References:
        Li et al., Revisiting Feature Interactions from the Perspective of Quadratic
        Neural Networks for Click-through Rate Prediction, KDD 2025
        (arXiv 2505.17999).
    """
    features = parts.symbolic_inputs(inputs)
    x = parts.flatten(parts.embed(features, inputs, params))  # [B, N]
    layers = [
        KhatriRaoProduct(
            fields=len(inputs),
            rows=params.rows,
            heads=params.heads,
            batch_norm=params.batch_norm,
            dropout=params.dropout,
            align_heads=params.align_heads,
            name=f"product_{n}",
        )
        for n in range(params.layers)
    ]
    head = parts.head_layer()

    def run_once() -> Any:
        products = x
        for layer in layers:
            products = layer(products)
        return head(products)  # [B, 1]

    first, second = run_once(), run_once()
    logits = keras.layers.Concatenate(dtype="float32", name="logits")([first, second])
    return parts.click_model(features, first, name="qnn_alpha", logits=logits)


def qnn_alpha_loss(params: QNNAlphaParams) -> SelfEnsemble:
    """Cross-entropy of the mean of both passes, and of each with that mean."""
    return SelfEnsemble()
