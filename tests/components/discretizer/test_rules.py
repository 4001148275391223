"""Decisions on columns of known shapes."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numeric_spec import numeric_spec

from clickwright.components.discretizer.plan_of import plan_of
from clickwright.models.preprocessing import PLAN_KEY, SPEC_KEY, preprocessing_fn
from clickwright.schemas.discretization_plan import DiscretizationPlan, FieldPlan
from clickwright.schemas.errors import DataError
from clickwright.schemas.numeric_encoding import ENCODERS
from clickwright.schemas.scale import scale

ROWS = 20_000
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(3.0, 2.0, ROWS)


def decide(values: np.ndarray, **options: Any) -> Any:
    """The FieldPlan; its encoding may be of any kind."""
    return plan_of(numeric_spec({"x": options}), {"x": values}).fields["x"]


def scaled(field: FieldPlan, values: Any) -> np.ndarray:
    return scale(field.scaling, np.asarray(values, np.float64))


def with_missing(values: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(values)) % 10 == 0, np.nan, values)


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (NORMAL, "z_score", "no long tail"),
        (RNG.random(ROWS) * 40 + 2, "min_max", "values lie evenly"),
        (RNG.lognormal(3, 2, ROWS), "log1p", "times the middle half: logarithm"),
        (RNG.standard_t(1.5, ROWS) * 9, "signed_log", ": signed logarithm"),
        (
            np.where(RNG.random(ROWS) < 0.61, 0, RNG.lognormal(3, 2, ROWS)),
            "log1p",
            "zeros are 61",
        ),
        (
            np.append(RNG.normal(0, 1e-3, ROWS), [1e20]),
            "quantile_rank",
            "a logarithm does not calm it: ranks",
        ),
        (np.arange(ROWS) % 7, "z_score", "no long tail"),
        (
            np.array([0.0, 1.0, 2.0, 1e9])[np.arange(ROWS) % 4],
            "quantile_rank",
            "float32 loses them",
        ),
    ],
)
def test_the_shape_of_a_field_decides_its_scaling(
    values: np.ndarray, kind: str, words: str
) -> None:
    field = decide(values)
    assert field.scaling.kind == kind
    assert words in field.reasons["scaling"]
    assert field.scaling.low == float(np.float32(values.min()))
    assert field.scaling.high == float(np.float32(values.max()))
    assert field.given == ()


@pytest.mark.parametrize("kind", ["z_score", "log1p", "signed_log"])
def test_standardised_fields_have_mean_0_and_deviation_1(kind: str) -> None:
    values = RNG.lognormal(1, 1, ROWS) - (5.0 if kind != "z_score" else 0.0)
    y = scaled(decide(values, scaling=kind), values)
    assert y.mean() == pytest.approx(0.0, abs=0.02)
    assert y.std() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("kind", ["min_max", "quantile_rank"])
def test_bounded_scalings_reach_from_0_to_1(kind: str) -> None:
    y = scaled(decide(NORMAL, scaling=kind), [-np.inf, *NORMAL, np.inf])
    assert (y.min(), y.max()) == (0.0, 1.0)
    if kind == "quantile_rank":
        ranks = np.searchsorted(np.sort(NORMAL), NORMAL) / ROWS
        np.testing.assert_allclose(y[1:-1], ranks, atol=0.01)


@pytest.mark.parametrize(
    "kind", ["none", "min_max", "z_score", "log1p", "signed_log", "quantile_rank"]
)
def test_transform_scales_as_the_plan_was_made(kind: str) -> None:
    spec = numeric_spec({"x": {"scaling": kind, "encoder": "mlp"}})
    values = np.round(RNG.standard_t(2, 500) * 50, 1).astype(np.float32)
    plan = plan_of(spec, {"x": values})
    raw = np.append(values, [np.nan, np.inf, -np.inf, 1e9]).astype(np.float32)
    inputs = {"x": tf.constant(raw), "click": tf.zeros([len(raw)], tf.int64)}
    config = {SPEC_KEY: spec.model_dump_json(), PLAN_KEY: plan.model_dump_json()}
    outputs = preprocessing_fn(inputs, config)
    np.testing.assert_allclose(
        outputs["x"].numpy(), scale(plan.fields["x"].scaling, raw), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (NORMAL, "autodis", "continuous, over 10,000 distinct values in 20,000 rows"),
        (NORMAL[:900], "linear", "900 rows with a value, fewer than 1,000"),
        (np.arange(ROWS) % 24, "buckets", "24 distinct values: an embedding for each"),
        (
            np.where(np.arange(ROWS) % 10, 0, np.arange(ROWS) % 700 // 10 + 1),
            "buckets",
            "90 % zeros and 70 other values",
        ),
        (np.arange(100) % 24, "linear", "100 rows with a value"),
        (np.arange(ROWS) % 2, "linear", "two values"),
        (with_missing(np.arange(ROWS) % 2), "buckets", "two values, or none in 10 %"),
        (np.full(ROWS, 7.0), "linear", "constant: the field tells nothing"),
        (with_missing(np.full(ROWS, 7.0)), "buckets", "a constant, or none in 10 %"),
        (np.full(ROWS, np.nan), "linear", "no row has a value"),
    ],
)
def test_distinct_values_and_rows_decide_the_encoder(
    values: np.ndarray, kind: str, words: str
) -> None:
    field = decide(values)
    assert field.encoding.kind == kind
    assert words in field.reasons["encoder"]


def test_autodis_has_biases_unless_told_otherwise() -> None:
    assert decide(NORMAL).encoding.use_bias
    told = decide(NORMAL, autodis={"use_bias": False, "form": "reduced", "skip": 0.5})
    assert not told.encoding.use_bias
    assert (told.encoding.form, told.encoding.skip) == ("reduced", 0.5)


@pytest.mark.parametrize(
    ("rows", "distinct", "count", "words"),
    [
        (20_000, 9000, 20, "the usual number; 20,000 rows bear it"),
        (5_000, 5000, 10, "one for 500 of 5,000 rows"),
        (1_200, 1200, 4, "4 at least"),
    ],
)
def test_rows_and_distinct_values_bound_the_meta_embeddings(
    rows: int, distinct: int, count: int, words: str
) -> None:
    field = decide(NORMAL[:distinct][np.arange(rows) % distinct])
    assert field.encoding.meta_embeddings == count
    assert words in field.reasons["meta_embeddings"]


def test_no_more_meta_embeddings_than_distinct_values() -> None:
    field = decide(np.arange(ROWS) % 5, encoder="autodis")
    assert field.encoding.meta_embeddings == 5
    assert "as many as there are distinct values" in field.reasons["meta_embeddings"]


def test_meta_embeddings_start_where_nearly_all_values_are() -> None:
    field = decide(np.append(NORMAL, [50.0]))
    wanted = scaled(field, np.quantile(NORMAL, [0.01, 0.99]))
    found = (field.encoding.low, field.encoding.high)
    assert found == pytest.approx(tuple(wanted), abs=0.05)
    rare = decide(np.where(np.arange(ROWS) < 40, NORMAL, 0.0), encoder="autodis")
    assert rare.encoding.low == scaled(rare, [rare.scaling.low])[0]
    assert rare.encoding.high == scaled(rare, [rare.scaling.high])[0]
    tiny = decide(NORMAL * 1e-30, encoder="autodis", scaling="none")
    assert tiny.encoding.high - tiny.encoding.low == 1.0


def test_the_temperature_follows_the_spread_of_the_scaled_values() -> None:
    assert decide(NORMAL).encoding.temperature == pytest.approx(0.1)
    even = decide(RNG.random(ROWS))
    assert even.encoding.temperature == pytest.approx(0.1 / np.sqrt(12), abs=1e-3)


@pytest.mark.parametrize("scaling", [None, "min_max", "log1p", "quantile_rank"])
def test_few_values_have_a_bucket_each(scaling: str | None) -> None:
    values = np.array([-1.0, 0.0, 0.5, 3.0, 40.0, 1000.0])
    options = {} if scaling is None else {"scaling": scaling}
    field = decide(values[np.arange(ROWS) % 6], encoder="buckets", **options)
    buckets = np.searchsorted(
        field.encoding.boundaries, scaled(field, values), side="right"
    )
    np.testing.assert_array_equal(buckets, np.arange(6))


def test_amounts_among_zeros_have_a_bucket_each() -> None:
    amounts = np.arange(ROWS) % 700 // 10 + 1
    field = decide(np.where(np.arange(ROWS) % 10, 0, amounts))
    buckets = np.searchsorted(
        field.encoding.boundaries, scaled(field, np.arange(71)), side="right"
    )
    np.testing.assert_array_equal(buckets, np.arange(71))


def test_neighbouring_float32_values_are_kept_apart() -> None:
    low = np.float32(1.0)
    values = np.array([low, np.nextafter(low, np.float32(2)), 2.0], np.float32)
    for scaling in ("none", None):
        options = {} if scaling is None else {"scaling": scaling}
        field = decide(values[np.arange(ROWS) % 3], **options)
        buckets = np.searchsorted(
            field.encoding.boundaries, scaled(field, values), side="right"
        )
        np.testing.assert_array_equal(buckets, [0, 1, 2])


@pytest.mark.parametrize("count", [2, 10, 100])
def test_quantile_buckets_hold_equally_many_rows(count: int) -> None:
    field = decide(NORMAL, encoder="buckets", buckets=count)
    assert len(field.encoding.boundaries) == count - 1
    buckets = np.searchsorted(
        field.encoding.boundaries, scaled(field, NORMAL), side="right"
    )
    share = np.bincount(buckets, minlength=count) / ROWS
    np.testing.assert_allclose(share, 1 / count, atol=1e-3)
    assert "buckets" in field.given


def test_more_buckets_than_quantiles_part_the_rows_between_them() -> None:
    field = decide(NORMAL, encoder="buckets", buckets=500)
    buckets = np.searchsorted(
        field.encoding.boundaries, scaled(field, NORMAL), side="right"
    )
    rows = np.bincount(buckets, minlength=500).reshape(100, 5)
    np.testing.assert_allclose(rows.sum(axis=1) / ROWS, 0.01, atol=1e-3)
    assert rows.min() > 0


def test_equal_quantiles_give_one_boundary() -> None:
    values = np.where(RNG.random(ROWS) < 0.8, 0.0, RNG.lognormal(1, 1, ROWS))
    field = decide(values, encoder="buckets", buckets=10)
    boundaries = np.array(field.encoding.boundaries)
    assert 1 <= len(boundaries) < 5
    assert (np.diff(boundaries.astype(np.float32)) > 0).all()
    assert boundaries[0] > scaled(field, [0.0])[0]
    assert "at the same value once" in field.reasons["boundaries"]


def test_bins_of_piecewise_linear_reach_from_the_lowest_to_the_highest() -> None:
    field = decide(NORMAL, encoder="piecewise_linear", buckets=8)
    ends = np.array(field.encoding.boundaries)
    assert len(ends) == 9
    wanted = np.quantile(NORMAL, np.linspace(0, 1, 9))
    np.testing.assert_allclose(ends, scaled(field, wanted), atol=0.02)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    "values",
    [
        np.full(50, np.nan),
        np.full(50, 3.0),
        with_missing(np.full(50, 3.0)),
        np.arange(50) % 2,
        np.array([5.0]),
        np.append(np.zeros(2000), [1e-30]),
        np.append(NORMAL, [3e38, -3e38]),
    ],
    ids=["missing", "constant", "or_missing", "two", "one_row", "tiny", "huge"],
)
@pytest.mark.parametrize(
    "scaling",
    [None, "none", "min_max", "z_score", "log1p", "signed_log", "quantile_rank"],
)
def test_every_encoder_suits_every_field(
    encoder: str, values: np.ndarray, scaling: str | None
) -> None:
    options = {} if scaling is None else {"scaling": scaling}
    field = decide(values, encoder=encoder, **options)
    assert field.encoding.kind == encoder
    y = scaled(field, [*values, -np.inf, np.inf])
    assert np.isfinite(y[~np.isnan(y)]).all()
    bounds = np.array(getattr(field.encoding, "boundaries", (0.0, 1.0)))
    assert (np.diff(bounds.astype(np.float32)) > 0).all()
    again = FieldPlan.model_validate_json(field.model_dump_json())
    assert again == field


def test_nary_spans_the_scaled_range() -> None:
    field = decide(NORMAL, encoder="nary")
    wanted = scaled(field, [NORMAL.min(), NORMAL.max()])
    assert (field.encoding.low, field.encoding.high) == pytest.approx(tuple(wanted))


def test_linear_takes_the_mean_for_missing_values() -> None:
    values = with_missing(RNG.lognormal(2, 1, ROWS))
    for scaling in ("none", "min_max", "z_score", "log1p", "quantile_rank"):
        field = decide(values, encoder="linear", scaling=scaling)
        wanted = np.nanmean(scaled(field, values[~np.isnan(values)]))
        assert field.scaling.missing == pytest.approx(wanted, abs=0.01)
        assert "missing in 10 % of the rows: the mean" in field.reasons["missing"]


def test_other_encoders_leave_missing_values_to_their_own_embedding() -> None:
    for encoder in set(ENCODERS) - {"linear"}:
        field = decide(with_missing(NORMAL), encoder=encoder)
        assert field.scaling.missing is None
        assert np.isnan(scaled(field, [np.nan])[0])


def test_a_default_is_scaled_like_other_values() -> None:
    field = decide(with_missing(NORMAL), default=1.0, encoder="mlp")
    assert field.scaling.missing == scaled(field, [1.0])[0]
    assert "missing" in field.given
    outside = decide(with_missing(NORMAL), default=-99.0)
    assert outside.scaling.missing == scaled(outside, [outside.scaling.low])[0]
    assert "moved into the range" in outside.reasons["missing"]


def test_the_spec_wins_and_the_plan_says_so() -> None:
    field = decide(
        NORMAL,
        scaling="quantile_rank",
        encoder="autodis",
        autodis={"meta_embeddings": 7, "temperature": 0.5},
        default=0.0,
    )
    assert field.scaling.kind == "quantile_rank"
    assert (field.encoding.meta_embeddings, field.encoding.temperature) == (7, 0.5)
    assert set(field.given) == {
        "scaling",
        "encoder",
        "missing",
        "meta_embeddings",
        "temperature",
    }
    for name in field.given:
        assert "given in the feature spec" in field.reasons[name]


def test_auto_starts_from_what_the_rules_say() -> None:
    field = decide(NORMAL, encoder="auto")
    assert field.encoding.kind == "autodis"
    assert "encoder" not in field.given
    assert field.reasons["encoder"].startswith("to be found by training")


def test_auto_never_hides_missing_values() -> None:
    few = with_missing(NORMAL[:500])
    assert decide(few).encoding.kind == "linear"
    field = decide(few, encoder="auto")
    assert field.encoding.kind == "buckets"
    assert field.scaling.missing is None


def test_infinite_values_are_counted_and_move_no_constant() -> None:
    spoilt = np.append(NORMAL, [np.inf, -np.inf, 1e300])  # infinite as float32
    field, clean = decide(spoilt), decide(NORMAL)
    assert field.scaling == clean.scaling
    assert field.statistics.non_finite == pytest.approx(3 / (ROWS + 3))
    assert "moved to the end of the range" in field.reasons["non_finite"]
    y = scaled(field, [np.inf, -np.inf])
    assert (y == scaled(field, [NORMAL.max(), NORMAL.min()])).all()


def test_one_far_value_does_not_crush_the_others() -> None:
    field = decide(np.append(NORMAL, [3e38]))
    assert scaled(field, NORMAL).std() > 0.1


def test_log_linear_takes_raw_values_and_scales_their_logarithms() -> None:
    values = RNG.lognormal(3, 2, ROWS)
    field = decide(values, encoder="log_linear")
    assert field.scaling.kind == "none"
    assert "logarithm itself" in field.reasons["scaling"]
    logs = (np.log1p(values) - field.encoding.shift) / field.encoding.width
    assert logs.mean() == pytest.approx(0.0, abs=0.02)
    assert logs.std() == pytest.approx(1.0, abs=0.02)


def plan(columns: dict[str, Any], **more: Any) -> DiscretizationPlan:
    return plan_of(numeric_spec({name: {} for name in columns}), columns, **more)


def test_a_duplicated_column_names_its_twin() -> None:
    columns = {"a": NORMAL, "b": NORMAL.copy(), "c": np.roll(NORMAL, 1)}
    fields = plan(columns).fields
    assert "equal to `a` in every row" in fields["b"].reasons["duplicate"]
    assert all("duplicate" not in fields[name].reasons for name in "ac")


def test_two_constants_are_no_duplicates() -> None:
    fields = plan({"a": np.ones(9), "b": np.ones(9)}).fields
    assert "duplicate" not in fields["b"].reasons


def test_rows_of_weight_0_do_not_exist() -> None:
    values = np.append(NORMAL, [1e6, np.nan, np.inf])
    weights = np.append(np.ones(ROWS), [0.0, 0.0, 0.0])
    found = plan({"x": values}, weights=weights).fields["x"]
    assert found == plan({"x": NORMAL}).fields["x"]


def test_weights_equal_repeated_rows() -> None:
    values = np.round(RNG.lognormal(2, 1, 3000), 1)
    weights = RNG.integers(0, 4, 3000)
    weighted = plan({"x": values}, weights=weights).fields["x"]
    repeated = plan({"x": np.repeat(values, weights)}).fields["x"]
    assert weighted.scaling.kind == repeated.scaling.kind
    assert weighted.scaling.shift == pytest.approx(repeated.scaling.shift)
    assert weighted.scaling.width == pytest.approx(repeated.scaling.width)
    assert weighted.statistics.quantiles == repeated.statistics.quantiles


@pytest.mark.parametrize(
    ("columns", "weights", "words"),
    [
        ({"x": np.ones(3)}, np.zeros(3), "All 3 weights of the training split are 0"),
        ({"x": np.ones(3)}, np.array([1, -1, 1]), "0 or more. Received: -1.0 in row 2"),
        ({"x": np.ones(3)}, np.array([1, 1, np.nan]), "0 or more. Received: nan"),
        ({"x": np.ones(3)}, np.ones(2), "one length"),
        ({"x": np.array(["1", "2"])}, None, "must hold numbers"),
        ({"x": np.array([1, None], object)}, None, "must hold numbers"),
        ({"x": np.empty(0)}, None, "no rows"),
    ],
)
def test_bad_columns_end_in_one_clear_error(
    columns: dict[str, np.ndarray], weights: np.ndarray | None, words: str
) -> None:
    with pytest.raises(DataError, match=words) as error:
        plan(columns, weights=weights)
    assert error.value.fix


def test_an_absent_column_is_named() -> None:
    with pytest.raises(DataError, match="`x`"):
        plan_of(numeric_spec({"x": {}}), {"y": np.ones(3)})


def test_the_spec_names_the_column_of_the_weight() -> None:
    spec = numeric_spec({"x": {"column": "raw"}}, weight="w")
    columns = {"raw": np.array([1.0, 2.0, 9.0]), "w": np.array([1.0, 1.0, 0.0])}
    assert plan_of(spec, columns).fields["x"].scaling.high == 2.0


def test_a_spec_without_numbers_has_an_empty_plan() -> None:
    spec = numeric_spec({"user": {"kind": "categorical"}})
    assert plan_of(spec, {}).fields == {}
