"""Scoring many items for one user."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras
import keras_rs

from clickwright.models.layers.cross_once import CrossOnce
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.join_sides import JoinSides
from clickwright.models.layers.mlp import MLP
from clickwright.models.layers.repeat_rows import RepeatRows
from clickwright.models.layers.side_embedding import SideEmbedding
from clickwright.models.layers.user_once import UserOnce
from clickwright.models.sides import Beside, Crossed, Sides
from clickwright.schemas.model_input import ModelInput


def ranking_model(
    model: keras.Model, items: Collection[str] | None = None
) -> keras.Model:
    """Returns a model that scores `N` items for one row of everything else.

    It runs the layers of `model`, with their weights. What depends on the user and the
    context alone is computed for one row, however many items there are, and repeated
    where it first meets what depends on an item. A layer with a true `mixes_batches`
    is given both as they are: it broadcasts, as an attention of many targets over one
    history does.

    Embeddings are looked up for each side apart, and stay apart until the first layer
    that mixes their values; of a dense layer, or a tower that starts with one, and of
    full-matrix cross layers before it, the user's part is multiplied once.

    Args:
        model: a functional model of a dict of tensors, such as `registry.build` made;
            its layers stay its own.
        items: names of the inputs that hold one row an item; when None, those that the
            layers of the model say have the role `item`.

    Returns:
        A model of the same inputs, `items` of batch `N` and all others of batch 1,
        giving what `model` gives, of batch `N`.

    Raises:
        ValueError: no input has the batch `N`.
    """
    chosen = set(items_of(model) if items is None else items) & set(model.input)
    if not chosen:
        raise ValueError(
            f"`items` must name inputs of the model, {sorted(model.input)}. Received: "
            f"{items}"
        )
    inputs = {
        name: keras.Input(
            batch_shape=(None if name in chosen else 1, *tensor.shape[1:]),
            dtype=tensor.dtype,
            name=name,
        )
        for name, tensor in model.input.items()
    }
    like = inputs[min(chosen)]

    def replayed(layer: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            found = apart(layer, args, kwargs)
            if found is not None:
                return found
            args, kwargs = keras.tree.map_structure(joined, (args, kwargs))
            if not getattr(layer, "mixes_batches", False):
                tensors = keras.tree.flatten((args, kwargs))
                if any(_one_an_item(x) for x in tensors):
                    args, kwargs = keras.tree.map_structure(repeated, (args, kwargs))
            return layer(*args, **kwargs)

        return call

    def apart(layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What a layer gives that can keep both sides apart; None where none can."""
        if not args or any(_is_apart(x) for x in kwargs.values()):
            return None
        x = args[0]
        if type(layer) is FusedEmbedding:
            return _embedded(layer, x)
        if isinstance(layer, keras.layers.Concatenate):
            return _concatenated(layer, x)
        if isinstance(x, Crossed | Beside) and _starts_dense(layer):
            return _after_crosses(layer, x)
        if not isinstance(x, Sides):
            return None
        if isinstance(layer, keras.layers.Flatten):
            return _flattened(layer, x)
        if _starts_dense(layer):
            return once(layer, x)
        if _is_plain_cross(layer):
            before = args[-1]
            if before is x:
                return Crossed(x, (layer,))
            if isinstance(before, Crossed) and before.start is x:
                return Crossed(x, (*before.layers, layer))
        return None

    layers: dict[Any, UserOnce] = {}

    def once(layer: Any, x: Sides) -> Any:
        key = (id(layer), x.user_places)
        if key not in layers:
            layers[key] = UserOnce(layer, x.user_places, x.item_places)
        return layers[key]((x.user, x.item))

    copies: dict[int, Any] = {}

    def repeated(x: Any) -> Any:
        if not isinstance(x, keras.KerasTensor) or _one_an_item(x):
            return x
        if id(x) not in copies:
            copies[id(x)] = RepeatRows()((x, like))
        return copies[id(x)]

    whole: dict[int, Any] = {}

    def joined(x: Any) -> Any:
        if not _is_apart(x):
            return x
        if id(x) not in whole:
            whole[id(x)] = together(x)
        return whole[id(x)]

    def together(x: Sides | Crossed | Beside) -> Any:
        if isinstance(x, Sides):
            return JoinSides(x.user_places, x.item_places)((x.user, x.item))
        if isinstance(x, Beside):
            return x.layer([joined(part) for part in x.parts])
        start = joined(x.start)
        first, *others = x.layers
        crossed = start * once(first.dense, x.start) + start
        for layer in others:
            crossed = layer(start, crossed)
        return crossed

    names = {id(tensor): name for name, tensor in model.input.items()}
    outputs = model._run_through_graph(
        [inputs[names[id(tensor)]] for tensor in model.inputs], operation_fn=replayed
    )
    outputs = keras.tree.map_structure(lambda x: repeated(joined(x)), outputs)
    return keras.Model(inputs, outputs, name=model.name)


