"""TWIN: one attention that searches by the scores that it weighs by."""

from collections.abc import Sequence

import keras

from clickwright.models.layers.top_target_attention import TopTargetAttention
from clickwright.models.sequential.long_frame import LongFrame
from clickwright.models.sequential.twin_params import TWINParams
from clickwright.schemas.model_input import ModelInput


def build_twin(inputs: Sequence[ModelInput], params: TWINParams) -> keras.Model:
    """`LongFrame` whose long part is `TopTargetAttention` over the whole history.

    Side sequences of the history that the target has no counterpart of, such as the
    ages of the events, are its cross features: they bias the scores and stand beside
    the items in the values.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is no history.

    References:
        Chang et al., TWIN: TWo-stage Interest Network for Lifelong User Behavior
        Modeling in CTR Prediction at Kuaishou, KDD 2023 (arXiv 2302.02352).
    """
    frame = LongFrame.of(inputs, params, "twin")
    searched = frame.searched
    if frame.embedded.history_extra is not None:
        searched["extra"] = frame.embedded.history_extra
    long = TopTargetAttention(
        params.attention_dim,
        params.top,
        params.heads,
        params.attention_dropout,
        name="long_attention",
    )(searched)
    return frame.model(long)
