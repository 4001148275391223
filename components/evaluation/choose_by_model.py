"""Logged choices as a model would have made them."""

import logging
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clickwright.components.evaluation.off_policy_gate import OffPolicyGate
from clickwright.components.evaluation.score_files import BATCH_ROWS
from clickwright.components.evaluation.scorer import Scorer
from clickwright.components.ingestion.contract import cast_columns
from clickwright.components.ingestion.encoder import encode
from clickwright.experiments.off_policy.bandit_log import BanditLog
from clickwright.schemas.errors import DataError
from clickwright.schemas.spec import FeatureSpec

progress = logging.getLogger("clickwright.progress")


def choose_by_model(gate: OffPolicyGate, spec: FeatureSpec, model: str) -> BanditLog:
    """Scores the candidates of a log and puts the model's policy beside it.

    The model's own scores stand in for a reward model: they know the candidates, and
    have not seen the log.

    Args:
        gate: names the log and its columns.
        spec: what the model reads.
        model: folder of the SavedModel.

    Returns:
        One row a choice.

    Raises:
        DataError: the log cannot be read or scored, or a choice has not one candidate
            that was taken.
    """
    path = pathlib.Path(gate.log)
    table, scores = _scored(path, gate, spec, model)
    decision = _codes(table[gate.decision])
    chosen = np.asarray(pc.fill_null(table[gate.chosen].cast(pa.bool_()), False))
    taken = np.bincount(decision, chosen)
    if (taken != 1).any():
        code = int(np.argmax(taken != 1))
        row = int(np.argmax(decision == code))
        raise DataError(
            f"Of each choice's candidates one must be taken. Received: {taken[code]:.0f}"
            f" of `{gate.decision}` {table[gate.decision][row].as_py()!r}.",
            where=gate.log,
            fix=f"say with `{gate.chosen}` which candidate was",
        )
    chance = gate.policy.probabilities(scores, decision)
    rows = np.flatnonzero(chosen)
    expected = np.bincount(decision, chance * scores).astype(np.float64)
    return BanditLog(
        reward=_floats(table[gate.reward])[rows],
        propensity=_floats(table[gate.propensity])[rows],
        target=chance[rows],
        unit=None if gate.unit is None else _codes(table[gate.unit])[rows],
        predicted=scores[rows],
        predicted_target=expected[decision[rows]],
    )


def _scored(
    path: pathlib.Path, gate: OffPolicyGate, spec: FeatureSpec, model: str
) -> tuple[pa.Table, np.ndarray]:
    """The columns of the gate, and the model's scores."""
    scorer = Scorer(model)
    named = dict.fromkeys((gate.decision, gate.chosen, gate.propensity, gate.reward))
    own = [*named, *([gate.unit] if gate.unit else [])]
    columns = spec.serving_columns()
    tables, scores, rows = [], [], 0
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            for name in [*own, *(n for n, c in columns.items() if c.required)]:
                if name not in there:
                    raise DataError(
                        f"The log of choices has no column `{name}`. Received: "
                        f"{', '.join(there)}.",
                        where=str(path),
                        fix="log it, or name another in `evaluation.off_policy`",
                    )
            wanted = [name for name in there if name in columns or name in own]
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                features = cast_columns(batch, columns, path=str(path), first_row=rows)
                examples = encode(pa.RecordBatch.from_pydict(features))
                scores.append(scorer.score(examples).numpy())
                tables.append(batch.select(own))
                rows += batch.num_rows
                progress.info(
                    "scored", extra={"rows": rows, "detail": "logged choices"}
                )
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"The log of choices cannot be read: {' '.join(str(error).split())}.",
            where=str(path),
            fix="write it again, as Parquet",
        ) from error
    if not rows:
        raise DataError("The log of choices is empty.", where=str(path))
    return pa.Table.from_batches(tables), np.concatenate(scores).astype(np.float64)


def _codes(values: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = values.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(found.indices, np.int64)


def _floats(values: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """NaN where there is no value; the log's check names the row."""
    return np.array(values.cast(pa.float64()), np.float64)
