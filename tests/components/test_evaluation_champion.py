"""The champion is the model blessed last, never the one that is being judged."""

import pytest
from tfx import types
from tfx.types import standard_artifacts

from clickwright.components.evaluation.champion import Champion

Blessings = list[tuple[int, bool]]


def model(number: int) -> types.Artifact:
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(
    number: int,
    judged: int,
    blessed: bool,
    kind: type[types.Artifact] = standard_artifacts.ModelBlessing,
) -> types.Artifact:
    artifact = kind()
    artifact.id = number
    artifact.set_int_custom_property("current_model_id", judged)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


@pytest.mark.parametrize(
    ("blessings", "current", "champion"),
    [
        ([], 1, None),
        # A repeated run resolves what the first one did: no champion but itself.
        ([(1, True)], 1, None),
        ([(1, True), (2, True)], 2, 1),
        ([(1, True), (2, False)], 3, 1),
        # The latest blessing counts, not the latest model.
        ([(2, True), (1, True)], 3, 1),
        ([(1, True), (2, True), (1, False)], 1, 2),
        # A blessing of a model that is not there any more.
        ([(1, True), (9, True)], 3, 1),
    ],
)
def test_the_champion(blessings: Blessings, current: int, champion: int | None) -> None:
    found = Champion().resolve_artifacts(
        None,
        {
            "model": [model(current)],
            "baseline_model": [model(number) for number in (1, 2, 3)],
            "model_blessing": [
                blessing(number, judged, blessed)
                for number, (judged, blessed) in enumerate(blessings)
            ],
        },
    )

    assert [a.id for a in found["baseline_model"]] == ([champion] if champion else [])
    assert [a.id for a in found["model"]] == [current]
    assert len(found["model_blessing"]) == len(found["baseline_model"])


@pytest.mark.parametrize(
    ("served", "champion"),
    [
        ([], 2),  # nobody asked a server
        ([(2, True)], 2),
        ([(2, False)], 1),
        ([(2, False), (2, True)], 2),  # tried again, under other bounds
        ([(2, True), (2, False)], 1),
        ([(1, False), (2, False)], None),
    ],
)
def test_a_model_that_failed_in_the_server_is_no_champion(
    served: Blessings, champion: int | None
) -> None:
    found = Champion().resolve_artifacts(
        None,
        {
            "model": [model(3)],
            "baseline_model": [model(number) for number in (1, 2, 3)],
            "model_blessing": [blessing(5, 1, True), blessing(6, 2, True)],
            "infra_blessing": [
                blessing(number, judged, blessed, standard_artifacts.InfraBlessing)
                for number, (judged, blessed) in enumerate(served)
            ],
        },
    )

    assert [a.id for a in found["baseline_model"]] == ([champion] if champion else [])
    assert found["infra_blessing"] == []
