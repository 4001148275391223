"""SIM: a search in the history before the attention."""

from collections.abc import Sequence

import keras

from clickwright.models.layers.same_value import SameValue
from clickwright.models.layers.soft_search import SoftSearch
from clickwright.models.layers.top_items import TopItems
from clickwright.models.losses.weighted_cross_entropies import WeightedCrossEntropies
from clickwright.models.sequential.long_frame import LongFrame
from clickwright.models.sequential.parts import sequence_inputs
from clickwright.models.sequential.sim_params import SIMParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput


def build_sim(inputs: Sequence[ModelInput], params: SIMParams) -> keras.Model:
    """`LongFrame` whose long part is attention over the items that a search finds.

    The soft search scores items by `c_l = (t A) . (s_l B)` and takes the `top` ones.
    `A` and `B` learn from a logit of their own, of a tower over context, target and
    `sum_l c_l s_l`, which only training has; with it there are `2 d attention_dim`
    parameters and a tower more. The hard search takes the latest `top` items of the
    target's category, and has no parameters: its history has a side sequence of the
    categories.

    Args:
        inputs: named tensors that the model reads.
        params: parameters.

    Returns:
        A model of a dict of tensors, giving `{"probability": [batch]}` and, with the
        soft search, `"logits": [batch, 2]`, the second one the search's own.

    Raises:
        ConfigError: there is no history, or the hard search has no side sequence.

    References:
        Pi et al., Search-based User Interest Modeling with Lifelong Sequential
        Behavior Data, CIKM 2020 (arXiv 2006.05639); soft search as in FuxiCTR.
    """
    frame = LongFrame.of(inputs, params, "sim")
    history, mask = frame.embedded.history, frame.embedded.mask
    if params.search == "hard":
        side, own = _category(inputs, params)
        mask = SameValue(name="same_category")(
            {
                "target": frame.features[own.name],
                "history": frame.features[side.name],
                "mask": mask,
            }
        )  # [B, L]
        searched = {"history": history, "mask": mask}
        auxiliary = None
    else:
        scores = SoftSearch(params.attention_dim, name="search")(frame.searched)
        pooled = keras.layers.Dot(axes=1, name="pooled")([scores, history])  # [B, d]
        auxiliary = frame.logit(pooled, name="search_")
        searched = {"history": history, "mask": mask, "scores": scores}
    if params.top < frame.length:
        history, mask = TopItems(params.top, name="found")(searched)
    return frame.model(frame.attend(history, mask), auxiliary)


def sim_loss(params: SIMParams) -> WeightedCrossEntropies:
    """Cross-entropy of the model and, of the soft search, its own."""
    soft = params.search == "soft"
    return WeightedCrossEntropies((1.0, params.auxiliary_weight) if soft else (1.0,))


def _category(
    inputs: Sequence[ModelInput], params: SIMParams
) -> tuple[ModelInput, ModelInput]:
    """The side sequence that is searched, and the input of the target."""
    sides = {
        own.name: (side, own)
        for side, own in sequence_inputs(inputs, "sim").sides
        if own is not None
    }
    name = params.category or next(iter(sides), None)
    if name not in sides:
        found = ", ".join(f"`{n}`" for n in sides) or "none"
        wanted = f" of `{params.category}`" if params.category else ""
        raise ConfigError(
            f"The hard search of `sim` needs a side sequence{wanted} of the history; "
            f"there are those of: {found}.",
            where="model.params",
            fix="give the history a `side` of a categorical feature of the item, or "
            "set `search: soft`",
        )
    return sides[name]
