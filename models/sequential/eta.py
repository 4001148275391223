"""ETA: a search by hashes in the history before the attention."""

from collections.abc import Sequence

import keras

from clickwright.models.layers.hamming_distance import HammingDistance
from clickwright.models.layers.top_items import TopItems
from clickwright.models.sequential.eta_params import ETAParams
from clickwright.models.sequential.long_frame import LongFrame
from clickwright.schemas.model_input import ModelInput


def build_eta(inputs: Sequence[ModelInput], params: ETAParams) -> keras.Model:
    """`LongFrame` whose long part is attention over the items with near hashes.

    Items and target are hashed by the signs of random projections, which never learn
    and are saved with the model; the `top` items whose hashes differ least are found.
    Where histories are no longer than `top` there is nothing to search.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is no history.

    References:
        Chen et al., End-to-End User Behavior Retrieval in Click-Through Rate
        Prediction Model, 2021 (arXiv 2108.04468).
    """
    frame = LongFrame.of(inputs, params, "eta")
    history, mask = frame.embedded.history, frame.embedded.mask
    if params.top < frame.length:
        distance = HammingDistance(params.hash_bits, params.hash_seed, name="distance")(
            frame.searched
        )  # [B, L]
        history, mask = TopItems(params.top, name="found")(
            {"history": history, "mask": mask, "scores": -distance}
        )
    return frame.model(frame.attend(history, mask))
