"""Names from a storage as paths of this machine."""

import pathlib

from clickwright.schemas.errors import DataError


def path_below(folder: pathlib.Path, name: str, where: str) -> pathlib.Path:
    """The path of a name below a folder.

    An object of a bucket may be called anything, `../../.profile` included.

    Args:
        folder: what the name is relative to.
        name: with `/` between its parts.
        where: what the name comes from, for messages.

    Raises:
        DataError: the name leads out of the folder.
    """
    path = pathlib.PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(
            f"The name {name!r} leads out of its folder.",
            where=where,
            fix="rename or remove that object",
        )
    return folder / path
