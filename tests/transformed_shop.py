"""A small log of every kind of column, and what Transform makes of it."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from numeric_plans import make_plan
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.coders import example_coder
from tfx_bsl.tfxio import tf_example_record

from clickwright.models.preprocessing import preprocessing_fn
from clickwright.schemas.discretization_plan import DiscretizationPlan, Scaling
from clickwright.schemas.metadata import to_schema
from clickwright.schemas.numeric_encoding import AutoDisEncoding, BucketsEncoding
from clickwright.schemas.spec import FeatureSpec

Row = Mapping[str, Any]

SPEC = FeatureSpec.model_validate(
    {
        "name": "every_kind",
        "split": {"kind": "given"},
        "labels": {"click": {"presence": "optional"}, "buy": {"presence": "optional"}},
        "weight": "importance",
        "group_key": "user",
        "timestamp": "time",
        "features": {
            "user": {"kind": "categorical", "role": "user", "dtype": "int64"},
            "item": {"kind": "categorical", "role": "item"},
            "shop": {
                "kind": "categorical",
                "role": "item",
                "presence": "optional",
                "vocabulary": {"kind": "hash", "buckets": 8},
            },
            "hour": {
                "kind": "categorical",
                "role": "context",
                "dtype": "int64",
                "presence": "optional",
                "vocabulary": {"kind": "identity", "size": 24},
            },
            "price": {"kind": "numeric", "role": "item", "presence": "optional"},
            "age": {
                "kind": "numeric",
                "role": "user",
                "dtype": "int64",
                "presence": "optional",
                "encoder": "buckets",
                "buckets": 4,
            },
            "tags": {
                "kind": "multi_hot",
                "role": "item",
                "presence": "optional",
                "max_length": 3,
            },
            "history": {
                "kind": "sequence",
                "role": "user",
                "of": "item",
                "presence": "optional",
                "max_length": 4,
                "side": {"hour": {"of": "hour", "column": "history_hour"}},
            },
            "user_item": {
                "kind": "cross",
                "role": "context",
                "of": ("user", "item"),
                "buckets": 50,
            },
        },
    }
)

PLAN: DiscretizationPlan = make_plan(
    SPEC,
    {
        "price": (
            Scaling(kind="log1p", low=0.5, high=150.0, shift=2.1, width=0.9),
            AutoDisEncoding(meta_embeddings=5),
        ),
        "age": (
            Scaling(kind="z_score", low=15.0, high=79.0, shift=47.0, width=19.0),
            BucketsEncoding(boundaries=(-0.85, 0.0, 0.85)),
        ),
    },
)
"""Of `make_rows`: both features may be missing."""


def make_rows(rows: int, seed: int, known: int = 20) -> list[Row]:
    """Rows with gaps, empty values and, above `known` 20, values never seen before."""
    rng = np.random.default_rng(seed)

    def sometimes(value: Any) -> Any:
        return None if rng.random() < 0.2 else value

    made: list[Row] = []
    for _ in range(rows):
        user, item = int(rng.integers(known)), int(rng.integers(known))
        price = float(np.float32(rng.lognormal(2.0)))
        length = int(rng.integers(0, 7))
        logit = (0.3 if user % 2 else 0.2) * (item - 10) - 0.1 * np.log(price)
        made.append(
            {
                "click": sometimes(int(rng.random() < 1 / (1 + np.exp(-logit)))),
                "buy": sometimes(0),
                "importance": float(rng.integers(1, 4)),
                "time": 1_700_000_000,
                "user": user - 3,
                "item": "" if rng.random() < 0.1 else f"item {item}",
                "shop": sometimes(f"shop {item % 5}"),
                "hour": sometimes(int(rng.integers(-1, 26))),
                "price": sometimes(price),
                "age": sometimes(int(rng.integers(15, 80))),
                "tags": [f"tag {t}" for t in rng.integers(0, known, length)],
                "history": [f"item {i}" for i in rng.integers(0, known, length)],
                "history_hour": [int(h) for h in rng.integers(0, 24, length)],
            }
        )
    return made


def encode(
    row: Row, only: Sequence[str] | None = None, spec: FeatureSpec = SPEC
) -> bytes:
    """The row as a tf.Example; what is None or empty is absent."""
    example = tf.train.Example()
    for name, column in spec.columns().items():
        value = row[name]
        values = value if isinstance(value, list) else [value]
        if (only is not None and name not in only) or values in ([], [None]):
            continue
        feature = example.features.feature[name]
        match column.dtype:
            case "int64":
                feature.int64_list.value.extend(values)
            case "float32":
                feature.float_list.value.extend(values)
            case "string":
                feature.bytes_list.value.extend(v.encode() for v in values)
    return example.SerializeToString()


@dataclasses.dataclass(frozen=True)
class Transformed:
    """Folders that Transform would have written."""

    graph: pathlib.Path
    train: pathlib.Path
    valid: pathlib.Path

    @property
    def output(self) -> tft.TFTransformOutput:
        return tft.TFTransformOutput(str(self.graph))


def transform(
    folder: pathlib.Path,
    train: Sequence[Row],
    valid: Sequence[Row],
    spec: FeatureSpec = SPEC,
    plan: DiscretizationPlan = PLAN,
    known: pathlib.Path | None = None,
) -> Transformed:
    """Learns the graph from `train` and transforms both splits, in three shards.

    Args:
        folder: where it goes.
        train: rows.
        valid: rows.
        spec: of the rows.
        plan: of the numbers.
        known: file of vocabularies that the learned ones go on from.
    """
    schema = to_schema(spec)
    source = tf_example_record.TFExampleBeamRecord("memory", schema=schema)
    done = Transformed(folder / "graph", folder / "Split-train", folder / "Split-valid")
    with (
        beam.Pipeline(runner="DirectRunner") as pipeline,
        tft_beam.Context(temp_dir=str(folder / "temporary")),
    ):

        def read(name: str, rows: Sequence[Row]) -> Any:
            records = [encode(row, spec=spec) for row in rows]
            return (
                pipeline
                | f"Create{name}" >> beam.Create(records)
                | f"Decode{name}" >> source.BeamSource()
            )

        config = source.TensorAdapterConfig()
        train_rows = read("Train", train)
        graph = (train_rows, config) | tft_beam.AnalyzeDataset(
            functools.partial(
                preprocessing_fn,
                custom_config={
                    "spec": spec.model_dump_json(),
                    "plan": plan.model_dump_json(),
                    **({"vocabularies": str(known)} if known else {}),
                },
            )
        )
        _ = graph | tft_beam.WriteTransformFn(str(done.graph))
        for name, rows, target in (
            ("Train", train_rows, done.train),
            ("Valid", read("Valid", valid), done.valid),
        ):
            transformed, _ = ((rows, config), graph) | (
                f"Transform{name}"
                >> tft_beam.TransformDataset(output_record_batches=True)
            )
            _ = (
                transformed
                | f"Encode{name}" >> beam.FlatMapTuple(_to_examples)
                | f"Write{name}"
                >> beam.io.WriteToTFRecord(
                    str(target / "transformed_examples"),
                    file_name_suffix=".gz",
                    num_shards=3,
                )
            )
    raw = dataset_metadata.DatasetMetadata(schema)
    metadata_io.write_metadata(raw, str(done.graph / "metadata"))
    plan.write(done.graph)
    return done


def _to_examples(batch: Any, _: Any) -> list[bytes]:
    return list(example_coder.RecordBatchToExamplesEncoder().encode(batch))
