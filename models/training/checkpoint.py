"""The state of a training, on disk."""

import dataclasses
import json
import os
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from clickwright.models.training.epoch_part import EpochPart
from clickwright.models.training.epoch_record import EpochRecord
from clickwright.schemas.errors import DataError, storage_error

FILE_NAME = "state.npz"
Arrays = Sequence[np.ndarray[Any, Any]]
"""Values of variables, in the variables' order."""
_GROUPS = ("model", "optimizer", "best", "best_optimizer")


@dataclasses.dataclass(frozen=True)
class State:
    """Everything that the rest of a training depends on.

    Attributes:
        names: names of the model's and the optimizer's variables.
        model: all variables of the model, states of its random generators included,
            but without what item tables fill.
        optimizer: all variables of the optimizer.
        best: the model's variables after the best epoch.
        best_optimizer: the optimizer's.
        records: what is known of each finished epoch. Learning rate, early stopping
            and the order of the rows follow from them and the parameters.
        part: how far the epoch after them got.
    """

    names: tuple[str, ...]
    model: Arrays
    optimizer: Arrays
    best: Arrays
    best_optimizer: Arrays
    records: tuple[EpochRecord, ...]
    part: EpochPart


class Checkpoint:
    """One file, replaced as a whole; NumPy arrays and JSON.

    Args:
        directory: folder of the file, of this training alone.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.file = directory / FILE_NAME

    def save(self, state: State) -> None:
        """Writes the state; a reader finds the old file or the new, never a part.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        arrays = {
            f"{group}_{n}": array
            for group in _GROUPS
            for n, array in enumerate(getattr(state, group))
        }
        rest = {
            "names": state.names,
            "records": [record.model_dump() for record in state.records],
            "part": state.part.model_dump(),
        }
        arrays["rest"] = np.frombuffer(json.dumps(rest).encode(), np.uint8)
        staging = self.file.with_name(f".{FILE_NAME}.{os.getpid()}")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                with staging.open("wb") as file:
                    np.savez(file, **arrays)
                    file.flush()
                    os.fsync(file.fileno())
                staging.replace(self.file)
            finally:
                staging.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, self.file) from error

    def load(self) -> State | None:
        """Reads the state back; None when there is none.

        Raises:
            DataError: the file is damaged.
        """
        if not self.file.exists():
            return None
        try:
            with (
                self.file.open("rb") as file,
                np.load(file, allow_pickle=False) as stored,
            ):
                groups = {
                    group: [
                        stored[f"{group}_{n}"]
                        for n in range(
                            sum(_is_of(name, group) for name in stored.files)
                        )
                    ]
                    for group in _GROUPS
                }
                rest = json.loads(stored["rest"].tobytes())
            return State(
                names=tuple(rest["names"]),
                records=tuple(EpochRecord.model_validate(r) for r in rest["records"]),
                part=EpochPart.model_validate(rest["part"]),
                **groups,
            )
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(
                f"The training checkpoint is damaged: {error}.",
                where=str(self.file),
                fix="delete its folder; training then starts from the beginning",
            ) from error


def _is_of(name: str, group: str) -> bool:
    head, _, number = name.rpartition("_")
    return head == group and number.isdigit()
