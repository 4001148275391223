"""What another training can go on from: weights, optimizer slots, vocabularies."""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pydantic

from clickwright.models.training.training_state_manifest import (
    FILE_NAME,
    TrainingStateManifest,
)
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import DataError, storage_error

FOLDER = "training-state"
"""Its folder in a `Model` artifact, beside the SavedModel's."""
VARIABLES_FILE = "variables.npz"
SLOTS_FILE = "slots.npz"
VOCABULARIES_FILE = "vocabularies.json"
PROBES_FILE = "item_vectors.npz"
PLAN_FILE = "discretization_plan.json"

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """A trained model as a later training takes it up; NumPy arrays and JSON.

    Attributes:
        manifest: what it is of.
        variables: the model's, by name, in its order; those that item tables fill
            and the states of random generators are left out.
        slots: what the optimizer keeps, in the order of the manifest's `slots`.
        vocabularies: values of each vocabulary whose rows can grow, in the order of
            their ids from 1 on, by table.
        plan: what numbers were scaled and encoded by; None without numeric features.
        probes: fixed vectors of some items, by feature.
    """

    manifest: TrainingStateManifest
    variables: Mapping[str, Array]
    slots: Sequence[Array]
    vocabularies: Mapping[str, Sequence[str]]
    plan: DiscretizationPlan | None = None
    probes: Mapping[str, Array] = dataclasses.field(default_factory=dict)

    def save(self, folder: pathlib.Path) -> TrainingStateManifest:
        """Writes all of it; a reader finds the whole state, or none.

        Args:
            folder: is replaced if it is there.

        Returns:
            The manifest as written, with the digests of the files.

        Raises:
            MachineError: the folder cannot be written to, or the disk is full.
        """
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            staging = pathlib.Path(
                tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")
            )
            try:
                for name, arrays in (
                    (VARIABLES_FILE, list(self.variables.values())),
                    (SLOTS_FILE, self.slots),
                    (PROBES_FILE, list(self.probes.values())),
                ):
                    _write_arrays(staging / name, arrays)
                words = {name: list(v) for name, v in self.vocabularies.items()}
                (staging / VOCABULARIES_FILE).write_text(
                    json.dumps(words), encoding="utf-8"
                )
                if self.plan is not None:
                    self.plan.write(staging)
                manifest = self.manifest.model_copy(
                    update={
                        "files": {
                            path.name: _sha256(path)
                            for path in sorted(staging.iterdir())
                        }
                    }
                )
                (staging / FILE_NAME).write_text(
                    manifest.model_dump_json(indent=2) + "\n", encoding="utf-8"
                )
                staging.chmod(0o755)  # a temporary folder is its owner's alone
                if folder.exists():
                    shutil.rmtree(folder)
                staging.replace(folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise storage_error(error, folder) from error
        return manifest

    @classmethod
    def read(cls, folder: pathlib.Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            DataError: there is none, or a file is not the one that was written.
        """
        manifest = read_manifest(folder)
        for name, digest in manifest.files.items():
            path = folder / name
            if not path.is_file() or _sha256(path) != digest:
                raise _damaged(path, "it is absent or was changed")
        try:
            variables = _read_arrays(folder / VARIABLES_FILE, len(manifest.variables))
            slots = _read_arrays(folder / SLOTS_FILE, len(manifest.slots))
            probes = _read_arrays(folder / PROBES_FILE, len(manifest.probes))
            words = json.loads((folder / VOCABULARIES_FILE).read_text("utf-8"))
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise _damaged(folder, str(error)) from error
        plan = None
        if PLAN_FILE in manifest.files:
            plan = DiscretizationPlan.read(folder)
        names = [v.name for v in manifest.variables]
        return cls(
            manifest,
            dict(zip(names, variables, strict=True)),
            slots,
            words,
            plan,
            dict(zip(manifest.probes, probes, strict=True)),
        )


def state_folder(model: str | os.PathLike[str]) -> pathlib.Path:
    """The folder of the state that belongs to a model.

    Args:
        model: folder of a `Model` artifact, or of the SavedModel in it, which TFX
            gives as `base_model` and `serving_model_dir`.
    """
    folder = pathlib.Path(model)
    if folder.name == "Format-Serving":
        folder = folder.parent
    return folder / FOLDER


def read_manifest(folder: pathlib.Path) -> TrainingStateManifest:
    """Reads the manifest of a state alone.

    Raises:
        DataError: there is none, or it is not one.
    """
    path = folder / FILE_NAME
    try:
        return TrainingStateManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            "The model holds no training state to start from.",
            where=str(folder),
            fix="train it again with this version, or set `incremental.warm_start: "
            "false` for one run",
        ) from error
    except (OSError, pydantic.ValidationError) as error:
        raise _damaged(path, str(error)) from error


def _write_arrays(path: pathlib.Path, arrays: Sequence[Array]) -> None:
    named: dict[str, Any] = {f"a{n}": array for n, array in enumerate(arrays)}
    with path.open("wb") as file:
        np.savez(file, **named)
        file.flush()
        os.fsync(file.fileno())


def _read_arrays(path: pathlib.Path, count: int) -> list[Array]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return [stored[f"a{n}"] for n in range(count)]


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(path: pathlib.Path, why: str) -> DataError:
    return DataError(
        f"The training state is damaged: {why}.",
        where=str(path),
        fix="start from another model, or set `incremental.warm_start: false` for one "
        "run",
    )
