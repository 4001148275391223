"""Days of the simulated shop, trained on in one way or another."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
import yaml
from kept_results import Kept

from clickwright.components.evaluation.scorer import Scorer
from clickwright.components.ingestion.columns import columns_to_read
from clickwright.components.ingestion.encoder import encode
from clickwright.components.ingestion.parquet_log import ParquetLog
from clickwright.pipeline.run import run
from clickwright.schemas.marketplace.bayes import probability_metrics
from clickwright.schemas.marketplace.source import MarketplaceOptions, MarketplaceSource


class Day(Kept):
    """A model that was trained up to a day, and scored on the next.

    It is scored against the true click probabilities: by the clicks that fell, models
    of one day differ by as much as the ways of training do.
    """

    arm: str
    setting: str
    """Digest of all that it depends on."""
    day: int
    seed: int
    """Of the training."""
    rows: int
    """Rows of its training split."""
    trainer_seconds: float
    run_seconds: float
    """Of all components, those that are the same for every way included."""
    auc: float
    logloss: float
    pcoc: float
    clicked_auc: float
    """By the clicks that fell."""
    bayes: float
    """AUC of the true click probabilities."""
    scored: int
    """Rows of the next day."""

    @property
    def name(self) -> str:
        """By the way of training and the day."""
        return f"{self.arm}-{self.day:02d}-{self.setting}"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train on from day to day.

    Attributes:
        key: names its folder.
        label: names it in the document.
        incremental: the section of that name in the configuration.
        shop: options of the simulated shop.
        training: training parameters, `seed` among them.
        folder: everything is written below it.
    """

    key: str
    label: str
    incremental: Mapping[str, Any]
    shop: Mapping[str, Any]
    training: Mapping[str, Any]
    folder: pathlib.Path

    @property
    def setting(self) -> str:
        """Digest of all that its results depend on."""
        content = json.dumps(self._config(), sort_keys=True).encode()
        return hashlib.sha256(content).hexdigest()[:8]

    @property
    def out(self) -> pathlib.Path:
        """Output folder of its runs."""
        return self.folder / f"{self.key}-{self.setting}"

    def train(self, day: int) -> Day:
        """Runs the pipeline on a day, and scores the model on the next."""
        path = self.folder / f"{self.key}-{self.setting}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self._config(), sort_keys=False))
        result = run(path, out=self.out, span=str(day))
        published = result.summary["published"]
        if published is None:
            raise RuntimeError(f"day {day} of {self.label} was not published")
        first = self._first_summary(day)
        seconds = {c["name"]: float(c["seconds"]) for c in first["components"]}
        return Day(
            arm=self.key,
            setting=self.setting,
            day=day,
            rows=first["spans"]["rows"]["train"],
            trainer_seconds=seconds["Trainer"],
            run_seconds=sum(seconds.values()),
            **self._score(published, day + 1),
        )

    def score_frozen(self, first: int, day: int) -> Day:
        """Scores the model of the first day on the one after `day`."""
        published = self._first_summary(first)["published"]
        return Day(
            arm="frozen",
            setting=self.setting,
            day=day,
            rows=0,
            trainer_seconds=0.0,
            run_seconds=0.0,
            **self._score(published, day + 1),
        )

    def _config(self) -> dict[str, Any]:
        return {
            "name": "shop",
            "data": {
                "dataset": "marketplace",
                "options": {**self.shop, "by_day": True},
            },
            "model": {"name": "deepfm", "params": {"l2": 0.15}},
            "training": dict(self.training),
            # Every model is blessed: each day has its turn, however it comes out.
            "evaluation": {"thresholds": {"auc": {"min": 0.0}}},
            "serving": {"validate": False},
            "incremental": dict(self.incremental),
        }

    def _first_summary(self, day: int) -> dict[str, Any]:
        """Of the run that did the work; one that repeats it takes no time."""
        for path in sorted((self.out / "runs").glob("*/summary.json")):
            summary: dict[str, Any] = json.loads(path.read_text())
            trainer = next(c for c in summary["components"] if c["name"] == "Trainer")
            if summary["spans"]["newest"] == day and trainer["state"] == "complete":
                return summary
        raise RuntimeError(f"no run trained on day {day}")

    def _score(self, published: str, day: int) -> dict[str, Any]:
        options = MarketplaceOptions.model_validate(self._config()["data"]["options"])
        prepared = MarketplaceSource(options).prepare(None, self.out / "data")
        folder = prepared.directory / f"span-{day}" / "all"
        scorer = Scorer(published)
        spec = MarketplaceSource.spec()
        wanted = columns_to_read(spec)
        files = sorted(folder.glob("*.parquet"))
        scores = np.concatenate(
            [
                scorer.score(tf.constant(encode(batch))).numpy()
                for log in map(ParquetLog, map(str, files))
                for unit in log.units()
                for batch in log.read(unit, wanted, spec)
            ]
        )
        log = pq.read_table(files, columns=["click", "true_probability", "user"])
        click, truth, user = (column.to_numpy() for column in log.columns)
        metrics = probability_metrics(truth, scores, user)
        return {
            **{name: metrics[name] for name in ("auc", "logloss", "pcoc")},
            "clicked_auc": probability_metrics(click, scores, user)["auc"],
            "bayes": probability_metrics(truth, truth, user)["auc"],
            "seed": self.training["seed"],
            "scored": len(click),
        }
