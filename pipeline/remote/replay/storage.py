"""Object stores, as folders of this machine."""

import pathlib

_FOLDERS = {"gs://": "gcs", "minio://": "minio", "s3://": "s3"}
"""Kinds of addresses, and the folders that KFP's launcher gives to them."""


class Storage:
    """Keeps under one folder what a cluster keeps in object stores.

    `gs://bucket/key` is `<root>/gcs/bucket/key`.

    Args:
        root: the folder.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self._folders = {kind: f"{root}/{name}/" for kind, name in _FOLDERS.items()}

    def knows(self, address: str) -> bool:
        """Whether it is an address of an object store."""
        return address.startswith(tuple(self._folders))

    def local(self, text: str) -> str:
        """The path of an address; any other text as it is."""
        for kind, folder in self._folders.items():
            if text.startswith(kind):
                return folder + text.removeprefix(kind)
        return text

    def path(self, address: str) -> pathlib.Path:
        """Where the address lies; a path of this machine stands for itself."""
        return pathlib.Path(self.local(address))

    def address(self, path: str) -> str:
        """The address of a path, where it has one."""
        for kind, folder in self._folders.items():
            if path.startswith(folder):
                return kind + path.removeprefix(folder)
        return path

    def drop_empty_folders(self, address: str) -> None:
        """Removes folders without files, which an object store does not keep."""
        top = self.path(address)
        if not top.is_dir():
            return
        below = sorted((p for p in top.rglob("*") if p.is_dir()), reverse=True)
        for folder in (*below, top):
            if not any(folder.iterdir()):
                folder.rmdir()
