"""Where artifacts of a bucket lie in a container."""

import pathlib
from collections.abc import Mapping
from typing import Self

from clickwright.schemas.errors import MachineError

_LAUNCHER = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}


class Mounts:
    """Folders that stand for the artifacts' addresses.

    Vertex AI mounts buckets below `/gcs/`; Kubeflow's launcher downloads what a task
    reads to `/gcs/`, `/minio/` or `/s3/`, and uploads what it writes there.

    Args:
        folders: by prefix of address.
    """

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = dict(folders)

    @classmethod
    def found(cls) -> Self:
        """Those that are there."""
        return cls({p: f for p, f in _LAUNCHER.items() if pathlib.Path(f).is_dir()})

    def path(self, uri: str) -> str:
        """The path of an artifact.

        Raises:
            MachineError: it lies in a bucket, and no folder stands for that.
        """
        for prefix, folder in self._folders.items():
            if uri.startswith(prefix):
                return folder + uri.removeprefix(prefix)
        if "://" in uri:
            raise MachineError(
                "The artifact lies in a bucket, and no folder of this container stands "
                f"for that; such a folder is one of {', '.join(_LAUNCHER.values())}.",
                where=uri,
                fix="run the task on Vertex AI or Kubeflow, whose launchers bring "
                "artifacts, or with `clickwright replay`",
            )
        return uri

    def address(self, path: str) -> str:
        """The address of a path; the path itself where it lies below no folder."""
        for prefix, folder in self._folders.items():
            if path.startswith(folder):
                return prefix + path.removeprefix(folder)
        return path
