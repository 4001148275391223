"""Targets of arms that there are, and that there are not."""

import pytest
from ab_definition import arms, definition

from clickwright.experiments.targets import ServedModel, versions_of_arms
from clickwright.schemas.errors import ConfigError

SERVED = {"ctr": ServedModel((3, 7, 9), {"stable": 3, "canary": 7})}


def test_a_target_names_a_version_by_label_by_number_or_the_newest() -> None:
    changed = arms(stable=0.4, canary=0.3, fixed=0.2, newest=0.1)
    changed["fixed"]["target"] = {"model": "ctr", "version": 3}
    changed["newest"]["target"] = {"model": "ctr"}

    found = versions_of_arms(definition(control="stable", arms=changed), SERVED)

    assert found == {"stable": 3, "canary": 7, "fixed": 3, "newest": 9}


def test_every_arm_whose_target_is_unknown_is_named() -> None:
    changed = arms(control=0.25, cannary=0.25, fixed=0.25, other=0.25)
    changed["fixed"]["target"] = {"model": "ctr", "version": 4}
    changed["other"]["target"] = {"model": "cvr"}

    with pytest.raises(ConfigError) as error:
        versions_of_arms(definition(arms=changed), SERVED)

    said = str(error.value)
    assert "`arms.control.target`: `ctr` has no label `control`." in said
    assert "Did you mean `canary`?" in said
    assert "no version 4. Versions: 3, 7, 9." in said
    assert "no model `cvr`" in said and "Models: ctr." in said
