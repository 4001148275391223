"""The published settings and figures that come with the product."""

import math
from typing import Any

import pytest

from clickwright.models import registry
from clickwright.models.published.boards import (
    board_names,
    load_board,
    preset,
    presets,
)
from clickwright.models.training.params import TrainingParams
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

RUNS = [(name, key) for name in board_names() for key in load_board(name).runs]

# Rows of the tables as FuxiCTR v2 logs them, with a row for padding and one for unknown
# values; v1 has one row for both.
FRAPPE = {
    "user": 956,
    "item": 4084,
    "daytime": 9,
    "weekday": 9,
    "isweekend": 4,
    "homework": 5,
    "cost": 4,
    "weather": 11,
    "country": 82,
    "city": 235,
}
TABLES = {
    "frappe_x1": {
        5399: FRAPPE,
        5389: {name: rows - 1 for name, rows in FRAPPE.items()},
        5383: {**FRAPPE, "user": 942, "city": 233},
    },
    "movielenslatest_x1": {
        90242: {"user_id": 16977, "item_id": 23606, "tag_id": 49659},
        90239: {"user_id": 16976, "item_id": 23605, "tag_id": 49658},
    },
    "criteo_x4": {
        rows: {
            f"field_{n}": rows - 38 * 23_000 if n == 38 else 23_000 for n in range(39)
        }
        for rows in (910_708, 910_747)
    },
}


@pytest.mark.parametrize(("name", "key"), RUNS)
def test_every_run_parses_with_the_parameters_of_its_model(name: str, key: str) -> None:
    board = load_board(name)
    run = board.runs[key]

    registry.parse_params(run.model, run.params)
    strict_yaml.parse(TrainingParams, {**board.training, **run.training}, key)


def test_every_model_that_needs_no_history_has_a_run_on_frappe() -> None:
    runs = load_board("frappe_x1").runs
    of_rows = {n for n, e in registry.MODELS.items() if ".models.ctr." in e.builder}

    assert {run.model for run in runs.values()} == of_rows
    assert {"ektf_2", "ektf_3", "ektf_5", "ektf_10", "mean_of_5"} <= set(runs)


@pytest.mark.parametrize("name", board_names())
def test_a_board_is_named_as_its_file(name: str) -> None:
    assert load_board(name).name == name


def test_required_figures_leave_room_below_the_published_ones() -> None:
    for key, run in load_board("frappe_x1").runs.items():
        if run.required_auc is not None and run.published is not None:
            expected = run.published.expected_auc
            assert expected is not None
            assert 0 < expected - run.required_auc < 0.0025, key


# What the logs of the runs say: penalty of the embeddings, dropout, normalization.
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("logistic_regression", {"l2": 1e-5}),
        ("fm", {"l2": 5e-6, "embedding_dim": 10}),
        ("ffm", {"l2": 1e-6, "embedding_dim": 10}),
        ("fwfm", {"l2": 5e-6, "embedding_dim": 10, "linear": "FeLV"}),
        ("wide_deep", {"l2": 0.1, "dropout": 0.6, "batch_norm": True}),
        ("dnn", {"l2": 0.05, "dropout": 0.2, "batch_norm": True}),
        ("deepfm", {"l2": 0.05, "dropout": 0.2, "batch_norm": True}),
        ("ipnn", {"l2": 0.05, "dropout": 0.3, "batch_norm": False}),
        ("dcn", {"l2": 0.05, "dropout": 0.2, "batch_norm": True, "cross_layers": 3}),
        (
            "dcnv2",
            {"l2": 0.05, "dropout": 0.4, "cross_layers": 4, "structure": "parallel"},
        ),
        ("xdeepfm", {"l2": 0.1, "dropout": 0.2, "cin_units": (64,)}),
        (
            "autoint_plus",
            {"l2": 0.1, "dropout": 0.1, "attention_layers": 5, "attention_dim": 128}
            | {"heads": 4, "layer_norm": True, "use_scale": True, "wide": False},
        ),
        ("fibinet", {"l2": 0.05, "dropout": 0.3, "reduction_ratio": 2.0}),
        (
            "masknet",
            {"l2": 0.1, "dropout": 0.1, "blocks": 3, "block_units": 50}
            | {"structure": "parallel", "reduction_ratio": 2.0, "block_norm": True},
        ),
        (
            "finalmlp",
            {"l2": 0.05, "dropout1": 0.4, "dropout2": 0.4, "heads": 5}
            | {"hidden_units1": (400,), "hidden_units2": (100,)}
            | {"gate1_context": ("user",), "gate2_context": ("item",)},
        ),
        ("fsdnet", {"embedding_dim": 16, "l2": 0.1, "dropout": 0.7}),
        ("qnn_alpha", {"embedding_dim": 16, "l2": 0.1, "layers": 2, "rows": 13}),
        ("mean_of_5", {"students": 5, "transfer": "mean"}),
        ("ektf_5", {"students": 5, "transfer": "exam"}),
    ],
)
def test_the_runs_on_frappe_have_the_settings_of_their_logs(
    key: str, expected: dict[str, Any]
) -> None:
    run = load_board("frappe_x1").runs[key]
    params = registry.parse_params(run.model, run.params)

    assert {name: getattr(params, name) for name in expected} == expected


def test_the_protocol_differs_where_the_logs_differ() -> None:
    runs = load_board("frappe_x1").runs

    assert {k for k, run in runs.items() if run.min_count == 2} == {
        "fsdnet",
        "qnn_alpha",
    }
    assert runs["fsdnet"].training == {"batch_size": 10_000}
    assert runs["ipnn"].training == {"early_stop": 3}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        pytest.param(name, key, marks=[pytest.mark.slow] if name == "criteo_x4" else [])
        for name, key in RUNS
        if (figures := load_board(name).runs[key].published)
        and figures.parameters
        and figures.table_rows
    ],
)
def test_models_are_of_the_published_size(name: str, key: str) -> None:
    run = load_board(name).runs[key]
    assert run.published is not None
    assert run.published.table_rows is not None
    tables = TABLES[name][run.published.table_rows]
    assert sum(tables.values()) == run.published.table_rows
    inputs = [ModelInput(n, "id", "context", n, rows) for n, rows in tables.items()]

    model = registry.build(run.model, inputs, run.params)

    expected = run.published.parameters
    if run.model == "dnn":  # the log has the tower, and its head, twice
        units, field_values = (400, 400, 400), 10 * len(tables)
        widths = (field_values, *units)
        tower = sum(a * b + 3 * b for a, b in zip(widths, units, strict=False)) + 401
        assert expected is not None
        expected -= tower
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == expected


def test_a_preset_brings_the_training_of_the_board() -> None:
    assert presets("dcnv2") == ("criteo_x4", "frappe_x1", "movielenslatest_x1")
    found = preset("dcnv2", "criteo_x4")

    assert found.params["embedding_dim"] == 16
    assert found.training == {
        "batch_size": 10_000,
        "monitor": "auc",
        "table_updates": "dense",
    }


def test_the_preset_of_a_model_with_several_runs_is_the_first() -> None:
    assert preset("ektf", "frappe_x1").at_least == "mean_of_5"


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean `frappe_x1`"):
        preset("deepfm", "frappe_x4")


def test_an_unknown_board_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean `criteo_x4`"):
        load_board("criteo_x1")
