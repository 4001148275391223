import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import zoo_shop
from keras import ops

from clickwright.models import registry
from clickwright.models.export_params import ExportParams
from clickwright.models.freeze_numeric import (
    check_freezable,
    freeze_numeric,
    scaled_ranges,
)
from clickwright.models.freeze_report import FreezeReport
from clickwright.models.layers.fused_embedding import FusedEmbedding
from clickwright.models.layers.numeric.tabulated_encoder import CELLS
from clickwright.models.tabulate import tabulate
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import (
    AutoDisEncoding,
    BucketsEncoding,
    LinearEncoding,
    LogLinearEncoding,
    MLPEncoding,
    NaryEncoding,
    NumericEncoding,
    PeriodicEncoding,
    PiecewiseLinearEncoding,
)

BOUND = 1e-3
ENCODINGS: Mapping[str, NumericEncoding] = {
    "age": AutoDisEncoding(meta_embeddings=6),
    "gain": BucketsEncoding(boundaries=(-0.5, 0.0, 0.7)),
    "price": AutoDisEncoding(meta_embeddings=9, temperature=0.3),
    "hours": PiecewiseLinearEncoding(boundaries=(-1.0, -0.21, 0.4, 1.3)),
    "loss": LinearEncoding(),
    "clicks": PeriodicEncoding(frequencies=5),
    "views": MLPEncoding(hidden_units=8),
    "bids": LogLinearEncoding(),
    "pages": NaryEncoding(low=-1.5, high=2.5),
}
INPUTS = (
    ModelInput("user", "id", "user", "user", 5),
    *(ModelInput(n, "value", "user", numeric=e) for n, e in ENCODINGS.items()),
)
RANGES = {name: (-1.5, 2.5) for name in ENCODINGS}
SMALL = {"embedding_dim": 4, "embedding_stddev": 0.3, "hidden_units": (8,)}


def features(rows: int = 400, seed: int = 0) -> dict[str, Any]:
    """Values in and beyond the ranges, some missing."""
    random = np.random.default_rng(seed)
    made: dict[str, Any] = {"user": random.integers(0, 5, rows)}
    for name in ENCODINGS:
        x = np.clip(random.normal(0.0, 1.5, rows), -1.5, 2.5).astype(np.float32)
        x[random.random(rows) < 0.1] = np.nan
        made[name] = x
    return made


def deepfm() -> keras.Model:
    keras.utils.set_random_seed(3)
    return registry.build("deepfm", INPUTS, SMALL)


def embeddings(model: keras.Model, x: Mapping[str, Any]) -> Any:
    return np.asarray(model.get_layer("embeddings")(x))


def test_embeddings_stay_within_the_bound_and_everything_else_as_it_was() -> None:
    model = deepfm()
    frozen, report = freeze_numeric(model, RANGES, BOUND)
    x = features()
    before, after = embeddings(model, x), embeddings(frozen, x)
    same = [n for n, i in enumerate(INPUTS) if i.name in ("user", "gain", "loss")]
    np.testing.assert_array_equal(after[:, same], before[:, same])
    assert 0.0 < np.abs(after - before).max() <= BOUND
    assert set(report.fields) == {
        f"embeddings/{n}" for n in ENCODINGS if n not in ("gain", "loss")
    }
    assert all(0.0 <= line.error <= BOUND for line in report.fields.values())
    layer = frozen.get_layer("embeddings")
    kinds = [encoder.kind for encoder in layer.numeric.encoders]
    assert sorted(kinds) == ["buckets", "tabulated"]
    table = next(e for e in layer.numeric.encoders if e.kind == "tabulated")
    held = sum(np.asarray(w).nbytes for w in (table.table, table.parts, table.starts))
    assert report.bytes == held


