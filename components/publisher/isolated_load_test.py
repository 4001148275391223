"""The load test in a process of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Sequence

from clickwright.components.publisher import load_test
from clickwright.schemas.errors import DataError

TIMEOUT_SECONDS = 600.0


def isolated_load_test(
    model: pathlib.Path,
    signatures: Sequence[str],
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Runs `load_test` where a model can crash, hang or fill the memory by itself.

    The process is as fresh as a server's: what the training left in memory does not
    help the model. It uses no GPU, which the training may still hold.

    Args:
        model: the SavedModel's folder.
        signatures: what it must offer.
        timeout_seconds: a model that takes longer is refused.

    Raises:
        DataError: as `load_test`; or the process crashed, or did not end.
    """
    command = [sys.executable, "-m", load_test.__name__, str(model), *signatures]
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"The model did not load within {timeout_seconds:g} seconds.",
            where=str(model),
            fix="make the model smaller, or look for what its graph waits for",
        ) from error
    if done.returncode == 0:
        return
    if done.stdout.endswith("}"):
        raise DataError(**json.loads(done.stdout.splitlines()[-1]))
    said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
    code = done.returncode
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    raise DataError(
        f"The process that loads the model ended with {ended}. It said: {said}",
        where=str(model),
        fix="free memory if the system ended it (SIGKILL); else export the model again",
    )