def items_of(model: keras.Model) -> set[str]:
    """Names of the inputs that the model's layers say have the role `item`."""
    return {
        i.name
        for layer in model._flatten_layers()
        for i in getattr(layer, "inputs", None) or ()
        if isinstance(i, ModelInput) and i.role == "item"
    }


def _one_an_item(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor) and bool(x.shape) and x.shape[0] is None


def _is_apart(x: Any) -> bool:
    return isinstance(x, Sides | Crossed | Beside)


def _is_plain_cross(layer: Any) -> bool:
    """Whether it is `x_0 * (K x + b) + x`."""
    return (
        isinstance(layer, keras_rs.layers.FeatureCross)
        and layer.projection_dim is None
        and not layer.diag_scale
        and layer.use_bias
        and layer.dense.activation is keras.activations.linear
    )


def _after_crosses(layer: Any, x: Crossed | Beside) -> Any:
    """What a dense layer or tower gives; None where the plain way is as cheap."""
    parts: list[Any] = list(x.parts) if isinstance(x, Beside) else [x]
    place = next(n for n, part in enumerate(parts) if isinstance(part, Crossed))
    crossed = parts.pop(place)
    start, depth = crossed.start, len(crossed.layers)
    own = len(start.item_places)
    width = own + len(start.user_places)
    if own**2 * (depth + 1) >= 2 * width**2:
        return None
    before, after = parts[:place], parts[place:]
    others = [
        side[0] if len(side) == 1 else keras.layers.Concatenate()(side)
        for side in (before, after)
        if side
    ]
    once = CrossOnce(
        [cross.dense for cross in crossed.layers],
        layer,
        start.user_places,
        start.item_places,
        sum(part.shape[1] for part in before),
    )
    return once([start.user, start.item, *others])


def _starts_dense(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Dense) or (
        isinstance(layer, MLP) and bool(layer.steps)
    )


def _embedded(layer: FusedEmbedding, inputs: Mapping[str, Any]) -> Sides | None:
    """The fields of both sides; None where only one side has any."""
    own = {i.name: inputs[i.name] for i in layer.inputs}
    apart = SideEmbedding(layer, [name for name, x in own.items() if _one_an_item(x)])
    if not apart.user_places or not apart.item_places:
        return None
    user, item = apart(own)
    return Sides(user, item, apart.user_places, apart.item_places)


def _flattened(layer: keras.layers.Flatten, x: Sides) -> Sides:
    """Both sides of `[batch, n, ...]` as `[batch, n * ...]`."""
    width = math.prod(x.item.shape[2:])

    def places(fields: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(f * width + n for f in fields for n in range(width))

    return Sides(
        layer(x.user), layer(x.item), places(x.user_places), places(x.item_places)
    )


def _concatenated(
    layer: keras.layers.Concatenate, xs: Sequence[Any]
) -> Sides | Beside | None:
    """Both sides, each put together for itself; None where only one side is there.

    Crosses stay what they are beside tensors of the items.
    """
    if any(isinstance(x, Crossed | Beside) for x in xs):
        crosses = [x for x in xs if isinstance(x, Crossed)]
        tensors = [x for x in xs if _one_an_item(x) and len(x.shape) == 2]
        simple = len(crosses) == 1 and len(tensors) == len(xs) - 1
        return Beside(tuple(xs), layer) if simple else None
    ranks = {len(x.item.shape if isinstance(x, Sides) else x.shape) for x in xs}
    if layer.axis != 1 and (layer.axis != -1 or ranks != {2}):
        return None
    sides: tuple[list[Any], list[Any]] = ([], [])
    places: tuple[list[int], list[int]] = ([], [])
    start = 0
    for x in xs:
        if isinstance(x, Sides):
            parts = [(0, x.user, x.user_places), (1, x.item, x.item_places)]
        else:
            parts = [(int(_one_an_item(x)), x, tuple(range(x.shape[1])))]
        for side, tensor, own in parts:
            sides[side].append(tensor)
            places[side].extend(start + place for place in own)
        start += sum(len(own) for _, _, own in parts)
    if not sides[0] or not sides[1]:
        return None
    user, item = (own[0] if len(own) == 1 else layer(own) for own in sides)
    return Sides(user, item, tuple(places[0]), tuple(places[1]))
