"""SDIM: the items of a history whose hash is the target's."""

from collections.abc import Sequence

import keras

from clickwright.models.layers.bucket_attention import BucketAttention
from clickwright.models.sequential.long_frame import LongFrame
from clickwright.models.sequential.sdim_params import SDIMParams
from clickwright.schemas.model_input import ModelInput


def build_sdim(inputs: Sequence[ModelInput], params: SDIMParams) -> keras.Model:
    """`LongFrame` whose long part sums the items in the target's hash buckets.

    Buckets come from the signs of random projections, which never learn and are saved
    with the model. Sums by bucket say all of a history that a target asks for: many
    targets of one user cost nothing that depends on its length.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}`.

    Raises:
        ConfigError: there is no history.

    References:
        Cao et al., Sampling Is All You Need on Modeling Long-Term User Behaviors for
        CTR Prediction, CIKM 2022 (arXiv 2205.10249).
    """
    frame = LongFrame.of(inputs, params, "sdim")
    long = BucketAttention(
        params.hashes,
        params.hash_bits,
        params.l2_norm,
        params.hash_seed,
        name="long_attention",
    )(frame.searched)
    return frame.model(long)