def test_scores_move_no_more_than_the_bound_explains() -> None:
    model = deepfm()
    frozen, _ = freeze_numeric(model, RANGES, 1e-4)
    x = features()
    before, after = (
        np.asarray(m(x, training=False)["probability"]) for m in (model, frozen)
    )
    assert np.ptp(before) > 0.01
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_the_model_itself_is_left_alone() -> None:
    model = deepfm()
    x = features()
    before = [np.array(v) for v in model.variables]
    frozen, _ = freeze_numeric(model, RANGES, BOUND)
    for table in frozen.get_layer("embeddings").numeric.encoders:
        for weight in table.weights:
            weight.assign(ops.zeros_like(weight))
    for now, then in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert np.isfinite(embeddings(model, x)).all()


def test_a_tighter_bound_takes_more_rows_and_a_smaller_error() -> None:
    model = deepfm()
    _, loose = freeze_numeric(model, RANGES, 1e-2)
    _, tight = freeze_numeric(model, RANGES, 1e-4)
    field = "embeddings/clicks"
    assert tight.fields[field].points > loose.fields[field].points
    assert tight.fields[field].error < loose.fields[field].error
    assert tight.bytes > loose.bytes


def test_a_frozen_model_is_saved_and_loaded(tmp_path: pathlib.Path) -> None:
    frozen, report = freeze_numeric(deepfm(), RANGES, BOUND)
    frozen.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = features()
    np.testing.assert_array_equal(
        loaded(x, training=False)["probability"],
        frozen(x, training=False)["probability"],
    )
    report.write(tmp_path)
    assert FreezeReport.read(tmp_path) == report


@pytest.mark.parametrize("name", ["fwfm", "ffm", "finalmlp", "dcnv2", "xdeepfm"])
def test_models_of_other_shapes_are_frozen_too(name: str) -> None:
    params = {**zoo_shop.SMALL[name], "embedding_stddev": 0.3}
    model = registry.build(name, INPUTS, params)
    frozen, report = freeze_numeric(model, RANGES, BOUND)
    x = features()
    pairs = [
        (layer, frozen.get_layer(layer.name))
        for layer in model.layers
        if isinstance(layer, FusedEmbedding)
    ]
    for old, new in pairs:
        inputs = {i.name: x[i.name] for i in old.inputs}
        assert np.abs(np.asarray(new(inputs)) - np.asarray(old(inputs))).max() <= BOUND
    assert report.fields


def test_a_model_without_encoders_has_nothing_to_freeze() -> None:
    inputs = (INPUTS[0], ModelInput("loss", "value", "user"))
    model = registry.build("deepfm", inputs, SMALL)
    frozen, report = freeze_numeric(model, {})
    assert not report.fields
    x = {"user": np.arange(5), "loss": np.linspace(-1, 1, 5, dtype=np.float32)}
    np.testing.assert_array_equal(
        frozen(x, training=False)["probability"],
        model(x, training=False)["probability"],
    )


@pytest.mark.parametrize("aggregation", ["max", "topk"])
def test_embeddings_that_jump_are_refused(aggregation: Any) -> None:
    encoding = AutoDisEncoding(aggregation=aggregation)
    inputs = (INPUTS[0], ModelInput("age", "value", "user", numeric=encoding))
    with pytest.raises(ConfigError, match="`age` jump"):
        check_freezable(inputs)
    model = registry.build("deepfm", inputs, SMALL)
    with pytest.raises(ConfigError, match="aggregation: weighted"):
        freeze_numeric(model, {"age": (0.0, 1.0)})


def test_a_choice_that_is_all_but_a_jump_is_refused_with_the_error_that_is_left() -> (
    None
):
    encoding = AutoDisEncoding(form="reduced")
    inputs = (INPUTS[0], ModelInput("age", "value", "user", numeric=encoding))
    keras.utils.set_random_seed(1)
    model = registry.build("deepfm", inputs, SMALL)
    encoder, _ = model.get_layer("embeddings").numeric.encoder_of("age")
    for weight in (encoder.first, encoder.first_bias):
        weight.assign(weight * 1e6)
    with pytest.raises(ConfigError, match="`age` bends too sharply.*misses by 0"):
        freeze_numeric(model, {"age": (-2.0, 2.0)})


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`ranges` must name every field.*price"):
        freeze_numeric(deepfm(), {"age": (0.0, 1.0)})
    with pytest.raises(ValueError, match="`max_error` must be positive"):
        freeze_numeric(deepfm(), RANGES, 0.0)


