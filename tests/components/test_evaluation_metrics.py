"""Metrics against sums done the slow way."""

import itertools
import json
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import tensorflow_model_analysis as tfma
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_model_analysis.metrics import metric_specs, metric_types

from clickwright.components.evaluation.eval_config import eval_config
from clickwright.components.evaluation.metrics.calibration_bins import calibration_bins
from clickwright.components.evaluation.metrics.calibration_curve import (
    CalibrationCurve,
)
from clickwright.components.evaluation.metrics.collect_rows import CollectRows
from clickwright.components.evaluation.metrics.exact_auc import ExactAUC
from clickwright.components.evaluation.metrics.expected_calibration_error import (
    ExpectedCalibrationError,
)
from clickwright.components.evaluation.metrics.gauc import GAUC
from clickwright.components.evaluation.metrics.log_loss import LogLoss
from clickwright.components.evaluation.metrics.normalized_entropy import (
    NormalizedEntropy,
)
from clickwright.components.evaluation.metrics.pcoc import PCOC
from clickwright.components.evaluation.metrics.row_count import RowCount
from clickwright.components.evaluation.metrics.row_metric import RowMetric
from clickwright.components.evaluation.metrics.scored_rows import ScoredRows
from clickwright.components.evaluation.thresholds import Thresholds
from clickwright.schemas.spec import FeatureSpec

Row = tuple[int, float, float, int]
"""Label, score, weight, group."""

ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),  # label
        st.sampled_from([0.125, 0.25, 0.5, 0.75]),  # few scores: many ties
        st.sampled_from([0.0, 0.5, 1.0, 3.0]),  # weight
        st.integers(0, 3),  # group
    ),
    min_size=1,
    max_size=40,
)


def scored(rows: Sequence[Row]) -> ScoredRows:
    label, score, weight, group = zip(*rows, strict=True)
    return ScoredRows.sort(label, score, weight, np.array(group, np.int64))


def pairwise_auc(rows: Sequence[Row]) -> float:
    """Every pair of a positive and a negative row, one by one."""
    won = pairs = 0.0
    for (y, s, w, _), (z, t, v, _) in itertools.product(rows, rows):
        if y == 1 and z == 0:
            pairs += w * v
            won += w * v * (1.0 if s > t else 0.5 if s == t else 0.0)
    return won / pairs if pairs else math.nan


def pairwise_gauc(rows: Sequence[Row]) -> tuple[float, int, int]:
    used = skipped = 0
    total = weights = 0.0
    for group in {g for *_, g in rows}:
        inside = [r for r in rows if r[3] == group and r[2] > 0]
        auc = pairwise_auc(inside)
        if math.isnan(auc):
            skipped += bool(inside)
            continue
        used += 1
        impressions = sum(w for _, _, w, _ in inside)
        total += auc * impressions
        weights += impressions
    return (total / weights if used else math.nan), used, skipped


