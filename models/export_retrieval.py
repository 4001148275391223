"""Retrieval model and transform graph in one SavedModel."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from clickwright.models.export import MISSING, parsed_like, write_archive
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.models.transform_graph import TransformGraph
from clickwright.schemas.spec import CategoricalFeature, FeatureSpec

TOP_K = 100
"""Items that `top_k` gives unless told otherwise."""


def export_retrieval(
    model: RetrievalModel,
    transform_output: tft.TFTransformOutput,
    spec: FeatureSpec,
    inputs: RetrievalInputs,
    values: Sequence[str],
    directory: pathlib.Path,
    k: int = TOP_K,
) -> None:
    """Writes a SavedModel that finds items for raw requests.

    A request is one tensor a column that it is made of: the lists of earlier items,
    `[batch, length]`, padded at the end as in `predict_raw` of click models, and the
    user, `[batch]`, where the model has one.

    * `top_k`: gives `items`, the best items as they stand in the log, best first,
      `[batch, k]`, and `scores`, float32 `[batch, k]`. Items in any list of the
      request are not among them, nor are unknown ones. Where fewer than `k` items are
      left, the last have the score minus infinity and stand for nothing.
    * `serving_default`: the same of `examples`, serialized tf.Examples, `[batch]`.
    * `embed_user`: gives `embedding`, float32 `[batch, d]`, of requests.
    * `embed_item`: of items, in the column of the item, `[N]`, gives `embedding`,
      float32 `[N, d]`, and `bias`, `[N]`, where the model has one; the product with
      the request's embedding plus the bias is the score. Missing items get zeros.

    The items' vectors are computed once, here. Where they are a variable of the model
    as it stands, there is no second copy; what nothing reads any more, such as the
    content they were made of, stays behind.

    Args:
        model: a trained model.
        transform_output: the transform graph.
        spec: the feature spec.
        inputs: what a request is made of, and what it finds.
        values: the items of the vocabulary as text, in the order of their ids from 1.
        directory: folder of the SavedModel.
        k: items that `top_k` gives; all there are when that is less.

    Raises:
        MachineError: the folder cannot be written to, or the disk is full.
    """
    transform = TransformGraph(transform_output)
    raw = transform_output.raw_feature_spec()
    model.by_length = False  # a few requests gain nothing, and the graph stays small
    query = {name: inputs.query[name] for name in model.reads}
    read = {i.name: i for i in (*query.values(), *inputs.seen)}
    columns = spec.columns()
    parsing = {name: raw[name] for name in request_columns(model, inputs, spec)}
    item_column = spec.column_of(inputs.item.name)
    matrix = _matrix(model)
    bias = model.item_bias()
    bias = None if bias is None else keras.Variable(bias, trainable=False)
    is_item = np.zeros(model.items, bool)
    is_item[1 : 1 + len(values)] = True
    as_logged = found_as(spec, inputs.item.name, values, model.items)
    count = min(k, len(values))

    def transformed(columns: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        return transform(columns, read)

    def vectors(tensors: Mapping[str, tf.Tensor]) -> tf.Tensor:
        features = {name: tensors[i.name] for name, i in query.items()}
        return model.query(features)

    def best(tensors: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        scores = tf.matmul(vectors(tensors), matrix.value, transpose_b=True)
        if bias is not None:
            scores += bias.value
        scores = tf.where(is_item, scores, -np.inf)  # [B, items]
        for i in inputs.seen:
            ids = tf.cast(tensors[i.name], tf.int32)  # [B, L]
            rows = tf.broadcast_to(tf.range(tf.shape(ids)[0])[:, None], tf.shape(ids))
            places = tf.reshape(tf.stack([rows, ids], axis=-1), [-1, 2])
            scores = tf.tensor_scatter_nd_update(
                scores, places, tf.fill([tf.shape(places)[0]], -np.inf)
            )
        top, ids = tf.math.top_k(scores, count)
        return {"items": tf.gather(as_logged, ids), "scores": top}

    def given(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return transformed({n: parsed_like(columns[n], parsing[n]) for n in parsing})

    def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return best(transformed(tf.io.parse_example(examples, parsing)))

    def top_k(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return best(given(columns))

    def embed_user(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"embedding": vectors(given(columns))}

    def embed_item(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        parsed = parsed_like(columns[item_column], raw[item_column])
        name = inputs.item.name
        ids = transform({item_column: parsed}, [name])[name]
        found = {"embedding": tf.gather(matrix.value, ids)}
        if bias is not None:
            found["bias"] = tf.gather(bias.value, ids)
        return found

    request = {
        name: tf.TensorSpec(
            [None, None] if columns[name].is_list else [None],
            parsing[name].dtype,
            name=name,
        )
        for name in parsing
    }
    of_item = tf.TensorSpec([None], raw[item_column].dtype, name=item_column)
    archive = keras.export.ExportArchive()
    archive.track(
        transform.resources
    )  # its vocabularies; variables are found by themselves
    archive.add_endpoint(
        "serving_default",
        serving_default,
        [tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint("top_k", top_k, [request])
    archive.add_endpoint("embed_user", embed_user, [request])
    archive.add_endpoint("embed_item", embed_item, [{item_column: of_item}])
    write_archive(archive, directory)


def _matrix(model: RetrievalModel) -> keras.Variable:
    """The items' vectors, in a variable of the model if one holds just these."""
    matrix = np.asarray(model.item_matrix())
    for variable in model.variables:
        if tuple(variable.shape) == matrix.shape and np.array_equal(
            variable.numpy(), matrix
        ):
            return variable
    return keras.Variable(matrix, trainable=False, name="item_matrix")


def request_columns(
    model: RetrievalModel, inputs: RetrievalInputs, spec: FeatureSpec
) -> list[str]:
    """Returns the columns that a request holds."""
    read = [inputs.query[name] for name in model.reads]
    return sorted({spec.column_of(i.name) for i in (*read, *inputs.seen)})


def found_as(
    spec: FeatureSpec, item: str, values: Sequence[str], rows: int
) -> tf.Tensor:
    """Returns what each row of the item table stands for in the log, `[rows]`."""
    feature = spec.features[item]
    if not isinstance(feature, CategoricalFeature):
        raise TypeError(f"`{item}` must be categorical. Received: {feature.kind}")
    dtype = tf.as_dtype(feature.dtype)
    whole = np.full(rows, MISSING[dtype], object)
    whole[1 : 1 + len(values)] = values
    if dtype == tf.int64:
        whole = whole.astype(np.int64)
    return tf.constant(whole.tolist(), dtype)
