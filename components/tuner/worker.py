"""A process that trains trials, told what by another: `python -m` this module.

Lines of JSON come in by standard input: first the setting, then one job after the
other. Lines of JSON go out by standard output: the scores of the running trial, each
answered by a line that says whether to go on, then its outcome or its error. It ends
with its input.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from clickwright.components.tuner.trial_job import TrialJob
from clickwright.components.tuner.trial_setting import TrialSetting
from clickwright.schemas.errors import ClickwrightError


def serve(lines: Iterator[str], out: TextIO, number: int) -> None:
    """Trains what the lines ask for.

    Args:
        lines: of standard input.
        out: where answers go.
        number: of this process, among those that share the machine.
    """
    # TensorFlow, once a process.
    from clickwright.components.tuner.trial_runner import TrialRunner

    def say(content: dict[str, Any]) -> None:
        out.write(json.dumps(content) + "\n")
        out.flush()

    def report(curve: tuple[float, ...]) -> bool:
        say({"curve": curve})
        return bool(json.loads(next(lines)))

    runner = TrialRunner(TrialSetting.model_validate_json(next(lines)), number)
    for line in lines:
        job = TrialJob.model_validate_json(line)
        try:
            outcome = runner.run(job, report)
        except ClickwrightError as error:
            said = {"what": error.what, "where": error.where, "fix": error.fix}
            say({"error": {"kind": type(error).__name__, **said}})
        except StopIteration:  # nobody is there to answer
            return
        except Exception:  # noqa: BLE001, told to whoever asked
            say({"traceback": traceback.format_exc()})
        else:
            say({"outcome": outcome.model_dump(mode="json")})


def main() -> None:
    """Keeps standard output for answers: libraries print to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        serve(iter(sys.stdin), out, int(sys.argv[1]))
    except (BrokenPipeError, StopIteration):
        pass  # whoever asked has gone


if __name__ == "__main__":
    main()
