"""How much of what was asked for an exported retrieval model finds."""

import collections
import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from clickwright.components.evaluation.row_columns import RowColumns
from clickwright.components.evaluation.score_files import read_batches
from clickwright.models.metrics.full_ranks import NEVER
from clickwright.models.metrics.ranking_metrics import ranking_metrics
from clickwright.models.ragged_ids import RaggedIds
from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

_BATCH = 1024
"""Requests that the model answers together."""
_OUTPUTS = ("items", "scores")

progress = logging.getLogger("clickwright.progress")


class FoundItems:
    """The `serving_default` signature of a retrieval model, in this process.

    Args:
        path: folder of the SavedModel.

    Raises:
        DataError: it cannot be loaded, or does not find items.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            # The signature dies with the object that it was loaded with.
            self._model = tf.saved_model.load(path)
        except (tf.errors.OpError, OSError, ValueError) as error:
            raise self._error(f"The model cannot be loaded: {error}") from error
        signature = self._model.signatures.get("serving_default")
        outputs = {} if signature is None else signature.structured_outputs
        if not all(name in outputs for name in _OUTPUTS):
            raise self._error(
                "The model must have a signature `serving_default` that gives `items` "
                f"and `scores`. Received: {', '.join(sorted(outputs)) or 'none'}."
            )
        self._signature = signature

    def measure(
        self, files: Sequence[str], spec: FeatureSpec, cutoffs: Sequence[int]
    ) -> dict[str, float]:
        """Asks the model what each request of a split wants.

        Rows of one group key are one request, which the first of them describes; what
        rows with the label 1 hold is to be found. An item's rank is how many of those
        given have a score not below its own; what is not given has none. So ties at
        the end of what is given, which is far beyond the metrics' K, do not count.

        Args:
            files: TFRecord files of raw tf.Examples.
            spec: names item, label and group key.
            cutoffs: values of K.

        Returns:
            Metrics; see `ranking_metrics`. `rows` are the rows with the label 1.

        Raises:
            DataError: a file is damaged, the model does not take the examples, or no
                row has the label 1.
        """
        examples, items, groups = _read(files, spec)
        _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        wanted = items[order]
        counts = np.bincount(numbers, minlength=len(first))
        positives = RaggedIds.of_lengths(np.zeros(len(items)), counts)
        ranks = []
        for start in range(0, len(first), _BATCH):
            rows = slice(start, min(start + _BATCH, len(first)))
            found, scores = self._answers(tf.constant(examples[first[rows]]))
            begin, end = positives.offsets[[rows.start, rows.stop]]
            owners = np.repeat(np.arange(len(found)), counts[rows])
            ranks.append(_ranks(found, scores, owners, wanted[begin:end]))
            progress.info("ranked", extra={"rows": rows.stop, "total": len(first)})
        metrics = ranking_metrics(np.concatenate(ranks), positives, cutoffs)
        return {**metrics, "rows": float(len(items))}

    def _answers(self, examples: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        try:
            answers = self._signature(examples=examples)
        except (tf.errors.OpError, TypeError) as error:
            message = getattr(error, "message", str(error))
            raise self._error(
                f"The model cannot take the examples: {message}"
            ) from error
        return answers["items"].numpy(), answers["scores"].numpy()

    def _error(self, what: str) -> DataError:
        return DataError(what, where=self._path, fix="train and export the model again")


def _read(
    files: Sequence[str], spec: FeatureSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Serialized examples, items and groups of the rows with the label 1."""
    inputs = spec.model_inputs(collections.defaultdict(int))
    name = RetrievalInputs.of(inputs).item.name
    column = spec.column_of(name)
    columns = RowColumns.of(spec)
    parts: list[tuple[np.ndarray, ...]] = []
    rows = 0
    for path in files:
        for batch in read_batches(path):
            parsed = columns.parse(batch)
            taken = np.flatnonzero(parsed.labelled)[parsed.label > 0.5]
            serialized = batch.numpy()[taken]
            items = tf.io.parse_example(
                serialized,
                {
                    column: tf.io.RaggedFeature(
                        tf.as_dtype(spec.columns()[column].dtype)
                    )
                },
            )[column]
            if (items.row_lengths().numpy() != 1).any():
                raise DataError(
                    f"Every row with the label 1 must hold one value of `{column}`.",
                    where=path,
                    fix="mend the column, and ingest the log again",
                )
            groups = rows + np.arange(len(taken))
            if parsed.group is not None:
                groups = parsed.group[parsed.label > 0.5]
            parts.append((serialized, items.values.numpy(), groups))
            rows += len(taken)
    if not rows:
        raise DataError(
            f"The split holds no row whose label `{spec.label}` is 1.",
            where=", ".join(files),
            fix="change the spec's `split`, or bring more data",
        )
    examples, items, groups = (np.concatenate(p) for p in zip(*parts, strict=True))
    return examples, items, groups


def _ranks(
    found: np.ndarray, scores: np.ndarray, owners: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Ranks of what is wanted among what was found for its owner, int64 `[wanted]`."""
    there = found[owners] == wanted[:, None]  # [wanted, k]
    own = np.where(there, scores[owners], -np.inf).max(axis=1)
    ranks = np.sum(scores[owners] >= own[:, None], axis=1)
    return np.where(np.isfinite(own), ranks, NEVER)
