"""DIEN: how the interest that the target meets has evolved."""

from collections.abc import Sequence

import keras
from keras import ops

from clickwright.models.ctr import parts
from clickwright.models.layers.augru import AUGRU
from clickwright.models.layers.bilinear_attention import BilinearAttention
from clickwright.models.layers.next_behaviour import NextBehaviour
from clickwright.models.layers.right_padding import RightPadding
from clickwright.models.sequential import parts as sequence_parts
from clickwright.models.sequential.dien_params import DIENParams
from clickwright.schemas.model_input import ModelInput


def build_dien(inputs: Sequence[ModelInput], params: DIENParams) -> keras.Model:
    """`p = sigmoid(tower([c ; t ; h']))`.

    `c` are the context's embeddings and `t` is the target. A GRU makes states of the
    history, `BilinearAttention` weighs them by the target, and `h'` is the last state
    of an `AUGRU` on them. Without a history `h'` is zeros. The states depend on the
    history alone, so candidates share them. In training `NextBehaviour` teaches them;
    its network is no part of what is exported.

    Histories are padded on the right inside, whatever they come with. States at padding
    are never read, so the GRU runs without a mask, and counts in losses are of places
    that have a next event.

    With `V` table rows, `d` values an item, `N` values of the context, `s` of a state
    and widths `h`, parameters number `V D + 3 (d s + s s + 2 s) + 3 (2 s s + 2 s) + d s
    + tower(N + d + s) + h_n + 1`, and in training those of the auxiliary network on
    `s + d` values; `sum_pooling` widens the tower's input by `2 d`. Kernels of vectors
    are not counted.

    Args:
        inputs: what the model reads, by name.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`, and `logits`,
        `[batch, 1]`, which carries the auxiliary loss.

    Raises:
        ConfigError: there is no history of an item that the inputs name.

    References:
        Zhou et al., Deep Interest Evolution Network for Click-Through Rate Prediction,
        AAAI 2019.
    """
    features = parts.symbolic_inputs(inputs)
    e = sequence_parts.embed(features, inputs, params, "dien")
    events = RightPadding(name="right_padding")(
        {"history": e.history, "ids": e.history_ids, "mask": e.mask}
    )
    states = keras.layers.GRU(
        params.state_units or e.target.shape[-1], return_sequences=True, name="states"
    )(events["history"])  # [B, L, s]
    attention = BilinearAttention(name="attention")(
        {"target": e.target, "history": states, "mask": events["mask"]}
    )  # [B, L]
    last = AUGRU(states.shape[-1], params.augru, name="evolution")(
        {"history": states, "attention": attention, "mask": events["mask"]}
    )  # [B, s]
    context = [] if e.context is None else [parts.flatten(e.context)]
    pooled = []
    if params.sum_pooling:
        total = ops.sum(e.history, axis=1)  # [B, d]
        pooled = [total, e.target * total]
    x = parts.concatenate([*context, e.target, last, *pooled])
    logit = parts.head(parts.tower(x, params))
    logits = None
    if params.auxiliary_weight > 0:
        logits = NextBehaviour(
            params.auxiliary_weight, params.auxiliary_units, name="auxiliary"
        )({"logits": logit, "states": states, **events})
    return parts.click_model(features, logit, name="dien", logits=logits)
