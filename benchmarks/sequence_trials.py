"""Trainings of the comparison of models of a history, and what each came to."""

import gc
import hashlib
import json
import math
import pathlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pydantic
from kept_results import Kept
from numeric_rows import SPLITS, Rows, read_rows

from clickwright.schemas.datasets import source_class
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.item_table import FILE_NAME
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.strict_yaml import StrictModel

Ablation = Literal["full", "no history", "no vectors"]


class Trial(StrictModel):
    """One training."""

    dataset: str
    options: dict[str, Any] = pydantic.Field(default_factory=dict)
    """Of the data set."""
    model: str
    params: dict[str, Any] = pydantic.Field(default_factory=dict)
    training: dict[str, Any] = pydantic.Field(default_factory=dict)
    ablation: Ablation = "full"
    seed: int

    @property
    def data(self) -> str:
        """Names the data set, and how many items it has where that is said."""
        items = self.options.get("items")
        return self.dataset if items is None else f"{self.dataset}_{items}_items"

    @property
    def name(self) -> str:
        """Names its result; depends on all that it says."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]
        ablation = self.ablation.replace(" ", "_")
        return f"{self.dataset}-{self.model}-{ablation}-{self.seed}-{digest}"


class Result(Kept):
    """What a training came to; `auc`, `gauc` and `logloss` are of the test split.

    Where the true click probabilities are known, they stand in for its clicks.
    """

    trial: Trial
    auc: float
    gauc: float
    """AUC within each user, averaged by rows."""
    logloss: float
    valid_auc: float
    epochs: int
    seconds: float
    examples_per_second: float
    """Of training, the median of the epochs."""
    parameters: int
    """That are trained; vectors of item tables are not."""

    @property
    def name(self) -> str:
        """That of the trial."""
        return self.trial.name


class DataSet:
    """The rows of a data set with its item tables, and trainings on them.

    Args:
        trial: names the data set and its options.
        raw: folder of the raw files; None for a simulation.
        folder: where prepared data and item tables go.
    """

    def __init__(
        self, trial: Trial, raw: pathlib.Path | None, folder: pathlib.Path
    ) -> None:
        cls = source_class(trial.dataset)
        source = cls(cls.Options.model_validate(trial.options))
        prepared = source.prepare(raw, folder)
        self._rows = read_rows(source.spec(), prepared)
        self._plan = _plan(self._rows)
        self._inputs = self._rows.inputs(self._plan)
        self._tables = _item_tables(
            self._rows,
            {i.entity: i.entities for i in self._inputs if i.entity},
            prepared.directory / "items.parquet",
            folder / f"{prepared.directory.name}-tables",
        )

    def run(self, trial: Trial) -> Result:
        """Trains, and scores the test split with the epoch that is kept."""
        import keras

        from clickwright.models import registry
        from clickwright.models.item_tables import fill_item_tables
        from clickwright.models.metrics.auc import area_under_roc
        from clickwright.models.training.params import TrainingParams
        from clickwright.models.training.placement import placement
        from clickwright.models.training.trainer import Trainer
        from clickwright.schemas.marketplace.bayes import probability_metrics

        inputs, params = ablated(trial, self._inputs)
        training = TrainingParams.model_validate({**trial.training, "seed": trial.seed})
        keras.backend.clear_session()
        gc.collect()
        started = time.monotonic()
        with placement(training):
            keras.utils.set_random_seed(trial.seed)
            model = registry.build(trial.model, inputs, params)
            fill_item_tables(model, self._tables)
            trainer = Trainer(model, training, registry.loss(trial.model, params))
            examples = {
                split: self._rows.examples(self._plan, split, model.input)
                for split in SPLITS
            }
            records = trainer.train(examples["train"], examples["valid"])
            seconds = time.monotonic() - started
            found = {s: trainer.predict(examples[s]) for s in ("valid", "test")}
        labels, probabilities, _ = found["test"]
        metrics = probability_metrics(
            self._rows.truths.get("test", labels.astype(np.int64)),
            np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7),
            np.unique(self._rows.groups["test"], return_inverse=True)[1],
        )
        return Result(
            trial=trial,
            **{name: metrics[name] for name in ("auc", "gauc", "logloss")},
            valid_auc=area_under_roc(*found["valid"]),
            epochs=len(records),
            seconds=seconds,
            examples_per_second=float(
                np.median([r.examples_per_second or math.nan for r in records])
            ),
            parameters=sum(math.prod(v.shape) for v in model.trainable_variables),
        )


def ablated(
    trial: Trial, inputs: tuple[ModelInput, ...]
) -> tuple[tuple[ModelInput, ...], dict[str, Any]]:
    """Inputs and parameters of a training without what its ablation takes away.

    Models of a history do without by their own parameter: they need the inputs. Of
    others the inputs are left out.
    """
    from clickwright.models import registry
    from clickwright.models.sequential.history_params import HistoryParams

    if trial.ablation == "full":
        return inputs, trial.params
    without = {"no history": "history", "no vectors": "vectors"}[trial.ablation]
    if issubclass(registry.entry(trial.model).params, HistoryParams):
        return inputs, {**trial.params, "without": (without,)}
    if "base" in registry.entry(trial.model).params.model_fields:
        base = {**trial.params.get("base_params", {}), "without": (without,)}
        return inputs, {**trial.params, "base_params": base}
    kind = {"history": "sequence", "vectors": "vector"}[without]
    return tuple(i for i in inputs if i.kind != kind), trial.params


def _plan(rows: Rows) -> DiscretizationPlan | None:
    """How numbers are embedded, as their statistics say; None where there are none."""
    if not rows.spec.numeric_features():
        return None
    from clickwright.components.discretizer.plan_of import plan_of

    return plan_of(rows.spec, rows.columns("train"))


def _item_tables(
    rows: Rows,
    entities: Mapping[str, int | None],
    items: pathlib.Path,
    folder: pathlib.Path,
) -> dict[str, pathlib.Path]:
    """The item table of each entity, built unless it is there."""
    from clickwright.components.item_table.build_table import build_table

    folders = {}
    for entity, count in entities.items():
        values = [str(value) for value in rows.vocabularies[entity]]
        said = json.dumps([rows.spec.model_dump(mode="json"), values])
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        folders[entity] = folder / f"{entity}-{digest}"
        if not (folders[entity] / FILE_NAME).exists():
            folders[entity].mkdir(parents=True, exist_ok=True)
            build_table(rows.spec, entity, values, count or 0, items, folders[entity])
    return folders
