import subprocess
import sys
from typing import Any

import pytest
import zoo_shop

from clickwright.models import registry
from clickwright.models.ctr.deepfm_params import DeepFMParams
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput

INPUTS = (ModelInput("item", "id", "item", "item", 5),)
TWO_INPUTS = (*INPUTS, ModelInput("user", "id", "user", "user", 4))


OF_ROWS = [n for n, e in registry.MODELS.items() if ".models.ctr." in e.builder]
"""Models that need no history."""
OF_HISTORIES = [
    n for n, e in registry.MODELS.items() if e.task == "click" and n not in OF_ROWS
]


@pytest.mark.parametrize("name", OF_ROWS)
def test_every_model_of_rows_builds_with_its_defaults(name: str) -> None:
    model = registry.build(name, TWO_INPUTS)
    assert set(model.input) == {"item", "user"}
    check_click_model(name, model)


@pytest.mark.parametrize("name", OF_HISTORIES)
def test_every_model_of_a_history_builds_with_its_defaults(name: str) -> None:
    model = registry.build(name, zoo_shop.INPUTS)
    assert {"item", "seen"} <= set(model.input)
    check_click_model(name, model)


def check_click_model(name: str, model: Any) -> None:
    assert set(model.output) <= {"probability", "logits"}
    assert tuple(model.output["probability"].shape) == (None,)
    assert tuple(model.get_layer("probability").input.shape) == (None, 1)
    assert callable(registry.loss(name))


@pytest.mark.parametrize("name", registry.MODELS)
def test_one_input_is_enough_or_refused_with_a_remedy(name: str) -> None:
    try:
        registry.build(name, INPUTS)
    except ConfigError as error:
        base = getattr(registry.parse_params(name, {}), "base", name)
        assert f"`{base}`" in error.what or f"`{name}`" in error.what
        assert "feature" in error.fix


@pytest.mark.parametrize("name", registry.MODELS)
def test_every_parameter_says_what_it_is(name: str) -> None:
    fields = registry.MODELS[name].params.model_fields
    assert all(field.description for field in fields.values())


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"`deepfn`. Did you mean `deepfm`\?") as e:
        registry.build("deepfn", INPUTS)
    assert e.value.fix == "use one of " + ", ".join(sorted(registry.MODELS))


def test_an_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean `dropout`\?"):
        registry.parse_params("deepfm", {"dropuot": 0.1})


def test_a_parameter_out_of_range_is_refused_with_its_value() -> None:
    with pytest.raises(ConfigError, match=r"`dropout`: .*less than 1. Received: 1.5"):
        registry.parse_params("deepfm", {"dropout": 1.5})


def test_parameters_of_another_model_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        registry.build("logistic_regression", INPUTS, DeepFMParams())


def test_a_model_without_inputs_is_refused() -> None:
    with pytest.raises(ConfigError, match="`deepfm` has no inputs"):
        registry.build("deepfm", ())


def test_table_width_counts_floats_a_row() -> None:
    assert registry.table_width("logistic_regression", {}) == 1
    assert registry.table_width("deepfm", {"embedding_dim": 16}) == 17


def test_checking_a_configuration_imports_no_keras() -> None:
    code = (
        "import sys\n"
        "from clickwright.models import registry\n"
        "from clickwright.models.training.params import TrainingParams\n"
        "registry.parse_params('deepfm', {'dropout': 0.1})\n"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_feature_named_like_a_part_of_the_model_is_refused() -> None:
    inputs = [ModelInput("linear", "id", "user", "linear", 5)]
    with pytest.raises(ConfigError, match="name of the feature `linear`"):
        registry.build("deepfm", inputs)
