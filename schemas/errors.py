"""The errors that a user can mend, and the one shape all of them have."""

import difflib
import errno
import pathlib
from collections.abc import Iterable


class ClickwrightError(Exception):
    """An error in what the user gave, not in the program.

    The command line prints it as one message and exits with 1; everything else
    that is raised is a defect and keeps its traceback in the log.

    Args:
        what: what is wrong, with the value received and the rule it breaks.
        where: the file, and the field or column in it, if there is one.
        fix: what to do about it, as an imperative sentence.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)  # all three: Beam pickles exceptions
        self.what = what
        self.where = where
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.fix)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} Fix: {self.fix}" if self.fix else text


class ConfigError(ClickwrightError):
    """A configuration or feature spec that breaks its contract."""


class DataError(ClickwrightError):
    """Rows or files that break the feature spec."""


class MachineError(ClickwrightError):
    """A machine that lacks what the work needs (disk, memory, rights, packages)."""


def storage_error(error: OSError, path: pathlib.Path) -> MachineError:
    """Returns what to tell a user whose disk refused to write `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MachineError(
            "No space is left on the disk.",
            where=str(path),
            fix="free some space, then run the same command again",
        )
    return MachineError(
        f"The file cannot be written: {error.strerror or error}.",
        where=str(path),
        fix="choose a folder that you may write to",
    )


def full_disk(error: BaseException, path: pathlib.Path) -> MachineError | None:
    """Returns what to tell a user when a library's error means a full disk.

    SQLite and TensorFlow say it in words of their own, in errors of many types.
    """
    said = str(error).lower()
    if "disk is full" in said or "no space left" in said:
        return storage_error(OSError(errno.ENOSPC, ""), path)
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean `x`?` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def _rebuild(
    cls: type[ClickwrightError], what: str, where: str, fix: str
) -> ClickwrightError:
    return cls(what, where=where, fix=fix)
