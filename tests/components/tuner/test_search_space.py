"""What a search is over."""

import random
from typing import Any

import pytest

from clickwright.components.tuner.keras_space import from_keras, to_keras
from clickwright.components.tuner.objective import objective_of
from clickwright.components.tuner.oracles import make_oracle
from clickwright.components.tuner.params import TunerParams
from clickwright.components.tuner.sections import by_section
from clickwright.components.tuner.space import accepts, search_space
from clickwright.models import registry
from clickwright.models.training.params import TrainingParams
from clickwright.models.training.retrieval_params import RetrievalTrainingParams
from clickwright.models.value_range import ValueRange, declared_space, in_words
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError


def tuner(**fields: Any) -> TunerParams:
    return strict_yaml.parse(TunerParams, fields, "tuner")


def space(model: str = "deepfm", **fields: Any) -> dict[str, Any]:
    found = search_space(model, {}, {}, tuner(**fields))
    return {searched.name: searched.dimension for searched in found}


@pytest.mark.parametrize("model", registry.MODELS)
def test_every_model_says_what_is_worth_trying(model: str) -> None:
    cls = registry.entry(model).params
    declared = declared_space(cls)
    assert declared and set(declared) <= set(cls.model_fields)
    found = search_space(model, {}, {}, TunerParams())
    names = {f"model.{name}" for name in declared} | {"training.learning_rate"}
    assert {searched.name for searched in found} == names


@pytest.mark.parametrize("model", registry.MODELS)
def test_what_is_drawn_fits_together_and_comes_after_the_configured_values(
    model: str,
) -> None:
    found = search_space(model, {}, {}, TunerParams())

    def accept(values: Any) -> bool:
        chosen = by_section(from_keras(found, values))
        return accepts(model, chosen["model"], chosen["training"])

    oracle = make_oracle(
        TunerParams(trials=8, algorithm="random"),
        to_keras(found),
        accept,
        direction="max",
        seed=1,
        epochs=3,
    )
    drawn = []
    for number in range(8):
        values = oracle.populate_space(str(number))["values"]
        oracle.trials[str(number)] = values  # what it looks at for the first one
        drawn.append(from_keras(found, values))
    first, *others = drawn
    assert first == {searched.name: searched.configured for searched in found}
    for values in others:
        chosen = by_section(values)
        registry.parse_params(model, chosen["model"])
        TrainingParams.model_validate(chosen["training"])


def test_the_configured_value_always_belongs_to_what_is_tried() -> None:
    given = {"embedding_dim": 10, "dropout": 0.9, "hidden_units": [7]}
    found = search_space("deepfm", given, {"learning_rate": 0.05}, TunerParams())
    dimensions = {searched.name: searched.dimension for searched in found}
    assert dimensions["model.embedding_dim"] == (8, 10, 16, 32, 64)
    assert dimensions["model.dropout"] == ValueRange(min=0.0, max=0.9)
    assert [7] in dimensions["model.hidden_units"]
    rate = dimensions["training.learning_rate"]
    assert rate == ValueRange(min=1e-4, max=0.05, log=True)


