"""The state of a training between two epochs, on disk."""

import dataclasses
import json
import os
import pathlib
import shutil
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from clickwright.models.training.epoch_record import EpochRecord
from clickwright.schemas.errors import DataError, storage_error

FILE_NAME = "state.npz"
Arrays = Sequence[np.ndarray[Any, Any]]
"""Values of variables, in the variables' order."""


@dataclasses.dataclass(frozen=True)
class State:
    """Everything that the next epoch depends on.

    Attributes:
        model: all variables of the model, states of its random generators included.
        optimizer: all variables of the optimizer.
        best: the model's variables after the best epoch.
        records: what is known of each finished epoch. Learning rate, early stopping
            and the order of the rows follow from them and the parameters.
    """

    model: Arrays
    optimizer: Arrays
    best: Arrays
    records: tuple[EpochRecord, ...]


class Checkpoint:
    """One file, replaced as a whole after each epoch; NumPy arrays and JSON.

    Args:
        directory: folder of the file, of this training alone.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self._file = directory / FILE_NAME

    def save(self, state: State) -> None:
        """Writes the state; a reader finds the old file or the new, never a part.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        arrays = {
            f"{group}_{n}": array
            for group in ("model", "optimizer", "best")
            for n, array in enumerate(getattr(state, group))
        }
        lines = json.dumps([record.model_dump() for record in state.records])
        arrays["records"] = np.frombuffer(lines.encode(), np.uint8)
        staging = self._file.with_name(f".{FILE_NAME}.{os.getpid()}")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                with staging.open("wb") as file:
                    np.savez(file, **arrays)
                    file.flush()
                    os.fsync(file.fileno())
                staging.replace(self._file)
            finally:
                staging.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, self._file) from error

    def load(self) -> State | None:
        """Reads the state back; None when there is none.

        Raises:
            DataError: the file is damaged.
        """
        if not self._file.exists():
            return None
        try:
            with (
                self._file.open("rb") as file,
                np.load(file, allow_pickle=False) as stored,
            ):
                groups = {
                    group: [
                        stored[f"{group}_{n}"]
                        for n in range(
                            sum(name.startswith(f"{group}_") for name in stored.files)
                        )
                    ]
                    for group in ("model", "optimizer", "best")
                }
                records = json.loads(stored["records"].tobytes())
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(
                f"The training checkpoint is damaged: {error}.",
                where=str(self._file),
                fix="delete its folder; training then starts from the beginning",
            ) from error
        return State(
            **groups, records=tuple(EpochRecord.model_validate(r) for r in records)
        )

    def delete(self) -> None:
        """Removes the folder, once the trained model is safe elsewhere."""
        shutil.rmtree(self.directory, ignore_errors=True)
