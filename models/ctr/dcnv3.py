"""DCNv3: an exponential and a linear cross network, without a tower."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.ctr.dcnv3_params import DCNv3Params
from clickwright.models.layers.masked_cross import MaskedCross
from clickwright.models.losses.tri_cross_entropy import TriCrossEntropy
from clickwright.schemas.model_input import ModelInput


def build_dcnv3(inputs: Sequence[ModelInput], params: DCNv3Params) -> keras.Model:
    """`p = sigmoid((z_E + z_L) / 2)`, `z_E` and `z_L` logits of two cross networks.

    Embeddings are cut into `H` heads, each head's into halves; a head is the first
    halves of all fields, then the second ones: `n = F D / H` values. Layers are
    `MaskedCross`, with `c = x` in the exponential and `c = x_0` in the linear network;
    a network's logit is the mean over heads of one linear map. With `V` table rows and
    `L` layers in both networks together, parameters number `V D + L (n n / 2 + n + n +
    2 H) + 2 (n + 1)` (one `n` less without layer, `2 H` less without batch
    normalization).

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch], "logits":
        [batch, 2]}`: `z_E`, `z_L`.

    References:
        Li et al., DCNv3: Towards Next Generation Deep Cross Network for CTR
        Prediction (arXiv 2407.13349), laid out as in salmon1802/DCNv3.
    """
    features = parts.symbolic_inputs(inputs)
    x = _by_head(parts.embed(features, inputs, params), params.heads)  # [B, H, n]
    exponential = linear = x
    for n in range(params.exponential_layers):
        exponential = MaskedCross(
            params.batch_norm,
            params.layer_norm,
            params.exponential_dropout,
            name=f"exponential_{n}",
        )([exponential, exponential])
    for n in range(params.linear_layers):
        linear = MaskedCross(
            params.batch_norm,
            params.layer_norm,
            params.linear_dropout,
            name=f"linear_{n}",
        )([x, linear])
    logits = [
        ops.mean(parts.head(crossed, name=name), axis=1)  # [B, 1]
        for crossed, name in ((exponential, "exponential"), (linear, "linear"))
    ]
    both = keras.layers.Concatenate(dtype="float32", name="logits")(logits)
    mean = ops.mean(both, axis=-1, keepdims=True)  # [B, 1]
    return parts.click_model(features, mean, name="dcnv3", logits=both)


def dcnv3_loss(params: DCNv3Params) -> TriCrossEntropy:
    """Cross-entropy of the mean and, where they are worse, of both networks."""
    return TriCrossEntropy()


def _by_head(embeddings: Any, heads: int) -> Any:
    _, fields, dim = embeddings.shape
    half = dim // (2 * heads)
    x = ops.reshape(embeddings, (-1, fields, heads, 2, half))
    x = ops.transpose(x, (0, 2, 3, 1, 4))  # [B, H, 2, F, half]
    return ops.reshape(x, (-1, heads, 2 * fields * half))
