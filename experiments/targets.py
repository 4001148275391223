"""Which version an arm's target names."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from clickwright.schemas.errors import ConfigError, did_you_mean
from clickwright.schemas.experiment import Experiment, Target


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """What there is of a model.

    Attributes:
        versions: the versions that can be asked for.
        labels: the labels and their versions.
    """

    versions: Collection[int]
    labels: Mapping[str, int]


def versions_of_arms(
    experiment: Experiment, served: Mapping[str, ServedModel]
) -> dict[str, int]:
    """Returns the version that each arm's target names now.

    Args:
        experiment: its definition.
        served: the models by name.

    Raises:
        ConfigError: names each arm whose model, label or version there is not.
    """
    found, problems = {}, []
    for name, arm in experiment.arms.items():
        version = _version(arm.target, served)
        if isinstance(version, int):
            found[name] = version
        else:
            problems.append(f"`arms.{name}.target`: {version}")
    if problems:
        raise ConfigError(
            " ".join(problems),
            where=f"experiment `{experiment.id}`",
            fix="publish the model or move the label first, or change the target",
        )
    return found


def _version(target: Target, served: Mapping[str, ServedModel]) -> int | str:
    """The version, or a sentence that says what is unknown."""
    model = served.get(target.model)
    if model is None or not model.versions:
        return (
            f"there is no model `{target.model}`.{did_you_mean(target.model, served)} "
            f"Models: {_listed(served)}."
        )
    if target.label is not None:
        if target.label in model.labels:
            return model.labels[target.label]
        return (
            f"`{target.model}` has no label `{target.label}`."
            f"{did_you_mean(target.label, model.labels)} "
            f"Labels: {_listed(model.labels)}."
        )
    if target.version is None:
        return max(model.versions)
    if target.version in model.versions:
        return target.version
    return (
        f"`{target.model}` has no version {target.version}. "
        f"Versions: {_listed(map(str, sorted(model.versions)))}."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
