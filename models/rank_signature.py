"""The signature that scores many items for one user."""

from collections.abc import Callable, Collection, Mapping

import keras
import tensorflow as tf

from clickwright.models.ranking import ranking_model
from clickwright.schemas.spec import CrossFeature, FeatureSpec, SequenceFeature, age_of

Columns = Mapping[str, tf.Tensor]


def rank_signature(
    spec: FeatureSpec,
    model: keras.Model,
    transform: Callable[[Columns, Collection[str]], Mapping[str, tf.Tensor]],
    columns: Mapping[str, tf.TensorSpec],
) -> tuple[Callable[[Columns], dict[str, tf.Tensor]], dict[str, tf.TensorSpec]] | None:
    """The function of raw columns, and what it takes.

    Columns that features of the role `item` read hold one row an item, all others one
    row. Each side is transformed for itself, so that the user's row is looked up once;
    what reads columns of both sides, such as a cross, sees the user's row repeated.

    Args:
        spec: the feature spec.
        model: gives a probability of the transformed tensors.
        transform: from raw columns, as `columns` describes them, to the tensors named.
        columns: what a batch of rows holds.

    Returns:
        None where no feature of the role `item` reads a column.
    """
    of_items = item_columns(spec)
    if not of_items:
        return None
    reads = _reads(spec)
    sides: dict[str, dict[str, set[str]]] = {"user": {}, "item": {}, "both": {}}
    for tensor in model.input:
        own = reads[tensor]
        mixed = "item" if own <= of_items else "both"
        sides["user" if own.isdisjoint(of_items) else mixed][tensor] = own
    ranked = ranking_model(model, {*sides["item"], *sides["both"]})
    shapes = {name: tensor.shape for name, tensor in ranked.input.items()}
    first = min(of_items)

    def rank(given: Columns) -> dict[str, tf.Tensor]:
        count = tf.shape(given[first])[0]

        def repeated(name: str) -> tf.Tensor:
            if name in of_items:
                return given[name]
            return tf.gather(given[name], tf.zeros([count], tf.int32))

        features: dict[str, tf.Tensor] = {}
        for side, tensors in sides.items():
            names = sorted(set().union(*tensors.values()))
            if names:
                take = repeated if side == "both" else given.__getitem__
                found = transform({name: take(name) for name in names}, tensors)
                # Layers see by the shape that this is one row.
                features |= {t: tf.ensure_shape(found[t], shapes[t]) for t in tensors}
        return {"probability": ranked(features, training=False)}

    return rank, {
        name: column
        if name in of_items
        else tf.TensorSpec([1, *column.shape[1:]], column.dtype, name=name)
        for name, column in columns.items()
    }


def item_columns(spec: FeatureSpec) -> set[str]:
    """The columns that hold one row an item in `rank`: what items' features read."""
    return {
        column
        for name, feature in spec.features.items()
        if feature.role == "item" and name not in spec.item_features()
        for column in _own_columns(spec, name)
    }


def _own_columns(spec: FeatureSpec, name: str) -> list[str]:
    """The columns that the feature alone reads; a cross has none."""
    feature = spec.features[name]
    if isinstance(feature, CrossFeature):
        return []
    columns = [spec.column_of(name)]
    if isinstance(feature, SequenceFeature):
        columns += [side.column for side in feature.side.values()]
        columns += [feature.times] if feature.times else []
    return columns


def _reads(spec: FeatureSpec) -> dict[str, set[str]]:
    """The columns behind each tensor of the model."""
    found: dict[str, set[str]] = {}
    for name, feature in spec.features.items():
        columns = set(_own_columns(spec, name))
        tensors = [name]
        if isinstance(feature, CrossFeature):
            columns |= {spec.column_of(part) for part in feature.of}
        if isinstance(feature, SequenceFeature):
            tensors += [f"{name}__{side}" for side in feature.side]
            if feature.times and spec.timestamp:
                tensors.append(age_of(name))
                columns.add(spec.timestamp)
        found |= dict.fromkeys(tensors, columns)
    return found