def test_a_configuration_bends_what_a_model_declares() -> None:
    found = space(
        space={
            "model": {"embedding_dim": [4, 8], "dropout": None},
            "training": {
                "batch_size": [256, 1024],
                "learning_rate": {"min": 0.001, "max": 0.1},
            },
        }
    )
    assert found["model.embedding_dim"] == (4, 8, 10)
    assert "model.dropout" not in found and "model.l2" in found
    assert found["training.batch_size"] == (256, 1024, 4096)
    assert found["training.learning_rate"] == ValueRange(min=0.001, max=0.1)
    assert list(space(only=["model.l2"])) == ["model.l2"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"space": {"model": {"embeding_dim": [4]}}},
            (
                "tuner.space.model: `embeding_dim` is no parameter of the model that can "
                "be searched. Did you mean `embedding_dim`?"
            ),
        ),
        (
            {"space": {"training": {"epochs": [4]}}},
            "`epochs` is no parameter of the training that can be searched.",
        ),
        (
            {"space": {"model": {"dropout": {"min": 0.0, "max": 1.5}}}},
            (
                "tuner.space.model.dropout: `dropout` does not take 1.5: Input should be "
                "less than 1."
            ),
        ),
        (
            {"space": {"model": {"embedding_dim": [8, "many"]}}},
            "`embedding_dim` does not take 'many': Input should be a valid integer.",
        ),
        (
            {"space": {"model": {"embedding_dim": {"min": 1.5, "max": 8}}}},
            "`embedding_dim` takes whole numbers. Received: 1.5 to 8.",
        ),
        (
            {"space": {"model": {"l2": {"min": 0.2, "max": 0.1}}}},
            "`min` (0.2) must be below `max` (0.1)",
        ),
        (
            {"space": {"model": {"l2": {"min": 0.0, "max": 0.1, "log": True}}}},
            "`min` (0) must be above 0 with `log`",
        ),
        (
            {"space": {"training": {"weight_decay": {"min": 0.0, "max": 0.1}}}},
            "`weight_decay` is null in the configuration, which no range can hold.",
        ),
        (
            {"space": {"model": {"l2": []}}},
            "tuner.space.model.l2: The list of values is empty.",
        ),
        (
            {"only": ["model.droput"]},
            (
                "`only` names `model.droput`, for which nothing is there to try. Did you "
                "mean `model.dropout`?"
            ),
        ),
    ],
)
def test_what_cannot_be_tried_is_refused(fields: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(**fields)
    assert message in str(caught.value)


def test_a_search_over_nothing_is_refused() -> None:
    nothing = {"model": {"l2": None}, "training": {"learning_rate": None}}
    with pytest.raises(ConfigError, match="Nothing is left to search"):
        space("logistic_regression", space=nothing)


def test_values_survive_the_way_through_keras_tuner() -> None:
    own = {"embedding_dim": 10, "compression": {"kind": "quotient_remainder"}}
    found = search_space(
        "dcnv2",
        own,
        {},
        tuner(space={"model": {"low_rank": [None, 8], "compression": [None]}}),
    )
    made = to_keras(found)
    random.seed(0)
    for hp in made.space:
        for _ in range(5):
            values = {**made.values, hp.name: hp.random_sample(random.randrange(99))}
            tried = from_keras(found, values)
            chosen = by_section(tried)
            parsed = registry.parse_params("dcnv2", {**own, **chosen["model"]})
            plain = parsed.model_dump(mode="json")
            assert {k: plain[k] for k in chosen["model"]} == chosen["model"]
    assert from_keras(found, made.values) == {s.name: s.configured for s in found}


def test_values_that_never_fit_together_are_told() -> None:
    found = search_space("sasrec", {}, {}, TunerParams())
    oracle = make_oracle(
        TunerParams(algorithm="random"),
        to_keras(found),
        lambda values: False,
        direction="max",
        seed=0,
        epochs=1,
    )
    oracle.trials["0"] = None
    with pytest.raises(ConfigError, match="None of 1,000 random choices"):
        oracle.populate_space("1")


def test_the_objective_is_what_the_validation_measures() -> None:
    click, retrieval = TrainingParams(), RetrievalTrainingParams(cutoffs=(5,))
    assert objective_of(TunerParams(), click) == ("auc", "max")
    assert objective_of(TunerParams(objective="logloss"), click) == ("logloss", "min")
    assert objective_of(TunerParams(), retrieval) == ("ndcg@10", "max")
    assert objective_of(TunerParams(objective="hr@5"), retrieval) == ("hr@5", "max")
    with pytest.raises(ConfigError, match="does not measure `hr@7`"):
        objective_of(TunerParams(objective="hr@7"), retrieval)
    with pytest.raises(ConfigError, match="Did you mean `auc`"):
        objective_of(TunerParams(objective="aucc"), click)


def test_what_is_tried_is_said_in_words() -> None:
    space = {**declared_space(registry.entry("deepfm_p").params)}
    assert in_words(space["embedding_dim"]) == "8, 16, 32, 64"
    assert in_words(space["dropout"]) == "0 to 0.6"
    assert in_words(space["product"]) == '"inner", "outer", "both"'
    rate = declared_space(TrainingParams)["learning_rate"]
    assert in_words(rate) == "0.0001 to 0.01 by magnitude"
    assert in_words(space.get("activation")) == ""
