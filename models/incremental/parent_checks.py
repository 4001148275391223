"""Whether a model can go on from another."""

import pathlib
from collections.abc import Mapping, Sequence

from clickwright.models.params import ModelParams
from clickwright.models.training.training_state_manifest import (
    TrainingStateManifest,
    spec_sha256,
)
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.spec import FeatureSpec

COLD = "set `incremental.warm_start: false` for one run, which starts from scratch"


def check_model(
    parent: TrainingStateManifest,
    name: str,
    params: ModelParams,
    where: pathlib.Path,
) -> None:
    """Refuses a parent with another architecture.

    Args:
        parent: the parent's state.
        name: the model that is to go on from it.
        params: its parameters.
        where: folder of the state.

    Raises:
        ConfigError: it is another model, or has other parameters.
    """
    if parent.model != name:
        raise ConfigError(
            f"The model to start from is a `{parent.model}`, and the configuration "
            f"names a `{name}`.",
            where=str(where),
            fix=f"train a `{parent.model}`, or {COLD}",
        )
    wanted = params.model_dump(mode="json")
    differing = [
        f"`{key}` ({parent.params.get(key)!r}, now {wanted.get(key)!r})"
        for key in dict.fromkeys([*parent.params, *wanted])
        if parent.params.get(key) != wanted.get(key)
    ]
    if differing:
        raise ConfigError(
            f"The model to start from has other parameters: {', '.join(differing)}.",
            where=str(where),
            fix=f"set `model.params` back, or {COLD}",
        )


def check_spec(
    parent: TrainingStateManifest, spec: FeatureSpec, where: pathlib.Path
) -> None:
    """Refuses a parent that was trained on other features.

    Raises:
        ConfigError: the spec is another.
    """
    if parent.spec_sha256 != spec_sha256(spec):
        raise ConfigError(
            f"The model to start from was trained with another feature spec than "
            f"`{spec.name}`: what its inputs mean has changed"
            + (f" (that one is `{parent.spec}`)." if parent.spec != spec.name else "."),
            where=str(where),
            fix=f"set the features back as they were, or {COLD}",
        )


def check_plan(
    parent: DiscretizationPlan | None,
    plan: DiscretizationPlan | None,
    where: pathlib.Path,
) -> None:
    """Refuses numbers that are scaled or encoded otherwise than the parent's.

    Raises:
        ConfigError: a field's scaling or encoding differs.
    """
    before = parent.fields if parent else {}
    after = plan.fields if plan else {}
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if (
            old is None
            or new is None
            or (old.scaling, old.encoding) != (new.scaling, new.encoding)
        ):
            raise ConfigError(
                f"`{name}` is scaled or encoded otherwise than in the model to start "
                "from, whose weights would mean something else.",
                where=str(where),
                fix="give the Discretizer the same model to start from, so that it "
                f"keeps that plan, or {COLD}",
            )


def check_vocabularies(
    parent: Mapping[str, Sequence[str]],
    values: Mapping[str, Sequence[str]],
    where: pathlib.Path,
) -> None:
    """Refuses vocabularies in which ids of the parent have another meaning.

    Args:
        parent: the parent's, by table.
        values: those of the data; all of them are to start as the parent's.
        where: folder of the state.

    Raises:
        ConfigError: a vocabulary does not start with the parent's.
    """
    for name, new in values.items():
        old = list(parent.get(name, ()))
        if list(new[: len(old)]) != old or name not in parent:
            raise ConfigError(
                f"The vocabulary of `{name}` does not start with the {len(old):,} "
                "values of the model to start from, in their order: ids of known "
                "values would change.",
                where=str(where),
                fix="give Transform the same model to start from, so that it appends "
                f"to its vocabularies, or {COLD}",
            )
