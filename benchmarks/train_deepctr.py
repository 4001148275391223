"""DeepCTR's DeepFM on Frappe; `train.py` runs this with DeepCTR's own Python.

Such a Python, made once. DeepCTR 0.9.4 asks for h5py below 3.8, which has no wheel for
Python 3.11 and needs a compiler and HDF5's headers; it runs with newer ones, so it is
installed without what it asks for. TensorFlow 2.16 and later bring Keras 3, which it
does not run on:

    python3 -m venv deepctr && deepctr/bin/pip install "tensorflow==2.15.1" requests
    deepctr/bin/pip install --no-deps deepctr==0.9.4

The rows are kept in memory and trained on with `model.fit`, as DeepCTR's examples do.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    """Trains, and prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="holds train.npz")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()

    import numpy as np
    import tensorflow as tf
    from deepctr.feature_column import SparseFeat
    from deepctr.models import DeepFM

    tf.config.threading.set_intra_op_parallelism_threads(given.threads)
    tf.config.threading.set_inter_op_parallelism_threads(given.threads)
    tf.keras.utils.set_random_seed(2024)
    with np.load(given.folder / "train.npz") as stored:
        columns = dict(stored)
    labels = columns.pop("label")
    features = [
        SparseFeat(name, vocabulary_size=int(ids.max()) + 1, embedding_dim=10)
        for name, ids in columns.items()
    ]
    model = DeepFM(
        features,
        features,
        dnn_hidden_units=(400, 400, 400),
        l2_reg_linear=0.025,
        l2_reg_embedding=0.025,
        dnn_dropout=0.2,
        dnn_use_bn=True,
    )
    model.compile(
        tf.keras.optimizers.Adam(1e-3, epsilon=1e-8, global_clipnorm=10.0),
        "binary_crossentropy",
    )

    class Clock(tf.keras.callbacks.Callback):
        """Seconds of each epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            """Starts."""
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            """Stops."""
            self.seconds.append(time.perf_counter() - self.started)

    clock = Clock()
    model.fit(
        columns,
        labels,
        batch_size=given.batch_size,
        epochs=given.epochs,
        callbacks=[clock],
        verbose=0,
    )
    print(
        json.dumps(
            {
                "seconds": clock.seconds,
                "rows": len(labels),
                "parameters": sum(
                    int(np.prod(v.shape)) for v in model.trainable_weights
                ),
                "rss": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
                "version": f"DeepCTR {importlib.metadata.version('deepctr')}, "
                f"TensorFlow {tf.__version__}",
            }
        )
    )


if __name__ == "__main__":
    main()
