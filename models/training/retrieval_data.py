"""Reads a split for retrieval models, into memory."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from clickwright.models.preprocessing import GROUP_KEY
from clickwright.models.ragged_ids import RaggedIds
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.models.training.data import (
    check_gzip,
    damaged,
    damaged_file,
    parsing_spec,
)
from clickwright.models.training.retrieval_examples import RetrievalExamples
from clickwright.schemas.errors import DataError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import (
    CategoricalFeature,
    FeatureSpec,
    IdentityVocabulary,
    LearnedVocabulary,
)

_READ_BATCH = 16_384

progress = logging.getLogger("clickwright.progress")


def read_retrieval_examples(
    files: Sequence[pathlib.Path],
    inputs: RetrievalInputs,
    spec: FeatureSpec,
    split: str,
) -> RetrievalExamples:
    """Reads one split of transformed examples.

    Rows whose label is not 1 are left out: they say what was not taken, and retrieval
    models learn from all that was not. Rows of one group key are one request. Weights
    of rows are not used.

    Args:
        files: TFRecord files.
        inputs: what requests are made of.
        spec: the feature spec; names label and group key.
        split: name of the split, for messages.

    Raises:
        DataError: a file is damaged, no row is left, or an id is outside its table.
    """
    check_gzip(files, split)
    features = parsing_spec(inputs.tensors)
    features[spec.label] = tf.io.FixedLenFeature([], tf.float32)
    if spec.group_key:
        features[GROUP_KEY] = tf.io.FixedLenFeature([], tf.int64)
    columns: dict[str, list[Any]] = {name: [] for name in features}
    lists = {i.name for i in inputs.seen}
    rows = 0
    try:
        for file in files:
            records = tf.data.TFRecordDataset(
                str(file), "GZIP" if file.suffix == ".gz" else ""
            ).batch(_READ_BATCH)
            for batch in records:
                parsed = tf.io.parse_example(batch, features)
                taken = parsed[spec.label].numpy() > 0.5
                for i in inputs.tensors:
                    _check(i, parsed[i.name].numpy(), split)
                for name, tensor in parsed.items():
                    values = tensor.numpy()[taken]
                    columns[name].append(
                        RaggedIds.of_padded(values) if name in lists else values
                    )
                rows += int(taken.sum())
                progress.info(
                    "reading", extra={"rows": rows, "detail": f"reading {split} rows"}
                )
    except tf.errors.DataLossError as error:
        raise damaged(damaged_file(files), split, error.message) from error
    except tf.errors.InvalidArgumentError as error:
        raise DataError(
            "The rows do not hold what the model reads: "
            f"{error.message.partition(chr(10))[0].rstrip('.')}.",
            where=f"split `{split}`",
            fix="delete the results of Transform and run again",
        ) from error
    if not rows:
        raise DataError(
            "The split has no row whose label is 1.",
            where=f"split `{split}`, label `{spec.label}`",
            fix="check the label column and the split rule of the feature spec",
        )
    ragged = {name: RaggedIds.concatenated(columns.pop(name)) for name in lists}
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    history = inputs.history
    return RetrievalExamples(
        arrays[inputs.item.name],
        is_item=catalogue(spec, inputs.item),
        history=None if history is None else ragged[history.name],
        seen=_joined([ragged[i.name] for i in inputs.seen]),
        user=None if inputs.user is None else arrays[inputs.user.name],
        group=arrays.get(GROUP_KEY),
    )


def catalogue(spec: FeatureSpec, item: ModelInput) -> np.ndarray[Any, Any]:
    """Which rows of the item table are items: not padding, and not unknown values."""
    feature = spec.features[item.name]
    unknown = 0
    if isinstance(feature, CategoricalFeature):
        match feature.vocabulary:
            case LearnedVocabulary(oov_buckets=buckets):
                unknown = buckets
            case IdentityVocabulary():
                unknown = 1
    ids = np.arange(item.rows or 0)
    return (ids > 0) & (ids < len(ids) - unknown)


def _joined(parts: list[RaggedIds]) -> RaggedIds | None:
    """All that any of the lists of a row holds."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return RaggedIds.of_pairs(
        np.concatenate([part.row_numbers() for part in parts]),
        np.concatenate([part.values for part in parts]),
        len(parts[0]),
    ).distinct()


def _check(i: ModelInput, ids: np.ndarray[Any, Any], split: str) -> None:
    for id_ in (int(ids.min(initial=0)), int(ids.max(initial=0))):
        if not 0 <= id_ < (i.rows or 0):
            raise DataError(
                f"`{i.name}` holds the id {id_}; its table has {i.rows} rows.",
                where=f"split `{split}`, input `{i.name}`",
                fix="run Transform and training with one feature spec: delete the "
                "results of Transform and run again",
            )
