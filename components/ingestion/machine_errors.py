"""Failed writes, in words that say what to do."""

import contextlib
import errno
from collections.abc import Iterator

import tensorflow as tf

from clickwright.schemas.errors import MachineError


@contextlib.contextmanager
def machine_errors(path: str) -> Iterator[None]:
    """Turns the errors of file systems, while `path` is written, into ours.

    Raises:
        MachineError: the disk is full, or the path cannot be written.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        full = isinstance(error, tf.errors.ResourceExhaustedError) or (
            isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        )
        if full:
            raise MachineError(
                "No space is left on the device.",
                where=path,
                fix="free disk space, or choose an output folder on another disk",
            ) from error
        raise MachineError(
            f"Writing failed: {error}.",
            where=path,
            fix="choose an output folder that exists and may be written",
        ) from error
