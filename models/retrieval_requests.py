"""Golden requests of an exported retrieval model."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from clickwright.models.export_retrieval import TOP_K, found_as, request_columns
from clickwright.models.request_files import (
    dense_columns,
    kept_columns,
    predict_log,
    write_requests,
)
from clickwright.models.request_rows import RequestRows
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.retrieval.retrieval_model import RetrievalModel
from clickwright.schemas.spec import FeatureSpec


def write_retrieval_requests(
    model: RetrievalModel,
    transform_output: tft.TFTransformOutput,
    spec: FeatureSpec,
    inputs: RetrievalInputs,
    values: Sequence[str],
    directory: pathlib.Path,
    rows: RequestRows,
    k: int = TOP_K,
) -> None:
    """Writes golden and warm-up requests into what `export_retrieval` wrote.

    They ask `serving_default`, `top_k` and `embed_user` for the rows' requests, and
    `embed_item` for the rows' items. The answers come from the transform graph and
    the model, run on whole rows as training runs them.

    Args:
        model: the trained model.
        transform_output: the transform graph.
        spec: the feature spec.
        inputs: as for `export_retrieval`, like what follows.
        values: the items of the vocabulary as text.
        directory: folder of the SavedModel.
        rows: what is asked for, and how much of it at once.
        k: items that `top_k` gives.

    Raises:
        MachineError: a file cannot be written, or the disk is full.
    """
    raw = transform_output.raw_feature_spec()
    parsing = {name: raw[name] for name in request_columns(model, inputs, spec)}
    lists = {name for name in parsing if spec.columns()[name].is_list}
    item_column = spec.column_of(inputs.item.name)

    def inputs_of(count: int) -> dict[str, dict[str, Any]]:
        whole = rows.repeated(count)
        asked = [kept_columns(row, parsing) for row in whole]
        columns = dense_columns(asked, parsing, lists)
        items = dense_columns(whole, {item_column: raw[item_column]}, ())
        return {
            "serving_default": {"examples": np.array(asked, object)},
            "top_k": columns,
            "embed_user": columns,
            "embed_item": items,
        }

    tensors = transform_output.transform_features_layer()(
        tf.io.parse_example(list(rows.rows), raw)
    )
    query = {
        name: tensors[i.name] for name, i in inputs.query.items() if name in model.reads
    }
    scores = np.array(model.scores(query))  # [rows, items]
    scores[:, 1 + len(values) :] = -np.inf
    for i in inputs.seen:
        np.put_along_axis(scores, tensors[i.name].numpy(), -np.inf, axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, : min(k, len(values))]
    found = {
        "items": found_as(spec, inputs.item.name, values, model.items).numpy()[best],
        "scores": np.take_along_axis(scores, best, axis=1),
    }
    ids = tensors[inputs.item.name].numpy()
    of_item = {"embedding": np.asarray(model.item_matrix())[ids]}
    bias = model.item_bias()
    if bias is not None:
        of_item["bias"] = np.asarray(bias)[ids]
    wanted = {
        "serving_default": found,
        "top_k": found,
        "embed_user": {"embedding": np.asarray(model.query(query))},
        "embed_item": of_item,
    }
    golden = [
        predict_log(
            signature,
            own,
            {name: x[:count] for name, x in wanted[signature].items()},
        )
        for count in rows.golden_sizes
        for signature, own in inputs_of(count).items()
    ]
    warmup = [
        predict_log(signature, own)
        for count in rows.batch_sizes
        for signature, own in inputs_of(count).items()
    ]
    write_requests(directory, golden, warmup)
