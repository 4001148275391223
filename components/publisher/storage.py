"""What publishing asks of the place where models are served from."""

import pathlib
from contextlib import AbstractContextManager
from typing import Protocol

from clickwright.schemas.manifest import Manifest


class Storage(Protocol):
    """The versions of one model below a serving root, and the files beside them."""

    @property
    def root(self) -> str:
        """Address of the serving root."""

    @property
    def folder(self) -> str:
        """Address of the model's folder, the `base_path` of a model server."""

    @property
    def scratch(self) -> pathlib.Path:
        """A folder of the disk that staged copies take their space from."""

    def model_names(self) -> list[str]:
        """The models that the root has versions of, in order."""

    def change_model(self) -> AbstractContextManager[None]:
        """Keeps every other writer of this model away.

        Raises:
            MachineError: another writer is at work; it says which.
        """

    def change_root(self) -> AbstractContextManager[None]:
        """Keeps every other writer of the root's own files away; waits its turn.

        Raises:
            MachineError: the turn did not come.
        """

    def versions(self) -> list[int]:
        """The whole versions, oldest first."""

    def stage(self, version: int) -> AbstractContextManager[pathlib.Path]:
        """Gives a local folder to assemble the version in, and clears it away."""

    def appear(self, staged: pathlib.Path, version: int, manifest: Manifest) -> None:
        """Makes the staged folder visible as that version, whole or not at all."""

    def manifest(self, version: int) -> Manifest:
        """Reads what a version says of itself.

        Raises:
            DataError: it has no manifest, or a damaged one.
        """

    def verify(self, version: int) -> Manifest:
        """Reads every file of a version and checks it against the manifest.

        Raises:
            DataError: names each file that is missing, changed or not in the manifest.
        """

    def download(self, version: int, below: str, target: pathlib.Path) -> None:
        """Copies what lies in a folder of a version into a folder of this machine."""

    def remove(self, version: int) -> None:
        """Removes a version, so that nobody sees it half deleted."""

    def remove_leftovers(self) -> None:
        """Removes what a writer left that was interrupted."""

    def read(self, name: str) -> str | None:
        """Reads a file of the root; None when there is none."""

    def write(self, name: str, text: str) -> None:
        """Writes a file of the root whole."""
