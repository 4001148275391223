"""How the training went: the Trainer's log."""

import dataclasses
import json
import pathlib

from clickwright.schemas.errors import DataError


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """One line of `training_log.jsonl`; None is what the Trainer does not know."""

    epoch: int
    step: int
    seconds: float | None = None
    loss: float | None = None
    valid_auc: float | None = None
    valid_logloss: float | None = None
    learning_rate: float | None = None
    examples_per_second: float | None = None


def read_learning_curve(path: pathlib.Path | str) -> tuple[EpochRecord, ...]:
    """Reads a `training_log.jsonl`, oldest line first. Unknown keys are passed over.

    Raises:
        DataError: names the line that is no JSON object with an epoch and a step.
    """
    known = {field.name for field in dataclasses.fields(EpochRecord)}
    records = []
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line).items()
            records.append(EpochRecord(**{k: v for k, v in values if k in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(
                f"not a line of a training log: {error}. Received: {line[:200]!r}",
                where=f"{path}: line {number}",
                fix="Train again into an empty folder.",
            ) from error
    return tuple(records)
