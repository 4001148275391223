"""Scoring many items for one user."""

from collections.abc import Callable, Collection
from typing import Any

import keras

from clickwright.models.layers.repeat_rows import RepeatRows
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
            if not getattr(layer, "mixes_batches", False):
                tensors = keras.tree.flatten((args, kwargs))
                if any(_one_an_item(x) for x in tensors):
                    args, kwargs = keras.tree.map_structure(repeated, (args, kwargs))
            return layer(*args, **kwargs)

        return call

    copies: dict[int, Any] = {}

    def repeated(x: Any) -> Any:
        if not isinstance(x, keras.KerasTensor) or _one_an_item(x):
            return x
        if id(x) not in copies:
            copies[id(x)] = RepeatRows()((x, like))
        return copies[id(x)]

    names = {id(tensor): name for name, tensor in model.input.items()}
    outputs = model._run_through_graph(
        [inputs[names[id(tensor)]] for tensor in model.inputs], operation_fn=replayed
    )
    outputs = keras.tree.map_structure(repeated, outputs)
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
