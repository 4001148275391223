"""What a model loses when its histories are empty, or its item vectors zeros."""

import logging
from collections.abc import Sequence

import numpy as np

from clickwright.components.evaluation.metrics.exact_auc import ExactAUC
from clickwright.components.evaluation.metrics.gauc import GAUC
from clickwright.components.evaluation.metrics.log_loss import log_loss
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows
from clickwright.components.evaluation.row_columns import RowColumns, Rows
from clickwright.components.evaluation.score_files import read_batches
from clickwright.components.inspection.raw_scorer import RawScorer
from clickwright.models.layers.item_vectors import VECTORS
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import EmbeddingFeature, FeatureSpec, SequenceFeature

NO_HISTORY = "no history"
NO_MULTIMODAL = "no multimodal"

progress = logging.getLogger("clickwright.progress")


def ablations(
    path: str, files: Sequence[str], spec: FeatureSpec, total_rows: int | None = None
) -> dict[str, dict[str, float]]:
    """Scores the rows of a split again with a part of the input taken away.

    The model is not trained again: what it loses is what it relies on, which may be
    more than what another model would miss. Scores and labels are held in memory.

    Args:
        path: folder of the SavedModel.
        files: TFRecord files of the split.
        spec: the feature spec.
        total_rows: rows of all files, if that is known.

    Returns:
        `auc`, `logloss`, and `gauc` where the spec has a group key, of `NO_HISTORY`,
        where every history is empty, with its sides and times, and of
        `NO_MULTIMODAL`, where all vectors of item tables are zeros. Each is there
        where the spec has such features.

    Raises:
        DataError: the model or the files cannot be read, or do not fit.
    """
    kinds = {type(feature) for feature in spec.features.values()}
    found: dict[str, dict[str, float]] = {}
    if not kinds & {SequenceFeature, EmbeddingFeature}:
        return found
    scorer = RawScorer(path)
    columns = RowColumns.of(spec)
    if SequenceFeature in kinds:
        lists = _history_columns(spec)
        found[NO_HISTORY] = _measure(
            scorer, columns, files, lists, NO_HISTORY, total_rows
        )
    if EmbeddingFeature in kinds and scorer.zero(VECTORS):
        found[NO_MULTIMODAL] = _measure(
            scorer, columns, files, (), NO_MULTIMODAL, total_rows
        )
    return found


def _history_columns(spec: FeatureSpec) -> tuple[str, ...]:
    """The list columns of every sequence."""
    found: dict[str, None] = {}
    for name, feature in spec.features.items():
        if isinstance(feature, SequenceFeature):
            sides = [side.column for side in feature.side.values()]
            times = [feature.times] if feature.times else []
            found |= dict.fromkeys([spec.column_of(name), *sides, *times])
    return tuple(found)


def _measure(
    scorer: RawScorer,
    columns: RowColumns,
    files: Sequence[str],
    emptied: Sequence[str],
    name: str,
    total_rows: int | None,
) -> dict[str, float]:
    parts: list[Rows] = []
    scores: list[np.ndarray] = []
    read = 0
    for path in files:
        for examples in read_batches(path):
            try:
                rows = columns.parse(examples)
                score = scorer.score(scorer.without(scorer.parse(examples), emptied))
            except DataError as error:
                raise DataError(
                    error.what, where=error.where or path, fix=error.fix
                ) from error
            parts.append(rows)
            scores.append(score[rows.labelled])
            read += len(rows.labelled)
            progress.info(
                "scored", extra={"rows": read, "total": total_rows, "detail": name}
            )
    return _metrics(columns, parts, np.concatenate(scores))


def _metrics(
    columns: RowColumns, parts: Sequence[Rows], score: np.ndarray
) -> dict[str, float]:
    label = np.concatenate([rows.label for rows in parts])
    weight = _joined([rows.weight for rows in parts])
    rows = ScoredRows.sort(label, score, weight)
    found = {"auc": ExactAUC().values(rows)[0], "logloss": log_loss(rows)}
    if columns.group:
        group = _joined([rows.group for rows in parts])
        grouped = ScoredRows.sort(label, score, weight, group)
        found["gauc"] = GAUC(columns.group).values(grouped)[0]
    return found


def _joined(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None
