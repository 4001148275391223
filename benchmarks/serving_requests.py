"""The same rows of the shop's log as requests to each signature."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from clickwright.serving.client.exchange import Exchange


def score_requests(
    model: pathlib.Path, log: pa.Table, count: int
) -> dict[str, PredictRequest]:
    """One user and `count` items, as each signature takes them.

    The user is the row with the longest history; the items are those of rows drawn at
    random.

    Args:
        model: folder of a version.
        log: rows with the columns that requests hold.
        count: items.

    Returns:
        `serving_default`, `predict_raw` and `rank`, which give the same scores.
    """
    signatures = signatures_of(model)
    takes = signatures["rank"].inputs
    of_items = {n for n, info in takes.items() if info.tensor_shape.dim[0].size != 1}
    longest = pc.list_value_length(log["history"]).to_numpy()
    user = log.slice(int(np.nanargmax(longest)), 1).drop_columns(sorted(of_items))
    drawn = np.random.default_rng(0).integers(0, log.num_rows, count)
    items = log.select(sorted(of_items)).take(pa.array(drawn))
    rows = user.take(pa.array(np.zeros(count, np.int64)))
    for name in items.schema.names:
        rows = rows.append_column(name, items[name])
    exchange = Exchange("", model.parent.name, None, None)
    return {
        "serving_default": exchange.predict_request(
            "serving_default", {"examples": examples(rows)}, signatures
        ),
        "predict_raw": exchange.predict_request("predict_raw", rows, signatures),
        "rank": exchange.rank_request(user, items, signatures),
    }


def row_requests(
    model: pathlib.Path, log: pa.Table, count: int, rows: int = 1
) -> list[PredictRequest]:
    """Requests to `predict_raw`, of other rows each."""
    signatures = signatures_of(model)
    exchange = Exchange("", model.parent.name, None, None)
    drawn = np.random.default_rng(1).integers(0, log.num_rows, (count, rows))
    return [
        exchange.predict_request("predict_raw", log.take(pa.array(own)), signatures)
        for own in drawn
    ]


def signatures_of(model: pathlib.Path) -> Mapping[str, SignatureDef]:
    """What a SavedModel takes and gives."""
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    return dict(saved.meta_graphs[0].signature_def)


def examples(rows: pa.Table) -> list[bytes]:
    """The rows as serialized tf.Examples; what is null or empty is absent."""
    return [_example(row) for row in rows.to_pylist()]


def _example(row: Mapping[str, Any]) -> bytes:
    found = tf.train.Example()
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if values in ([], [None]):
            continue
        feature = found.features.feature[name]
        if isinstance(values[0], str):
            feature.bytes_list.value.extend(x.encode() for x in values)
        elif isinstance(values[0], float):
            feature.float_list.value.extend(values)
        else:
            feature.int64_list.value.extend(values)
    return bytes(found.SerializeToString())