def test_a_mixed_policy_gets_the_tables_of_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = deepfm()
        frozen, report = freeze_numeric(model, RANGES, BOUND)
        x = features()
        before, after = (
            np.asarray(ops.cast(m.get_layer("embeddings")(x), "float32"))
            for m in (model, frozen)
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert max(line.error for line in report.fields.values()) <= BOUND
    rounding = 2**-6 * np.abs(before).max()
    assert np.abs(after - before).max() <= BOUND + rounding


def test_the_grid_is_fine_where_a_function_bends_and_coarse_elsewhere() -> None:
    def bump(x: Any) -> Any:
        return np.exp(-((np.asarray(x, np.float64) - 0.3) ** 2) / 1e-6)[..., None]

    (table,) = tabulate(bump, [(0.0, 1.0)], 1e-3)
    cell = int(0.3 * CELLS)
    assert table.parts[cell] >= 16
    assert np.delete(table.parts, [cell - 1, cell, cell + 1]).max() == 1
    assert table.error <= 1e-3 * 3 / 4


def test_the_bound_holds_around_a_single_corner_wherever_it_lies() -> None:
    for corner in np.linspace(0.4, 0.4 + 1 / CELLS, 23):

        def bent(x: Any, corner: float = corner) -> Any:
            return 40.0 * np.abs(np.asarray(x, np.float64) - corner)[..., None]

        (table,) = tabulate(bent, [(0.0, 1.0)], 0.01)
        cells = [np.arange(p) / p + cell for cell, p in enumerate(table.parts)]
        grid = np.append(np.concatenate(cells), CELLS) / CELLS
        x = np.linspace(0.39, 0.41, 20_001)
        found = np.interp(x, grid, table.rows[:, 0])
        assert np.abs(found - bent(x)[:, 0]).max() <= 0.01 + 1e-6


def test_ranges_are_what_transform_can_give() -> None:
    def field(**scaling: Any) -> dict[str, Any]:
        statistics = dict.fromkeys(
            ("missing", "non_finite", "zero", "negative", "integer", "mean"), 0.0
        )
        return {
            "statistics": {
                **statistics,
                "rows": 1,
                "distinct": 2,
                "distinct_is_exact": True,
                "low": 0.0,
                "high": 1.0,
                "deviation": 1.0,
            },
            "scaling": scaling,
            "encoding": {"kind": "linear"},
            "reasons": {},
        }

    plan = DiscretizationPlan.model_validate(
        {
            "spec_name": "s",
            "spec_digest": "d",
            "fields": {
                "a": field(kind="z_score", low=-4.0, high=8.0, shift=2.0, width=2.0),
                "b": field(kind="log1p", low=-1.0, high=np.e - 2.0, shift=0.5),
                "c": field(kind="signed_log", low=1.0 - np.e, high=0.0),
                "d": field(kind="quantile_rank", low=5.0, high=9.0, knots=(5.0, 9.0)),
                "e": field(kind="min_max", low=0.0, high=4.0, width=4.0, missing=-2.0),
            },
        },
        strict=False,
    )
    found = scaled_ranges(plan)
    expected = {
        "a": (-3.0, 3.0),
        "b": (-0.5, 0.5),
        "c": (-1.0, 0.0),
        "d": (0.0, 1.0),
        "e": (-2.0, 1.0),
    }
    assert {n: pytest.approx(r) for n, r in expected.items()} == found


def test_the_configuration_of_an_export_is_checked() -> None:
    params = ExportParams.model_validate({"freeze_numeric": {}})
    assert params.freeze_numeric is not None
    assert params.freeze_numeric.max_error == 1e-3
    with pytest.raises(ValueError, match="max_error"):
        ExportParams.model_validate({"freeze_numeric": {"max_error": 0.0}})
