"""The Beam steps that make TFMA's extracts, one a batch and slice."""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.slicer import slicer_lib

from clickwright.components.evaluation.score_files import ScoredBatch
from clickwright.components.evaluation.slice_codes import SliceKey, slice_codes

MOST_SLICES = 50
"""Slices kept of each slicing, those with the most rows."""

Counts = collections.Counter[SliceKey]


class CountSlices(beam.DoFn):
    """Counts the rows of each slice in a batch.

    Args:
        slicings: columns of each slicing.
    """

    def __init__(self, slicings: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self._slicings = slicings

    def process(self, batch: ScoredBatch) -> Iterator[Counts]:
        """Yields the counts."""
        counts: Counts = collections.Counter()
        for names in self._slicings:
            keys, codes = slice_codes(batch.rows.slices, names)
            rows = np.bincount(codes[codes >= 0], minlength=len(keys))
            counts.update(dict(zip(keys, rows.tolist(), strict=True)))
        yield counts


class LargestSlices(beam.CombineFn):
    """Finds the `MOST_SLICES` slices of each slicing with the most rows."""

    def create_accumulator(self) -> Counts:
        """Returns no counts."""
        return collections.Counter()

    def add_input(self, accumulator: Counts, counts: Counts) -> Counts:
        """Adds the counts of a batch."""
        accumulator.update(counts)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        """Adds counts up."""
        return sum(accumulators, collections.Counter())

    def extract_output(self, accumulator: Counts) -> frozenset[SliceKey]:
        """Returns the largest; of equally large ones those that come first by value."""
        kept: set[SliceKey] = set()
        slicings = collections.defaultdict(list)
        for key, rows in accumulator.items():
            slicings[tuple(name for name, _ in key)].append((-rows, key))
        for found in slicings.values():
            kept.update(key for _, key in sorted(found)[:MOST_SLICES])
        return frozenset(kept)


class SliceBatches(beam.DoFn):
    """Cuts a batch into slices: extracts in TFMA's format, but of many rows each.

    TFMA extracts and fans out row by row, which is where it spends its time. Its
    metrics get the rows of a slice a batch at a time here.

    Args:
        slicings: columns of each slicing.
        group_key: column of the group key.
    """

    def __init__(
        self, slicings: Sequence[Sequence[str]], group_key: str | None
    ) -> None:
        super().__init__()
        self._slicings = slicings
        self._group_key = group_key

    def process(
        self, batch: ScoredBatch, kept: frozenset[SliceKey]
    ) -> Iterator[tfma.Extracts]:
        """Yields all rows, then those of each slice that is kept."""
        yield self._extracts(batch, (), slice(None))
        for names in self._slicings:
            keys, codes = slice_codes(batch.rows.slices, names)
            order = np.argsort(codes, kind="stable")
            ends = np.searchsorted(codes[order], np.arange(len(keys) + 1))
            for i, key in enumerate(keys):
                if key in kept:
                    yield self._extracts(batch, key, order[ends[i] : ends[i + 1]])

    def _extracts(
        self, batch: ScoredBatch, key: SliceKey, chosen: Any
    ) -> tfma.Extracts:
        rows, models = batch.rows, list(batch.scores)
        extracts = {
            tfma.LABELS_KEY: _by_model(models, [rows.label[chosen]] * len(models)),
            tfma.PREDICTIONS_KEY: _by_model(
                models, [scores[chosen] for scores in batch.scores.values()]
            ),
            tfma.SLICE_KEY_TYPES_KEY: slicer_lib.slice_keys_to_numpy_array([key]),
        }
        if rows.weight is not None:
            extracts[tfma.EXAMPLE_WEIGHTS_KEY] = _by_model(
                models, [rows.weight[chosen]] * len(models)
            )
        if rows.group is not None:
            extracts[tfma.FEATURES_KEY] = {self._group_key: rows.group[chosen]}
        return extracts


def _by_model(models: list[str], values: list[np.ndarray]) -> Any:
    # TFMA leaves the model's name out where there is one model only.
    return dict(zip(models, values, strict=True)) if len(models) > 1 else values[0]
