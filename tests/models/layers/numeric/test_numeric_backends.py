"""Encoders give the same on JAX."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np

from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)

MANY = tuple(np.linspace(-3.0, 3.0, 150).tolist())
ENCODINGS: tuple[NumericEncoding, ...] = (
    AutoDisEncoding(meta_embeddings=5),
    AutoDisEncoding(meta_embeddings=3, temperature=0.5),
    AutoDisEncoding(form="reduced", aggregation="max", use_bias=False),
    AutoDisEncoding(aggregation="topk", temperature_mode="annealed"),
    AutoDisEncoding(temperature_mode="learned"),
    LinearEncoding(),
    LogLinearEncoding(),
    BucketsEncoding(boundaries=(-1.0, 0.0, 2.0)),
    PiecewiseLinearEncoding(boundaries=(-1.0, 0.0, 2.0)),
    PiecewiseLinearEncoding(boundaries=MANY),
    PeriodicEncoding(),
    NaryEncoding(),
    MLPEncoding(),
)
ELSEWHERE = """
import json, sys
import keras
import numpy as np
from clickwright.models.layers.fused_embedding import FusedEmbedding

folder = sys.argv[1]
layer = FusedEmbedding.from_config(json.loads(sys.argv[2]))
with np.load(f"{folder}/in.npz") as stored:
    features = {k: stored[k] for k in stored.files if not k.startswith("weight")}
    layer.build({k: v.shape for k, v in features.items()})
    layer.set_weights([stored[f"weight{n}"] for n in range(len(layer.weights))])
outputs = layer(features, training=True)
assert keras.backend.backend() == "jax"
steps = [int(w) for w in layer.weights if w.path.endswith("steps")]
np.savez(f"{folder}/out.npz", outputs=np.asarray(outputs), steps=steps)
"""


def test_every_encoder_gives_the_same_on_jax(tmp_path: pathlib.Path) -> None:
    inputs = [
        ModelInput(f"f{n}", "value", "item", numeric=e) for n, e in enumerate(ENCODINGS)
    ]
    random = np.random.default_rng(0)
    features = {i.name: random.normal(size=20).astype(np.float32) for i in inputs}
    for values in features.values():
        values[random.integers(0, 20, 3)] = np.nan
    layer = FusedEmbedding(inputs, 4, embeddings_initializer="normal")
    layer.build({name: x.shape for name, x in features.items()})
    weights = {f"weight{n}": w for n, w in enumerate(layer.get_weights())}
    stored_arrays: dict[str, Any] = {**features, **weights}
    np.savez(tmp_path / "in.npz", **stored_arrays)
    config = layer.get_config()
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path), json.dumps(config)],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    want = np.asarray(layer(features, training=True))
    assert np.abs(want).max(axis=(0, 2)).min() > 1e-3
    with np.load(tmp_path / "out.npz") as stored:
        assert stored["steps"].tolist() == [1]
        np.testing.assert_allclose(stored["outputs"], want, rtol=1e-4, atol=1e-5)
