"""From rows, plan and model to the report of the numeric fields."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from clickwright.components.evaluation.score_files import read_batches
from clickwright.components.inspection import measures
from clickwright.components.inspection.click_bins import ClickBins
from clickwright.components.inspection.even_sample import EvenSample
from clickwright.components.inspection.field_encoders import FieldEncoders
from clickwright.components.inspection.findings import findings
from clickwright.components.inspection.numeric_rows import (
    read_numeric_rows,
)
from clickwright.components.inspection.raw_scorer import RawScorer
from clickwright.components.inspection.split_tally import SplitTally
from clickwright.schemas.autodis_report import (
    AutoDisReport,
    BinUsage,
    Embedding,
    FieldReport,
    SplitValues,
)
from clickwright.schemas.discretization_plan import DiscretizationPlan, FieldPlan
from clickwright.schemas.spec import SPLITS, FeatureSpec

TRAIN, VALID, _ = SPLITS
SAMPLE_ROWS = 100_000
"""Rows of the training split that grids and the use of the bins are taken from."""
RESPONSE_ROWS = 512
"""Validation rows that every response is a mean over."""

progress = logging.getLogger("clickwright.progress")


@dataclasses.dataclass(frozen=True)
class _Data:
    """What one pass over the splits leaves.

    Attributes:
        tallies: shares by split.
        clicks: click rates of the training split, a field each.
        values: [n, F] sample of the training split.
        serialized: sample of the validation split.
    """

    tallies: Mapping[str, SplitTally]
    clicks: Sequence[ClickBins]
    values: np.ndarray
    serialized: np.ndarray


def inspect_fields(
    spec: FeatureSpec,
    plan: DiscretizationPlan,
    files: Mapping[str, Sequence[str]],
    scorer: RawScorer,
    encoders: FieldEncoders,
    previous: AutoDisReport | None = None,
) -> AutoDisReport:
    """Inspects every field of the plan.

    The numeric columns of all rows of all splits are read once. Use of the bins is
    measured on an even sample of the training split; a response takes one call of the
    model for each value of the grid, on the same few validation rows.

    Args:
        spec: names columns, label and weight.
        plan: the plan that the model was trained with.
        files: TFRecord files of raw tf.Examples by split; `train` and `valid` must
            hold rows.
        scorer: the exported model.
        encoders: its encoders of numeric fields.
        previous: report of earlier data; one of another spec is not compared with.
    """
    data = _read(spec, plan, files)
    finite = [column[np.isfinite(column)] for column in data.values.T]
    grids = [measures.value_grid(values) for values in finite]
    ranks = [measures.ranks(values) for values in finite]
    shares = encoders.mean_assignments(data.values)
    columns = scorer.parse(data.serialized)
    constant, rows = scorer.constant, len(data.serialized)
    before = previous.fields if previous and previous.spec_name == spec.name else {}
    fields = {}
    for i, (name, field) in enumerate(plan.fields.items()):
        progress.info(
            "inspected", extra={"rows": i, "total": len(plan.fields), "detail": name}
        )
        column = spec.column_of(name)
        with_missing = spec.features[name].presence == "optional"
        asked = np.append(grids[i], np.nan) if with_missing else grids[i]
        responses = [
            scorer.score({**columns, column: constant(column, value, rows)}).mean()
            for value in asked
        ]
        fields[name] = _field(
            field,
            splits={split: tally.of(i) for split, tally in data.tallies.items()},
            ranks=ranks[i],
            grid=grids[i],
            assignments=encoders.assignments(name, grids[i]),
            usage=_usage(
                name,
                encoders,
                shares.get(name),
                ranks[i],
                data.tallies[TRAIN].of(i).missing,
                before.get(name),
            ),
            temperature=encoders.temperature(name),
            embedding=_embedding(encoders.embeddings(name, grids[i])),
            response=responses[: len(grids[i])],
            response_missing=responses[-1] if with_missing else None,
            clicks=data.clicks[i],
        )
    return AutoDisReport(spec_name=spec.name, response_rows=rows, fields=fields)


def _read(
    spec: FeatureSpec, plan: DiscretizationPlan, files: Mapping[str, Sequence[str]]
) -> _Data:
    statistics = [field.statistics for field in plan.fields.values()]
    tallies = {split: SplitTally(statistics) for split in files}
    clicks = [
        ClickBins(measures.click_cuts(np.array(s.quantiles), np.array(s.values)))
        for s in statistics
    ]
    values, serialized = EvenSample(SAMPLE_ROWS), EvenSample(RESPONSE_ROWS)
    done = 0
    for split, paths in files.items():
        for batch in read_numeric_rows(paths, spec):
            tallies[split].add(batch.values)
            if split == TRAIN:
                values.add(batch.values)
                for bins, column in zip(clicks, batch.values.T, strict=True):
                    bins.add(column, batch.label, batch.weight)
            done += len(batch.values)
            progress.info("read", extra={"rows": done, "total": None, "detail": split})
    for path in files[VALID]:
        for records in read_batches(path):
            serialized.add(records.numpy())
    return _Data(tallies, clicks, values.rows(), serialized.rows())


def _usage(
    name: str,
    encoders: FieldEncoders,
    shares: np.ndarray | None,
    ranks: np.ndarray,
    missing: float,
    previous: FieldReport | None,
) -> BinUsage | None:
    """Use of the bins, and its drift; None for a field without bins or values.

    The drift is taken from the ranks of both splits, not from all rows of this one:
    equal data then drift by nothing.
    """
    if shares is None or not len(ranks):
        return None
    drift = None
    if previous is not None and previous.ranks:
        weights = encoders.assignments(name, ranks)
        before = encoders.assignments(name, np.array(previous.ranks))
        if weights is not None and before is not None:
            drift = measures.jensen_shannon(
                _distribution(weights, missing),
                _distribution(before, previous.splits[TRAIN].missing),
            )
    return BinUsage(
        shares=_shares(shares),
        effective=measures.effective_bins(shares),
        dead=tuple(measures.dead_bins(shares)),
        drift=drift,
    )


def _distribution(weights: np.ndarray, missing: float) -> np.ndarray:
    """Mean weights of the bins, and missing values after them, `[K + 1]`."""
    return np.append(weights.mean(axis=0) * (1 - missing), missing)


def _embedding(points: np.ndarray | None) -> Embedding | None:
    if points is None or not len(points):
        return None
    path, explained = measures.principal_path(points)
    first, second = _shares(np.array(explained))
    return Embedding(
        path=tuple((float(a), float(b)) for a, b in path),
        explained=(first, second),
        spread=measures.spread(points),
    )


def _field(
    plan: FieldPlan,
    *,
    splits: dict[str, SplitValues],
    ranks: np.ndarray,
    grid: np.ndarray,
    assignments: np.ndarray | None,
    usage: BinUsage | None,
    temperature: float | None,
    embedding: Embedding | None,
    response: Sequence[float],
    response_missing: float | None,
    clicks: ClickBins,
) -> FieldReport:
    rates = clicks.rates()
    return FieldReport(
        plan=plan,
        splits=splits,
        ranks=tuple(ranks.tolist()),
        grid=tuple(grid.tolist()),
        assignments=None if assignments is None else tuple(map(_shares, assignments)),
        usage=usage,
        temperature=temperature,
        embedding=embedding,
        response=_shares(np.array(response)),
        response_missing=response_missing,
        click_rates=rates,
        missing_clicks=clicks.missing(),
        warnings=tuple(
            findings(
                encoder=plan.encoding.kind,
                grid=grid,
                usage=usage,
                embedding=embedding,
                response=response,
                click_rates=rates,
            )
        ),
    )


def _shares(values: np.ndarray) -> tuple[float, ...]:
    """The same as plain numbers; rounding must not carry any of them out of 0 to 1."""
    return tuple(np.round(np.clip(values, 0.0, 1.0), 7).tolist())
