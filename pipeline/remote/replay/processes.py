"""Commands of containers, as processes of this machine."""

import errno
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

from clickwright.schemas.errors import MachineError

_LONGEST_ARGUMENT = 32 * 4096  # Linux's MAX_ARG_STRLEN
_GRACE_SECONDS = 10
_OF_THIS_SHELL = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")


class Processes:
    """Runs commands, and ends those that still run when it is closed."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: pathlib.Path,
        log: pathlib.Path,
        where: str,
    ) -> int:
        """Runs a command to its end, in a folder of its own.

        `python` is the one that runs this program. What the shell told Python, like
        PYTHONPATH, is left out, as no container knows of it.

        Args:
            command: program and arguments.
            environment: variables beside those of this process.
            folder: where it runs; it is made.
            log: takes its output, after what is there.
            where: the task, for messages.

        Returns:
            The exit code; that of a signal is negative.

        Raises:
            MachineError: the command cannot be started.
        """
        folder.mkdir(parents=True, exist_ok=True)
        own = {k: v for k, v in os.environ.items() if k not in _OF_THIS_SHELL}
        programs = os.pathsep.join(
            (str(pathlib.Path(sys.executable).parent), own.get("PATH", os.defpath))
        )
        own |= {"PATH": programs, **environment}
        with log.open("ab") as output:
            try:
                with self._lock:
                    if self._closed:
                        return -signal.SIGTERM
                    process = subprocess.Popen(
                        command,
                        cwd=folder,
                        env=own,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                    self._running.add(process)
            except OSError as error:
                raise _not_started(command, error, where) from error
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._running.discard(process)

    def close(self) -> None:
        """Ends what still runs, with all that it has started."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it ended in between


def _not_started(command: Sequence[str], error: OSError, where: str) -> MachineError:
    longest = max(len(word.encode()) for word in command)
    if error.errno == errno.E2BIG:
        return MachineError(
            f"The command has an argument of {longest:,} bytes; Linux takes at most "
            f"{_LONGEST_ARGUMENT:,}, in a container as here.",
            where=where,
            fix="make what the task is given shorter, like lists in the configuration",
        )
    return MachineError(
        f"`{command[0]}` cannot be started: {error.strerror or error}.",
        where=where,
        fix="install it on this machine, as the image has it",
    )
