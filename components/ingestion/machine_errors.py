"""Failed writes, in words that say what to do."""

import contextlib
import errno
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from clickwright.schemas.errors import storage_error


@contextlib.contextmanager
def machine_errors(path: str) -> Iterator[None]:
    """Turns the errors of file systems, while `path` is written, into ours.

    Raises:
        MachineError: the disk is full, or the path cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(error, pathlib.Path(path)) from error
    except tf.errors.OpError as error:
        full = isinstance(error, tf.errors.ResourceExhaustedError)
        number = errno.ENOSPC if full else errno.EIO
        raise storage_error(
            OSError(number, error.message), pathlib.Path(path)
        ) from error
