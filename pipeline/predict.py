"""Rows of a file, scored by a model server."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

# TensorFlow would greet on standard error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clickwright.schemas.errors import ConfigError, DataError, storage_error
from clickwright.schemas.source import progress
from clickwright.serving.client import Client


def predict_file(
    client: Client,
    rows: pathlib.Path,
    *,
    signature: str = "predict_raw",
    user: pathlib.Path | None = None,
    batch_size: int = 1000,
) -> Iterator[tuple[pa.Table, dict[str, np.ndarray[Any, Any]]]]:
    """Scores the rows of a file, batch by batch.

    Args:
        client: of the model.
        rows: Parquet, or JSON Lines, which end in `.jsonl`.
        signature: what to call; `rank` takes the candidates as rows.
        user: for `rank`, a file of one row, of the user and the context.
        batch_size: rows a request.

    Yields:
        The rows of a batch, and what the model says of them by output.

    Raises:
        ConfigError: `rank` without a user, or a user without `rank`.
        DataError: a file cannot be read, or lacks a column that the signature takes.
        RequestError: the server refused, or did not answer in time.
    """
    if (signature == "rank") != (user is not None):
        raise ConfigError(
            "`rank` needs a user, and nothing else takes one.",
            where="--signature and --user",
            fix="give `--signature rank --user FILE`, or neither",
        )
    takes = client.metadata()
    one = None if user is None else _whole(user)
    done = 0
    for table in _batches(rows, batch_size):
        if one is None:
            scores = client.predict(table, signature=signature)
        else:
            scores = client.rank(one, table)
        if not isinstance(scores, dict):
            scores = {next(iter(takes[signature].outputs)): scores}
        done += table.num_rows
        progress.info("Scored %d rows.", done, extra={"rows": done})
        yield table, scores


def write_scores(
    scored: Iterator[tuple[pa.Table, dict[str, np.ndarray[Any, Any]]]],
    path: pathlib.Path,
) -> int:
    """Writes rows with their scores as Parquet, whole or not at all; counts the rows.

    Raises:
        MachineError: the file cannot be written.
    """
    rows = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
            )
            staged, writer = pathlib.Path(folder) / "scores", None
            for table, scores in scored:
                for name, values in scores.items():
                    column = pa.array(list(values) if values.ndim > 1 else values)
                    table = _with_column(table, name, column)
                if writer is None:
                    writer = pq.ParquetWriter(staged, table.schema)
                    stack.callback(writer.close)
                writer.write_table(table)
                rows += table.num_rows
            if writer is not None:
                writer.close()
                shutil.move(staged, path)
    except OSError as error:
        raise storage_error(error, path) from error
    return rows


def as_lines(scores: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[str]:
    """One JSON object a row."""
    columns = {name: values.tolist() for name, values in scores.items()}
    for row in zip(*columns.values(), strict=True):
        yield json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)


def _with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    if name in table.schema.names:
        return table.set_column(table.schema.names.index(name), name, column)
    return table.append_column(name, column)


def _is_json(path: pathlib.Path) -> bool:
    return path.suffix in (".jsonl", ".ndjson", ".json")


def _whole(path: pathlib.Path) -> pa.Table:
    with _reading(path):
        if not _is_json(path):
            return pq.read_table(path)
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is not an object")
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: [row.get(name) for row in rows] for name in names})


def _batches(path: pathlib.Path, size: int) -> Iterator[pa.Table]:
    with _reading(path):
        if _is_json(path):
            yield from (
                pa.Table.from_batches([b]) for b in _whole(path).to_batches(size)
            )
            return
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(size):
                yield pa.Table.from_batches([batch])


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"The rows cannot be read: {' '.join(str(error).split())}",
            where=str(path),
            fix="give Parquet, or JSON Lines in a file that ends in `.jsonl`",
        ) from error
