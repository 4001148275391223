"""Tiny SavedModels of every kind of signature, made in seconds, without training."""

import functools
import pathlib
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from clickwright.schemas.prediction_logs import write_logs
from clickwright.schemas.serving_files import GOLDEN_PATH, WARMUP_PATH

USER_COLUMNS = ("user_id", "history")
ITEM_COLUMNS = ("item_id", "price")
K = 3
"""Items that `top_k` gives."""
_ITEMS = 20
_PARSING = {
    "user_id": tf.io.FixedLenFeature([], tf.string, ""),
    "history": tf.io.VarLenFeature(tf.int64),
    "item_id": tf.io.FixedLenFeature([], tf.int64, -1),
    "price": tf.io.FixedLenFeature([], tf.float32, 0.0),
}


class TinyModel(keras.Model):
    """Scores a user's liking of an item, from a text, two ids and a number."""

    def __init__(self) -> None:
        super().__init__()
        keras.utils.set_random_seed(7)
        self.users = keras.layers.Embedding(16, 4)
        self.items = keras.layers.Embedding(_ITEMS, 4)
        self.bias = self.add_weight(shape=(), name="bias")

    def user(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        bucket = tf.strings.to_hash_bucket_fast(columns["user_id"], 16)
        seen = columns["history"]
        there = tf.cast(seen >= 0, tf.float32)[..., None]
        past = tf.reduce_sum(self.items(tf.math.floormod(seen, _ITEMS)) * there, 1)
        return self.users(bucket) + past

    def call(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        item = self.items(tf.math.floormod(columns["item_id"], _ITEMS))
        likes = tf.reduce_sum(self.user(columns) * item, -1)
        return tf.sigmoid(likes + 0.1 * columns["price"] + self.bias)


@functools.cache
def _model() -> TinyModel:
    model = TinyModel()
    model(rows(2))
    return model


def rows(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of `predict_raw`, `[count]`; `history` is `[count, 5]`, padded with -1."""
    chance = np.random.default_rng(seed)
    history = chance.integers(0, 100, (count, 5))
    history[chance.random(history.shape) < 0.3] = -1
    users = [f"user {n}".encode() for n in chance.integers(0, 50, count)]
    return {
        "user_id": np.array(users, dtype=object),
        "history": history,
        "item_id": chance.integers(0, 100, count),
        "price": chance.normal(size=count).astype(np.float32),
    }


def ranking(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of `rank`: one user's row, `count` items."""
    columns = rows(count, seed)
    return {n: x[:1] if n in USER_COLUMNS else x for n, x in columns.items()}


def examples(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """The rows as serialized tf.Examples, `[rows]`."""
    found = []
    for row in range(len(columns["item_id"])):
        example = tf.train.Example()
        features = example.features.feature
        features["user_id"].bytes_list.value.append(columns["user_id"][row])
        features["item_id"].int64_list.value.append(columns["item_id"][row])
        features["price"].float_list.value.append(columns["price"][row])
        seen = [int(x) for x in columns["history"][row] if x >= 0]
        features["history"].int64_list.value.extend(seen)
        found.append(example.SerializeToString())
    return np.array(found, dtype=object)


def answers(columns: Mapping[str, np.ndarray], version: int) -> np.ndarray:
    """What version `version` says of rows, or of one user and many items, `[rows]`."""
    model = _model()
    count = len(columns["item_id"])
    whole = {n: np.repeat(x, count // len(x), axis=0) for n, x in columns.items()}
    model.bias.assign(float(version))
    return np.asarray(model(whole))


def write_tiny(base_path: pathlib.Path, versions: tuple[int, ...] = (1, 2, 3)) -> None:
    """Writes `<base_path>/<version>`; each version answers differently.

    Signatures: `serving_default` (`examples`), `predict_raw`, `rank`, `classify` and
    `regress` (`inputs`: Examples), `top_k`, and `fails`, which takes `predict_raw`'s
    `item_id` and always fails. Each holds golden and warm-up requests.
    """
    model = _model()

    def parsed(given: tf.Tensor) -> dict[str, tf.Tensor]:
        columns = tf.io.parse_example(given, _PARSING)
        history = tf.sparse.to_dense(columns["history"], default_value=-1)
        return columns | {"history": history}

    def predict_raw(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"probability": model(columns)}

    def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return predict_raw(parsed(examples))

    def rank(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"probability": model(columns)}  # the one user broadcasts

    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        likes = model(parsed(inputs))
        classes = tf.tile(tf.constant([["skip", "click"]]), [tf.size(likes), 1])
        return {"classes": classes, "scores": tf.stack([1 - likes, likes], 1)}

    def regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": model(parsed(inputs))}

    def top_k(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        scores = tf.matmul(
            model.user(columns), model.items(tf.range(_ITEMS)), transpose_b=True
        )
        found = tf.math.top_k(scores + model.bias, K)
        return {
            "item_id": tf.strings.as_string(found.indices),
            "score": found.values,
        }

    def fails(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.control_dependencies(
            [tf.debugging.Assert(False, ["the model refuses the row"])]
        ):
            return {"probability": tf.cast(columns["item_id"], tf.float32)}

    raw = {
        "user_id": tf.TensorSpec([None], tf.string, name="user_id"),
        "history": tf.TensorSpec([None, None], tf.int64, name="history"),
        "item_id": tf.TensorSpec([None], tf.int64, name="item_id"),
        "price": tf.TensorSpec([None], tf.float32, name="price"),
    }
    one = {
        name: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype, name=name)
        if name in USER_COLUMNS
        else spec
        for name, spec in raw.items()
    }
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function, specs in (
        ("serving_default", serving_default, tf.TensorSpec([None], tf.string)),
        ("predict_raw", predict_raw, raw),
        ("rank", rank, one),
        ("classify", classify, tf.TensorSpec([None], tf.string)),
        ("regress", regress, tf.TensorSpec([None], tf.string)),
        ("top_k", top_k, {name: raw[name] for name in USER_COLUMNS}),
        ("fails", fails, {"item_id": raw["item_id"]}),
    ):
        archive.add_endpoint(name, function, [specs])
    for version in versions:
        model.bias.assign(float(version))
        folder = base_path / str(version)
        archive.write_out(str(folder), verbose=False)
        logs = golden_logs(version)
        write_logs(folder / GOLDEN_PATH, logs)
        write_logs(folder / WARMUP_PATH, logs)


def golden_logs(version: int) -> list[PredictionLog]:
    """Requests of four rows for three signatures, with the answers of `version`."""
    found = []
    for signature, columns in (
        ("serving_default", rows(4)),
        ("predict_raw", rows(4)),
        ("rank", ranking(4)),
    ):
        said = answers(columns, version)
        if signature == "serving_default":
            columns = {"examples": examples(columns)}
        log = PredictionLog()
        request = log.predict_log.request
        request.model_spec.signature_name = signature
        for name, x in columns.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(x))
        log.predict_log.response.outputs["probability"].CopyFrom(
            tf.make_tensor_proto(said)
        )
        found.append(log)
    return found


def write_half_plus_two(base_path: pathlib.Path, version: int = 123) -> None:
    """Writes TF Serving's example: `y` is half of `x` and two, `y2` and three.

    Signatures: `serving_default` (`x` to `y`), and on Examples with a feature `x`
    `regress_x_to_y`, `regress_x_to_y2` and `classify_x_to_y`.
    """
    module = tf.Module()
    module.a = tf.Variable(0.5)
    module.b = tf.Variable(2.0)
    module.c = tf.Variable(3.0)
    serialized = tf.TensorSpec([None], tf.string, name="inputs")

    def x_of(inputs: tf.Tensor) -> tf.Tensor:
        parsing = {"x": tf.io.FixedLenFeature([1], tf.float32)}
        return tf.io.parse_example(inputs, parsing)["x"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": module.a * x + module.b}

    @tf.function(input_signature=[serialized])
    def regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": module.a * x_of(inputs) + module.b}

    @tf.function(input_signature=[serialized])
    def regress2(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": module.a * x_of(inputs) + module.c}

    @tf.function(input_signature=[serialized])
    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": module.a * x_of(inputs) + module.b}

    tf.saved_model.save(
        module,
        str(base_path / str(version)),
        signatures={
            "serving_default": predict,
            "regress_x_to_y": regress,
            "regress_x_to_y2": regress2,
            "classify_x_to_y": classify,
        },
    )
