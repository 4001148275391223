"""One run at a time in one output folder."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from clickwright.schemas.errors import MachineError


@contextlib.contextmanager
def exclusive(out: pathlib.Path, option: str = "--out") -> Iterator[None]:
    """Holds the output folder: two runs in one folder would undo each other.

    Args:
        out: the folder; it is made.
        option: what names another one, for messages.

    Raises:
        MachineError: the folder cannot be written, or another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise MachineError(
            f"The output folder cannot be written: {error.strerror or error}.",
            where=str(out),
            fix=f"give another folder with {option}, or change the rights of this one",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MachineError(
                "Another run is writing into the output folder.",
                where=str(out),
                fix=f"wait for it to end, or give another folder with {option}",
            ) from error
        yield