def approx(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


@settings(deadline=None)
@given(ROWS)
def test_auc_counts_every_pair_with_ties_and_weights(rows: Sequence[Row]) -> None:
    plain = [(y, s, w, 0) for y, s, w, _ in rows]

    (auc,) = ExactAUC().values(scored(plain))

    assert auc == approx(pairwise_auc([r for r in plain if r[2] > 0]))


@settings(deadline=None)
@given(ROWS)
def test_gauc_averages_the_auc_of_groups_by_impressions(rows: Sequence[Row]) -> None:
    gauc, used, skipped = GAUC("user").values(scored(rows))

    expected, expected_used, expected_skipped = pairwise_gauc(rows)
    assert gauc == approx(expected)
    if any(w > 0 for _, _, w, _ in rows):
        assert (used, skipped) == (expected_used, expected_skipped)


def test_gauc_of_a_case_worked_by_hand() -> None:
    rows = [
        # Group 1: one positive against scores below, equal and above: (1 + 0.5 + 0) / 3.
        (1, 0.5, 1.0, 1),
        (0, 0.4, 1.0, 1),
        (0, 0.5, 1.0, 1),
        (0, 0.6, 1.0, 1),
        # Group 2: perfect order.
        (1, 0.9, 1.0, 2),
        (0, 0.1, 1.0, 2),
        # Group 3: no negative row, skipped.
        (1, 0.2, 1.0, 3),
    ]

    gauc, used, skipped = GAUC("user").values(scored(rows))

    assert gauc == approx((4 * 0.5 + 2 * 1.0) / 6)
    assert (used, skipped) == (2, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_auc_and_log_loss_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 8, 50_000).astype(np.float32)
    label = rng.random(50_000) < score
    weight = rng.exponential(1.0, 50_000).astype(np.float32)
    rows = ScoredRows.sort(label, score, weight)

    (auc,) = ExactAUC().values(rows)
    (loss,) = LogLoss().values(rows)

    expected = sklearn.metrics.roc_auc_score(label, score, sample_weight=weight)
    assert auc == pytest.approx(expected, abs=1e-9)
    clipped = np.clip(score.astype(np.float64), 1e-7, 1 - 1e-7)
    expected = sklearn.metrics.log_loss(label, clipped, sample_weight=weight)
    assert loss == pytest.approx(expected, abs=1e-9)


def test_log_loss_of_certain_scores_stays_finite() -> None:
    rows = ScoredRows.sort([1.0, 0.0], [0.0, 0.0])

    (loss,) = LogLoss().values(rows)

    assert loss == approx((-math.log(1e-7) - math.log(1 - 1e-7)) / 2)


@settings(deadline=None)
@given(ROWS)
def test_entropy_and_click_ratio_follow_their_formulas(rows: Sequence[Row]) -> None:
    kept = [r for r in rows if r[2] > 0]
    total = sum(w for _, _, w, _ in kept)
    clicks = sum(y * w for y, _, w, _ in kept)

    (ne,) = NormalizedEntropy().values(scored(rows))
    (pcoc,) = PCOC().values(scored(rows))
    (count,) = RowCount().values(scored(rows))

    assert count == len(rows)
    if clicks:
        assert pcoc == approx(sum(s * w for _, s, w, _ in kept) / clicks)
    else:
        assert math.isnan(pcoc)
    if 0 < clicks < total:
        rate = clicks / total
        entropy = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
        loss = sum(-w * math.log(s if y else 1 - s) for y, s, w, _ in kept) / total
        assert ne == approx(loss / entropy)
    else:
        assert math.isnan(ne)


def test_predicting_the_base_rate_has_entropy_one_and_no_calibration_error() -> None:
    rows = ScoredRows.sort([1.0, 0.0, 0.0, 0.0], [0.25] * 4)

    assert NormalizedEntropy().values(rows)[0] == approx(1.0)
    assert PCOC().values(rows)[0] == approx(1.0)
    assert ExpectedCalibrationError().values(rows)[0] == approx(0.0)


def test_calibration_bins_hold_equal_weight_and_every_row() -> None:
    rng = np.random.default_rng(3)
    score = rng.random(1500)
    label = rng.random(1500) < score**2
    rows = ScoredRows.sort(label, score)

    bins = calibration_bins(rows, num_bins=15)

    parts = np.array_split(np.argsort(score), 15)  # 100 rows each
    assert bins.weight.tolist() == [100.0] * 15
    for i, part in enumerate(parts):
        assert bins.lower[i] == score[part].min()
        assert bins.upper[i] == score[part].max()
        assert bins.mean_prediction[i] == approx(score[part].mean())
        assert bins.mean_label[i] == approx(label[part].mean())
    (ece,) = ExpectedCalibrationError(15).values(rows)
    expected = np.mean([abs(score[p].mean() - label[p].mean()) for p in parts])
    assert ece == approx(expected)


@settings(deadline=None)
@given(ROWS, st.integers(1, 6))
def test_calibration_bins_keep_equal_scores_together(
    rows: Sequence[Row], num_bins: int
) -> None:
    kept = scored([(y, s, w, 0) for y, s, w, _ in rows])
    bins = calibration_bins(kept, num_bins)

    assert len(bins.weight) <= num_bins
    assert (bins.lower[1:] > bins.upper[:-1]).all()
    assert bins.weight.sum() == approx(sum(w for _, _, w, _ in rows))
    assert (bins.weight * bins.mean_label).sum() == approx(
        sum(w * y for y, _, w, _ in rows)
    )


@pytest.mark.parametrize(
    "metric",
    [
        ExactAUC(),
        GAUC("user"),
        LogLoss(),
        NormalizedEntropy(),
        ExpectedCalibrationError(),
        PCOC(),
    ],
)
def test_one_score_that_is_no_number_makes_the_metric_none(metric: RowMetric) -> None:
    rows = ScoredRows.sort([1.0, 0.0, 1.0], [0.5, 0.2, np.nan])

    assert math.isnan(metric.values(rows)[0])
    assert math.isnan(metric.values(ScoredRows.sort([], []))[0])


KEY = metric_types.MetricKey("_rows", example_weighted=True)


def batch(rows: Any) -> metric_types.StandardMetricInputs:
    label, score, weight, group = (np.array(c) for c in zip(*rows, strict=True))
    return metric_types.StandardMetricInputs(
        labels=label,
        predictions=score,
        example_weights=weight,
        features={"user": group},
    )


@settings(deadline=None)
@given(ROWS, st.lists(st.integers(0, 39), max_size=4), st.randoms())
def test_rows_may_be_cut_and_merged_in_any_order(
    rows: Sequence[Row], cuts: list[int], shuffler: random.Random
) -> None:
    combiner = CollectRows(KEY, "user")
    pieces = [p for p in np.split(np.array(rows), sorted(cuts)) if len(p)]
    shuffler.shuffle(pieces)
    accumulators = [
        combiner.add_input(combiner.create_accumulator(), batch(p)) for p in pieces
    ]
    half = shuffler.randint(0, len(accumulators))
    merged = combiner.merge_accumulators(
        [
            combiner.compact(combiner.merge_accumulators(accumulators[:half])),
            combiner.merge_accumulators(accumulators[half:]),
        ]
    )

    found = combiner.extract_output(combiner.compact(merged))[KEY]

    exact = scored(rows)
    for metric in (GAUC("user"), LogLoss(), PCOC(), RowCount()):
        assert metric.values(found) == approx(list(metric.values(exact)))


def test_one_row_at_a_time_is_the_same_as_a_batch() -> None:
    rows = [(1, 0.5, 2.0, 7), (0, 0.25, 1.0, 7), (0, 0.75, 1.0, 7)]
    combiner = CollectRows(KEY, "user")
    accumulator = combiner.create_accumulator()
    for row in rows:
        accumulator = combiner.add_input(accumulator, batch([row]))

    found = combiner.extract_output(accumulator)[KEY]

    expected = combiner.extract_output(combiner.add_input([], batch(rows)))[KEY]
    assert GAUC("user").values(found) == GAUC("user").values(expected)
    assert found.weight.tolist() == [1.0, 2.0, 1.0]  # by score


def test_string_groups_are_told_apart() -> None:
    combiner = CollectRows(KEY, "user")
    names = np.array([b"ann", b"bob", b"ann", b"bob"], object)
    inputs = metric_types.StandardMetricInputs(
        labels=np.array([1, 1, 0, 0]),
        predictions=np.array([0.9, 0.1, 0.2, 0.8]),
        example_weights=np.ones(4),
        features={"user": names},
    )

    found = combiner.extract_output(combiner.add_input([], inputs))[KEY]

    assert GAUC("user").values(found) == (0.5, 2.0, 0.0)  # 1 for ann, 0 for bob


def test_unequal_numbers_of_labels_and_predictions_are_refused() -> None:
    inputs = metric_types.StandardMetricInputs(
        labels=np.array([1]), predictions=np.array([0.3, 0.7])
    )

    with pytest.raises(ValueError, match="1 labels and 2 predictions"):
        CollectRows(metric_types.MetricKey("_rows"), None).add_input([], inputs)


def test_calibration_curve_is_the_plot_of_the_bins() -> None:
    rows = ScoredRows.sort([0.0, 1.0, 1.0], [0.1, 0.1, 0.8], [1.0, 1.0, 2.0])

    (plot,) = CalibrationCurve(num_bins=2).values(rows)

    low, high = plot.buckets
    assert (low.lower_threshold_inclusive, low.upper_threshold_exclusive) == (0.1, 0.1)
    assert low.num_weighted_examples.value == 2.0
    assert low.total_weighted_label.value == approx(1.0)
    assert low.total_weighted_refined_prediction.value == approx(0.2)
    assert high.num_weighted_examples.value == 2.0
    assert high.total_weighted_label.value == approx(2.0)
    assert high.total_weighted_refined_prediction.value == approx(1.6)


SPEC = FeatureSpec.model_validate_json(
    json.dumps(
        {
            "name": "tiny",
            "labels": {"click": {}},
            "features": {
                "user": {"kind": "categorical", "role": "user", "dtype": "int64"},
                "device": {"kind": "categorical", "role": "context"},
            },
            "split": {"kind": "given"},
            "group_key": "user",
            "weight": "w",
            "slices": [["device"]],
        }
    )
)


def test_tfma_finds_every_metric_of_the_configuration() -> None:
    config = tfma.utils.update_eval_config_with_defaults(
        eval_config(SPEC, Thresholds()), has_baseline=True
    )

    computations = metric_specs.to_computations(
        config.metrics_specs, eval_config=config
    )

    names = {key.name for c in computations for key in c.keys}
    assert names == {
        "_rows",
        "_rows_by_user",
        "auc",
        "gauc",
        "gauc_groups_used",
        "gauc_groups_skipped",
        "logloss",
        "ne",
        "ece",
        "pcoc",
        "rows",
        "calibration_plot",
    }
    collected = [
        c for c in set(computations) if isinstance(c, metric_types.MetricComputation)
    ]
    assert len(collected) == 4  # plain and grouped, for both models
    assert all(key.example_weighted for c in computations for key in c.keys)
