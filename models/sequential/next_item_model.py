"""What all models of the next item have in common."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from keras import ops

from clickwright.models.layers.pack_history import pack_history
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.sequential.next_item_params import NextItemParams


class NextItemModel(RetrievalModel):
    """Reads a history, and scores the items that may come next.

    The query is the state at the last event of the history, which never depends on
    how much padding there is, or on which side. An empty history has some state too,
    always the same.

    Args:
        items: rows of the item table; row 0 is padding and is no item.
        length: places of a history. Longer ones are cut to their latest events.
        params: parameters, of the class `params_class`, or a dict of them.

    Input shape:
        Dict with `history`, int32 or int64 `[batch, any]`, oldest first, padded with
        0 on any side, and what else the class says.

    Output shape:
        `[batch, items]`, float32: scores of the next item; of padding minus infinity.

    Raises:
        ValueError: there are no items, or `length` is not positive.
    """

    params_class: ClassVar[type[NextItemParams]]
    """Class of its parameters."""
    along_history: ClassVar[tuple[str, ...]] = ()
    """Names of features that go along with the history, `[batch, any]`."""

    def __init__(
        self,
        items: int,
        length: int,
        params: NextItemParams | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(items, length, **kwargs)
        if length < 1:
            raise ValueError(f"`length` must be 1 or more. Received: {length}")
        self.params: Any = (
            params
            if isinstance(params, self.params_class)
            else self.params_class.model_validate(params or {}, strict=False)
        )

    @abc.abstractmethod
    def states(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """What the model knows after each event, `[batch, length, d]`, float32.

        Args:
            features: as `aligned` gives them: the padding is on the side `pads`.
            training: whether dropout is on.
        """

    def query(self, features: Mapping[str, Any], training: bool = False) -> Any:
        """The state at the last event, `[batch, d]`, float32."""
        features = self.aligned(features)
        return self.last(self.states(features, training), features["history"])

    def aligned(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """The history and what goes along, padded on the side `pads`.

        They have `length` places; the latest events are kept.
        """
        names = ("history", *(n for n in self.along_history if n in features))
        history = ops.cast(features["history"], "int32")
        others = [features[n] for n in names[1:]]
        packed = pack_history(history, "left", *others)
        cut = [self._cut(x) for x in packed]  # [B, L]
        if self.pads == "right":
            cut = list(pack_history(cut[0], "right", *cut[1:]))
        return {**features, **dict(zip(names, cut, strict=True))}

    def last(self, states: Any, history: Any) -> Any:
        """Of states `[batch, length, d]` those at the last event, `[batch, d]`."""
        if self.pads == "left":
            return states[:, -1]
        count = ops.sum(ops.cast(ops.not_equal(history, 0), "int32"), axis=1)  # [B]
        place = ops.reshape(ops.maximum(count - 1, 0), (-1, 1, 1))
        return ops.squeeze(ops.take_along_axis(states, place, axis=1), axis=1)

    def get_config(self) -> dict[str, Any]:
        """All arguments."""
        return {**super().get_config(), "params": self.params.model_dump(mode="json")}

    def _cut(self, x: Any) -> Any:
        # More padding than ever needed, so that any number of places can come in.
        latest = ops.pad(x, [[0, 0], [self.length, 0]])[:, -self.length :]
        return ops.reshape(latest, (-1, self.length))  # the graph may not know it
