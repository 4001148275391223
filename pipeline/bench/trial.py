"""One run of a board with one seed."""

import dataclasses
import hashlib
import json
from typing import Any, Self

from clickwright.models import registry
from clickwright.models.params import ModelParams
from clickwright.models.published.published_board import PublishedBoard
from clickwright.models.training.params import INDIFFERENT, TrainingParams
from clickwright.pipeline.bench.machine import packages
from clickwright.schemas import strict_yaml

_FORMAT = 1
"""Raised whenever old results would no longer mean the same."""
_OPERATION = {*INDIFFERENT, "cache", "seed", "seeds"}
"""Training parameters that a result does not depend on, or that stand beside it."""


def protocol(training: TrainingParams) -> dict[str, Any]:
    """The training parameters that a result depends on, but for the seed."""
    return _on(training.model_dump(mode="json", exclude=_OPERATION))


def _on(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is off: options that come later are, and results outlive them."""
    return {name: value for name, value in values.items() if value}


@dataclasses.dataclass(frozen=True)
class Trial:
    """Everything that a result depends on.

    Attributes:
        key: key of the run.
        model: a registered model.
        params: its parameters.
        training: how it is trained, seed included.
        min_count: values that occur less often share a row.
        fingerprint: digest of the raw files.
    """

    key: str
    model: str
    params: ModelParams
    training: TrainingParams
    min_count: int
    fingerprint: str

    @classmethod
    def of(cls, board: PublishedBoard, key: str, seed: int, fingerprint: str) -> Self:
        """Reads the settings of a run.

        Raises:
            ConfigError: the board's settings are not valid.
        """
        run = board.runs[key]
        where = f"{board.name}.yaml: runs.{key}"
        return cls(
            key=key,
            model=run.model,
            params=registry.parse_params(run.model, run.params, f"{where}.params"),
            training=strict_yaml.parse(
                TrainingParams,
                {**board.training, **run.training, "seed": seed},
                f"{where}.training",
            ),
            min_count=run.min_count,
            fingerprint=fingerprint,
        )

    @property
    def seed(self) -> int:
        """Seed of initial weights, dropout and order of the rows."""
        return self.training.seed

    @property
    def digest(self) -> str:
        """Of settings, data and packages, the seed not included."""
        content = {
            "format": _FORMAT,
            "model": self.model,
            "params": _on(self.params.model_dump(mode="json")),
            "training": protocol(self.training),
            "min_count": self.min_count,
            "data": self.fingerprint,
            "packages": packages(),
        }
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
