"""QIN: sparse attention over a history, and quadratic layers."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts as click_parts
from clickwright.models.layers.quadratic import Quadratic
from clickwright.models.layers.sparse_target_attention import SparseTargetAttention
from clickwright.models.multimodal.qin_params import QINParams
from clickwright.models.sequential import parts
from clickwright.schemas.model_input import ModelInput


def build_qin(inputs: Sequence[ModelInput], params: QINParams) -> keras.Model:
    """`p = sigmoid(x_Q w + b)`, `x_0 = [c | t | o]`, `x_q` residual quadratic layers.

    `t` is the target and `S` its history, an item being its fields side by side: id,
    sides, the mean of each attribute, and each vector by a bias-free kernel. `o` is
    `t` and what the sparse attention takes from `S`; without a history it is `t`. `c`
    is the context, all other inputs side by side; ages of events are not read.

    The published model reads, of an item, its id, its tags and one vector of 128
    values, and as context two levels: `item | tags | vector` and `likes | views`. Any
    inputs with a history of one of them map alike, in the order of the feature spec;
    features of the user and further histories, pooled, are context, too.

    With `V` table rows, embeddings of `E`, `n` item fields, `m` context fields,
    vectors of `w_k` values, `d = n E`, `D = m E + 2 d`, `Q` layers and `R` rows,
    parameters number

        `V E + sum_k w_k E + 8 d d + Q (D D R + D R + 2 D + 1) + D + 1`

    Row 0 of every table, missing and padding, is zeros before and after training.

    Args:
        inputs: what the model reads, by name.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is no history.

    References:
        Li et al., Quadratic Interest Network for Multimodal Click-Through Rate
        Prediction, WWW 2025 (arXiv 2504.15699).
    """
    features = click_parts.symbolic_inputs(inputs)
    found = parts.embed(features, inputs, params, "qin", zero_padding=True)
    attended = SparseTargetAttention(2 * found.target.shape[-1], name="attention")(
        {"target": found.target, "history": found.history, "mask": found.mask}
    )  # [B, d]
    x = click_parts.concatenate(
        [
            *([] if found.context is None else [click_parts.flatten(found.context)]),
            found.target,
            attended,
        ]
    )  # [B, D]
    for n in range(params.layers):
        x = Quadratic(params.rows, params.dropout, name=f"quadratic_{n}")(x)
    return click_parts.click_model(features, click_parts.head(x), name="qin")
