"""Names of the files that the parts around a served model agree on."""

GOLDEN_PATH = "assets.extra/clickwright_golden_requests.tfrecord"
"""In a SavedModel: requests of real rows with the training graph's answers. TFRecord of
`tensorflow.serving.PredictionLog`, each a `predict_log` with request and response."""

WARMUP_PATH = "assets.extra/tf_serving_warmup_requests"
"""In a SavedModel: what a model server runs before a version takes traffic. TFRecord of
`PredictionLog`; the name is TF Serving's."""

GOLDEN_ROWS_FILE = "clickwright_golden_rows.tfrecord.gz"
"""In the folder of a transform graph: raw rows of the validation split, tf.Examples."""

MODEL_CONFIG_FILE = "models.config"
"""In a serving root: what a model server loads, `ModelServerConfig` in text format."""
