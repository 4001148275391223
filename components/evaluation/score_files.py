"""The Beam step that reads and scores files of tf.Examples."""

import dataclasses
import json
import logging
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf

from clickwright.components.evaluation.row_columns import RowColumns, Rows
from clickwright.components.evaluation.scorer import Scorer
from clickwright.models.training.data import gzip_damage
from clickwright.schemas.errors import DataError

BATCH_ROWS = 16_384
PROBLEMS = "problems"

progress = logging.getLogger("clickwright.progress")


@dataclasses.dataclass(frozen=True)
class ScoredBatch:
    """Labelled rows with the scores of each model.

    Attributes:
        split: the split that they belong to.
        rows: N rows.
        scores: [N] float32 by model name.
    """

    split: str
    rows: Rows
    scores: dict[str, np.ndarray]


class ScoreFiles(beam.DoFn):
    """Scores files, in large batches and without a Python loop over rows.

    Takes (split, path of a TFRecord file) and yields a `ScoredBatch` for every
    `BATCH_ROWS` rows. What is wrong with the data goes to the output `problems`, as
    JSON: Beam would flatten an exception of a worker process into text.

    Args:
        columns: what to read beside the scores.
        models: folders of the SavedModels by model name.
        total_rows: rows that all files hold together, if that is known.
    """

    def __init__(
        self, columns: RowColumns, models: Mapping[str, str], total_rows: int | None
    ) -> None:
        super().__init__()
        self._columns = columns
        self._paths = dict(models)
        self._total_rows = total_rows
        self._rows = 0
        self._scorers: dict[str, Scorer] = {}

    def process(self, element: tuple[str, str]) -> Iterator[Any]:
        """Reads and scores one file."""
        split, path = element
        try:
            yield from self._score(split, path)
        except DataError as error:
            problem = [error.what, error.where or path, error.fix]
            yield beam.pvalue.TaggedOutput(PROBLEMS, json.dumps(problem))

    def _score(self, split: str, path: str) -> Iterator[ScoredBatch]:
        # Here, not in `setup`, whose errors could not go to the problems.
        if not self._scorers:
            self._scorers = {name: Scorer(p) for name, p in self._paths.items()}
        for examples in read_batches(path):
            rows = self._columns.parse(examples)
            yield ScoredBatch(
                split,
                rows,
                {
                    name: scorer.score(examples).numpy()[rows.labelled]
                    for name, scorer in self._scorers.items()
                },
            )
            self._rows += len(rows.labelled)
            progress.info(
                "scored",
                extra={"rows": self._rows, "total": self._total_rows, "detail": split},
            )


def read_batches(path: str, batch_rows: int = BATCH_ROWS) -> Iterator[tf.Tensor]:
    """Reads a TFRecord file, gzipped if so named, in batches of serialized examples.

    Raises:
        DataError: the file is damaged or cut off.
    """
    compression = "GZIP" if path.endswith(".gz") else ""
    records = tf.data.TFRecordDataset(path, compression_type=compression)
    rows = 0
    try:
        for batch in records.batch(batch_rows).prefetch(2):
            yield batch
            rows += len(batch)
    except tf.errors.OpError as error:
        raise _damaged(path, rows, error.message) from error
    # What is cut between two records TensorFlow takes for a shorter file.
    if compression and (why := gzip_damage(pathlib.Path(path))):
        raise _damaged(path, rows, why)


def _damaged(path: str, rows: int, why: str) -> DataError:
    return DataError(
        f"The file is damaged after row {rows}: {why}",
        where=path,
        fix="ingest the log again",
    )


def first_problem(problems: list[str]) -> DataError | None:
    """The error that the first of the problems stands for."""
    for problem in sorted(problems):
        what, where, fix = json.loads(problem)
        return DataError(what, where=where, fix=fix)
    return None
