"""The part of a trained model that scores."""

import math

import keras

from clickwright.models.layers.probability import Probability


def scoring_model(
    model: keras.Model, negative_sampling_rate: float = 1.0
) -> keras.Model:
    """The part of a model that gives the click probability, `[batch]`.

    Layers that feed training's other outputs alone stay behind. A model that saw only
    a share `r` of the negatives takes clicks for more frequent than they are; the
    correction `p' = r p / (1 - p + r p)` adds `log r` to the logit, and changes no
    row's rank.

    Args:
        model: a model that `registry.build` made.
        negative_sampling_rate: share of the negatives that training saw.

    Raises:
        ValueError: the rate is not a share.

    References:
        He et al., Practical Lessons from Predicting Clicks on Ads at Facebook,
        ADKDD 2014, section 6.3.
    """
    if not 0.0 < negative_sampling_rate <= 1.0:
        raise ValueError(
            "`negative_sampling_rate` must be in (0, 1]. "
            f"Received: {negative_sampling_rate}"
        )
    probability = model.output["probability"]
    if negative_sampling_rate < 1.0:
        logit = model.get_layer("probability").input  # [B, 1]
        probability = Probability()(logit + math.log(negative_sampling_rate))
    return keras.Model(model.input, probability)
