"""What rows must be before a model learns from them."""

from collections.abc import Mapping, Sequence

import numpy as np

from clickwright.models.training.examples import Batch
from clickwright.schemas.errors import DataError
from clickwright.schemas.model_input import ModelInput


class SplitChecks:
    """Counts what is wrong in a split, batch by batch.

    Args:
        inputs: tensors that the model reads.
        label: name of the label.
        weight: name of the rows' weight, if there is one.
        split: name of the split.

    Attributes:
        rows: rows seen.
        negatives: those with label 0, rows without a label included.
    """

    def __init__(
        self, inputs: Sequence[ModelInput], label: str, weight: str | None, split: str
    ) -> None:
        self.rows = 0
        self.negatives = 0
        self._labelled = 0
        self._positives = 0
        self._label = label
        self._weight = weight or "weight"
        self._split = split
        self._values = [i.name for i in inputs if i.kind == "value"]
        self._may_be_missing = {i.name for i in inputs if i.may_be_missing}
        self._tables: Mapping[str, int] = {
            i.name: i.rows for i in inputs if i.rows is not None and i.is_tensor
        }
        self._not_finite: dict[str, int] = {}
        self._negative_weights = 0
        self._not_labels = 0
        self._beyond: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Counts one batch of NumPy arrays."""
        labels, weights = batch.labels, batch.weights
        counted = weights > 0.0
        self.rows += len(labels)
        self.negatives += int((labels <= 0.5).sum())
        self._labelled += int(counted.sum())
        self._positives += int((counted & (labels > 0.5)).sum())
        self._negative_weights += int((weights < 0.0).sum())
        self._not_labels += int(((labels != 0.0) & (labels != 1.0)).sum())
        floats = {name: batch.features[name] for name in self._values}
        for name, values in {**floats, self._weight: weights}.items():
            fine = np.isfinite(values)
            if name in self._may_be_missing:
                fine |= np.isnan(values)
            bad = values.size - int(fine.sum())
            if bad:
                self._not_finite[name] = self._not_finite.get(name, 0) + bad
        for name, rows in self._tables.items():
            ids = batch.features[name]
            for id_ in (int(ids.min(initial=0)), int(ids.max(initial=0))):
                if not 0 <= id_ < rows:
                    self._beyond[name] = id_

    def finish(self) -> None:
        """Judges the whole split.

        Raises:
            DataError: values or weights that are not finite (NaN is fine where the
                encoder has an embedding for missing values), negative weights, labels
                that are not 0 or 1, ids outside their table, no labels, or labels of
                one class alone.
        """
        spec = "check the label column and the split rule of the feature spec"
        for name, count in self._not_finite.items():
            kinds = "infinite values"
            if name not in self._may_be_missing:
                kinds += " or NaN"
            raise self._error(
                f"`{name}` holds {kinds} after Transform: {count} in {self.rows} rows.",
                f"column `{name}`",
                "mend the column, or give it a scaling and bounds in the feature spec",
            )
        if self._negative_weights:
            raise self._error(
                f"{self._negative_weights} of {self.rows} rows have a weight below 0.",
                f"column `{self._weight}`",
                "mend the weight column; 0 leaves a row out",
            )
        if self._not_labels:
            raise self._error(
                f"{self._not_labels} of {self.rows} rows have a label other than 0 "
                "and 1.",
                f"label `{self._label}`",
                "make the label column hold 0, 1 or nothing",
            )
        for name, id_ in self._beyond.items():
            raise self._error(
                f"`{name}` holds the id {id_}; its table has {self._tables[name]} "
                "rows, 0 to {}.".format(self._tables[name] - 1),
                f"input `{name}`",
                "run Transform and training with one feature spec: delete the results "
                "of Transform and run again",
            )
        if self._labelled == 0:
            raise self._error(
                "The split has no row with a label and a positive weight. Rows: "
                f"{self.rows}.",
                f"label `{self._label}`",
                spec,
            )
        if self._positives in (0, self._labelled):
            raise self._error(
                f"All {self._labelled} labelled rows have the label "
                f"{int(self._positives > 0)}; a click model needs both 0 and 1.",
                f"label `{self._label}`",
                spec,
            )

    def _error(self, what: str, where: str, fix: str) -> DataError:
        return DataError(what, where=f"split `{self._split}`, {where}", fix=fix)
