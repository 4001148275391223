"""Trainings of the comparison of retrieval models, and what each came to."""

import gc
import hashlib
import json
import math
import pathlib
import shutil
import time
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pydantic
from kept_results import Kept

from clickwright.models.ragged_ids import RaggedIds
from clickwright.schemas.datasets import source_class
from clickwright.schemas.item_table import FILE_NAME, ItemTable
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import CategoricalFeature, IdentityVocabulary
from clickwright.schemas.strict_yaml import StrictModel

SPLITS = ("train", "valid", "test")


class Trial(StrictModel):
    """One training."""

    dataset: str
    title: str
    """Of the model with these parameters."""
    model: str
    params: dict[str, Any] = pydantic.Field(default_factory=dict)
    training: dict[str, Any] = pydantic.Field(default_factory=dict)
    without: tuple[str, ...] = ()
    """Inputs that are left out."""
    seed: int

    @property
    def name(self) -> str:
        """Names its result; depends on all that it says but the title."""
        said = self.model_dump_json(exclude={"title"})
        digest = hashlib.sha256(said.encode()).hexdigest()[:8]
        return f"{self.dataset}-{self.model}-{self.seed}-{digest}"


class Result(Kept):
    """What a training came to."""

    trial: Trial
    test: dict[str, float]
    """Ranking metrics of the test split."""
    valid: dict[str, float]
    """Those of the epoch that was kept, on the validation split."""
    epochs: int
    seconds: float
    sequences_per_second: float
    """Rows of the last stage's training, the median of its epochs."""
    parameters: int
    """That are trained; vectors of item tables are not."""

    @property
    def name(self) -> str:
        """That of the trial."""
        return self.trial.name


class DataSet:
    """The rows of a data set with its item tables, and trainings on them.

    Args:
        name: the data set.
        raw: folder of the raw files.
        folder: where prepared data and item tables go.
    """

    def __init__(self, name: str, raw: pathlib.Path, folder: pathlib.Path) -> None:
        from clickwright.models.retrieval.retrieval_inputs import RetrievalInputs
        from clickwright.models.training.retrieval_data import catalogue

        self._folder = folder
        source = source_class(name)()
        prepared = source.prepare(raw, folder)
        self._spec = source.spec()
        sizes = {n: 1 for n in self._spec.item_features()}
        rows = self._spec.table_rows(sizes)
        self._tables = {
            entity: self._table(entity, rows[entity], prepared.directory, folder)
            for entity in self._spec.item_entities()
        }
        for table in self._tables.values():
            attributes = ItemTable.read(table).attributes
            sizes |= {n: column.values for n, column in attributes.items()}
        self._inputs = self._spec.model_inputs(sizes)
        self._requests = RetrievalInputs.of(self._inputs)
        self._is_item = catalogue(self._spec, self._requests.item)
        self.examples = {s: self._read(prepared.directory / s) for s in SPLITS}

    def run(self, trial: Trial) -> Result:
        """Trains, and ranks for the test split with the epoch that is kept."""
        import keras

        from clickwright.models.training.checkpoint import Checkpoint
        from clickwright.models.training.placement import placement
        from clickwright.models.training.plateau import Plateau
        from clickwright.models.training.retrieval_params import RetrievalTrainingParams
        from clickwright.models.training.retrieval_trainer import RetrievalTrainer

        params = RetrievalTrainingParams.model_validate(
            {**trial.training, "seed": trial.seed}, strict=False
        )
        keras.backend.clear_session()
        gc.collect()
        started = time.monotonic()
        with placement(params):
            keras.utils.set_random_seed(trial.seed)
            model = self.build(trial)
            trainer = RetrievalTrainer(model, params)
            # Pre-training takes hours: what was cut off goes on.
            state = Checkpoint(self._folder / "state" / trial.name)
            records = trainer.train(
                self.examples["train"], self.examples["valid"], state
            )
            shutil.rmtree(state.directory)
            seconds = time.monotonic() - started
            test = trainer.measure(self.examples["test"])
        plateau = Plateau(params)
        for record in records:
            plateau.update(record)
        best = plateau.best_epoch or records[-1]
        speeds = [r.examples_per_second or math.nan for r in records if r.valid]
        return Result(
            trial=trial,
            test=test,
            valid=best.valid or {},
            epochs=len(records),
            seconds=seconds,
            sequences_per_second=float(np.median(speeds)),
            parameters=sum(math.prod(v.shape) for v in model.trainable_variables),
        )

    def build(self, trial: Trial) -> Any:
        """The model, with random weights."""
        from clickwright.models import registry
        from clickwright.models.item_tables import fill_item_tables

        inputs = [i for i in self._inputs if i.name not in trial.without]
        model = registry.build(trial.model, inputs, trial.params)
        fill_item_tables(model, self._tables)
        return model

    def _read(self, folder: pathlib.Path) -> Any:
        from clickwright.models.training.retrieval_examples import RetrievalExamples

        table = pq.read_table(folder)
        lists = {
            i.name: table[self._spec.column_of(i.name)].combine_chunks()
            for i in self._requests.seen
        }
        # Ids of identity vocabularies: the number and one.
        ragged = {
            name: RaggedIds.of_lengths(
                column.flatten().to_numpy() + 1, column.value_lengths().to_numpy()
            )
            for name, column in lists.items()
        }
        history, user = self._requests.history, self._requests.user
        return RetrievalExamples(
            table[self._spec.column_of(self._requests.item.name)].to_numpy() + 1,
            self._is_item,
            None if history is None else ragged[history.name],
            user=None if user is None else self._ids(table, user),
            group=table[str(self._spec.group_key)].to_numpy(),
        )

    def _ids(self, table: Any, i: ModelInput) -> np.ndarray:
        return np.asarray(table[self._spec.column_of(i.name)].to_numpy() + 1)

    def _table(
        self, entity: str, rows: int, prepared: pathlib.Path, folder: pathlib.Path
    ) -> pathlib.Path:
        """The item table of an entity, built unless it is there."""
        from clickwright.components.item_table.build_table import build_table

        feature = self._spec.features[entity]
        if not (
            isinstance(feature, CategoricalFeature)
            and isinstance(feature.vocabulary, IdentityVocabulary)
        ):
            raise TypeError(f"`{entity}` must have an identity vocabulary.")
        values = [str(value) for value in range(feature.vocabulary.size)]
        said = json.dumps([self._spec.model_dump(mode="json"), values])
        digest = hashlib.sha256(said.encode()).hexdigest()[:12]
        place = folder / f"{prepared.name}-tables" / f"{entity}-{digest}"
        if not (place / FILE_NAME).exists():
            place.mkdir(parents=True, exist_ok=True)
            items = prepared / "items.parquet"
            build_table(self._spec, entity, values, rows, items, place)
        return place
