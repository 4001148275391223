"""DIN: the part of a history that the target is interested in."""

from collections.abc import Sequence

import keras

from clickwright.models.ctr import parts
from clickwright.models.layers.activation_unit import ActivationUnit
from clickwright.models.layers.batch_norm import BatchNorm
from clickwright.models.sequential import parts as sequence_parts
from clickwright.models.sequential.din_params import DINParams
from clickwright.schemas.model_input import ModelInput


def build_din(inputs: Sequence[ModelInput], params: DINParams) -> keras.Model:
    """`p = sigmoid(tower([c ; t ; u]))`.

    `c` are the context's embeddings, `t` is the target and `u = sum_l a_l s_l` its
    interest, the history weighed by `ActivationUnit`. Without a history `u` is zeros.
    With `official_head`, `u` is batch-normalized and projected, the tower's input is
    batch-normalized, and the logit has a bias an item. The order of a history does not
    matter, and ages of events are not read.

    With `V` table rows, `d` values an item, `N` values of the context, and widths `h`
    of the tower and `g` of the attention, parameters number `V D + 4 d g_1 + g_1 +
    sum_l (g_{l-1} g_l + g_l) + g_n + 1 + tower(N + 2 d) + h_n + 1`, kernels of vectors
    not counted; `official_head` adds `2 d + d d + d + 2 (N + 2 d)` and a float an item.

    Args:
        inputs: what the model reads, by name.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is no history of an item that the inputs name.

    References:
        Zhou et al., Deep Interest Network for Click-Through Rate Prediction, KDD 2018.
    """
    features = parts.symbolic_inputs(inputs)
    e = sequence_parts.embed(features, inputs, params, "din")
    interest = ActivationUnit(
        params.attention_units,
        activation=params.attention_activation,
        softmax=params.softmax,
        dropout=params.attention_dropout,
        name="attention",
    )({"target": e.target, "history": e.history, "mask": e.mask})  # [B, d]
    if params.official_head:
        interest = keras.layers.Dense(
            interest.shape[-1], kernel_initializer="glorot_normal", name="interest"
        )(BatchNorm(name="interest_norm")(interest))
    context = [] if e.context is None else [parts.flatten(e.context)]
    x = parts.concatenate([*context, e.target, interest])  # [B, N + 2 d]
    if params.official_head:
        x = BatchNorm(name="input_norm")(x)
    logit = parts.head(parts.tower(x, params))
    if params.official_head:
        target = sequence_parts.sequence_inputs(inputs, "din").target
        logit = parts.add([logit, parts.linear(features, [target], params)])
    return parts.click_model(features, logit, name="din")
