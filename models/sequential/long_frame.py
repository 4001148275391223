"""What all models of a long history have in common."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from clickwright.models.ctr import parts
from clickwright.models.layers.latest_items import LatestItems
from clickwright.models.layers.multi_head_target_attention import (
    MultiHeadTargetAttention,
)
from clickwright.models.sequential import parts as sequential
from clickwright.models.sequential.embedded import Embedded
from clickwright.models.sequential.long_params import LongParams
from clickwright.schemas.model_input import ModelInput


@dataclasses.dataclass(frozen=True)
class LongFrame:
    """A short part and a place for a long one: `tower([context ; t ; short ; long])`.

    The short part is multi-head target attention over the last `short_length` items,
    whichever side the padding is on. Models add a long part, of the whole history.
    With `N` values before it, a tower has `sum_l (h_{l-1} h_l + h_l) + h_L + 1`
    parameters, and an attention `4 d attention_dim`.

    Attributes:
        name: name of the model.
        params: its parameters.
        features: the symbolic inputs.
        embedded: target, history and context.
        context: the context side by side, `[batch, F * D]`; in a list, which is empty
            where there is none.
        short: the short part, `[batch, d]`.
    """

    name: str
    params: LongParams
    features: Mapping[str, Any]
    embedded: Embedded
    context: Sequence[Any]
    short: Any

    @classmethod
    def of(
        cls, inputs: Sequence[ModelInput], params: LongParams, name: str
    ) -> "LongFrame":
        """Embeds the inputs and makes the short part.

        Raises:
            ConfigError: there is no history.
        """
        features = parts.symbolic_inputs(inputs)
        embedded = sequential.embed(features, inputs, params, name)
        history, mask = LatestItems(params.short_length, name="latest")(
            {"history": embedded.history, "mask": embedded.mask}
        )
        short = _attend(embedded.target, history, mask, params, "short_attention")
        fields = embedded.context
        context = [] if fields is None else [parts.flatten(fields)]
        return cls(name, params, features, embedded, context, short)

    @property
    def searched(self) -> dict[str, Any]:
        """Target, history and mask, as layers that search a history take them."""
        e = self.embedded
        return {"target": e.target, "history": e.history, "mask": e.mask}

    @property
    def length(self) -> int:
        """Items of the longest history."""
        return int(self.embedded.history.shape[1])

    def attend(self, history: Any, mask: Any) -> Any:
        """The long part: attention over what a search has found, `[batch, d]`."""
        return _attend(
            self.embedded.target, history, mask, self.params, "long_attention"
        )

    def logit(self, *interests: Any, name: str = "") -> Any:
        """The logit of a tower over context, target and interests, `[batch, 1]`."""
        values = [*self.context, self.embedded.target, *interests]
        x = parts.concatenate(values, name=f"{name}joined")
        return parts.head(
            parts.tower(x, self.params, name=f"{name}tower"), name=f"{name}head"
        )

    def model(self, long: Any, auxiliary: Any = None) -> keras.Model:
        """The model with this long part.

        Args:
            long: `[batch, d]`.
            auxiliary: a logit that only training has, `[batch, 1]`.
        """
        logit = self.logit(self.short, long)
        logits = None
        if auxiliary is not None:
            logits = keras.layers.Concatenate(dtype="float32", name="logits")(
                [logit, auxiliary]
            )
        return parts.click_model(self.features, logit, self.name, logits)


def _attend(target: Any, history: Any, mask: Any, params: LongParams, name: str) -> Any:
    return MultiHeadTargetAttention(
        params.attention_dim,
        params.heads,
        dropout=params.attention_dropout,
        name=name,
    )({"target": target, "history": history, "mask": mask})
