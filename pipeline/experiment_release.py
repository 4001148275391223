"""Labels moved as a decision about an experiment asks for."""

import pathlib
from collections.abc import Iterable, Mapping

from clickwright.components.experiment.arm_lineage import (
    Facts,
    published_facts,
    read_lineage,
    served_models,
)
from clickwright.components.publisher.release_record import CANARY, STABLE, Label
from clickwright.components.publisher.version_store import VersionStore
from clickwright.experiments.targets import versions_of_arms
from clickwright.pipeline.releases import existing
from clickwright.schemas.errors import DataError
from clickwright.schemas.experiment import Experiment, Target


def versions(experiment: Experiment, root: str) -> dict[str, int]:
    """The version that answers for each arm now.

    Raises:
        ConfigError: names each arm whose model, label or version is not served.
    """
    return versions_of_arms(experiment, served_models(root))


def lineage(
    experiment: Experiment,
    versions: Mapping[str, int],
    root: str | None,
    generated: pathlib.Path,
) -> dict[str, Facts]:
    """What is known of the arms' versions: their run, its data, its metrics.

    Args:
        experiment: the definition.
        versions: by arm; empty where no root is at hand.
        root: the serving root, whose manifests are read.
        generated: folder of the definition, in which `ExperimentGen` tells more. What
            it says of a version that has been replaced since is left out.
    """
    found = {}
    told = read_lineage(generated)
    for name, arm in experiment.arms.items():
        facts = told.get(name, {})
        version = versions.get(name)
        if root is not None and version is not None:
            if facts.get("version") != str(version):
                facts = {}
            facts = published_facts(root, arm.target.model, version) | facts
        if facts:
            found[name] = facts
    return found


def promotable(
    experiment: Experiment, arm: str, root: str, seen: Mapping[str, int]
) -> int:
    """Returns the version that an arm was measured with, if its target still is that.

    Args:
        experiment: the definition.
        arm: the arm that won.
        root: the serving root.
        seen: exposures of the arm by the version that answered.

    Raises:
        ConfigError: an arm's target is not served.
        DataError: the arm's model is not the experiment's, or its version now is not
            the one that was measured.
    """
    target = experiment.arms[arm].target
    where = f"experiment `{experiment.id}`, arm `{arm}`"
    if target.model != experiment.model:
        raise DataError(
            f"The arm is another model, `{target.model}`: no label of "
            f"`{experiment.model}` can point to it.",
            where=where,
            fix=f"publish it as `{experiment.model}`, or let clients ask for "
            f"`{target.model}`",
        )
    version = versions(experiment, root)[arm]
    # Control answers where an arm fails, so another version may be among these.
    measured = max(seen, key=lambda name: seen[name], default="none")
    if measured != str(version):
        raise DataError(
            f"The arm's target is version {version} now, but version {measured} was "
            "measured.",
            where=where,
            fix="release the version that you mean: `clickwright models promote "
            f"{target.model} VERSION`",
        )
    return version


def promote(model: str, version: int, root: str) -> tuple[str, ...]:
    """Makes a version the one that answers users.

    Returns:
        What was changed.

    Raises:
        DataError: the version is damaged.
        MachineError: another process changes the labels, or the root refuses.
    """
    store = existing(root, model)
    if store.book.labels().get(STABLE) == version:
        return ()
    store.promote(version, STABLE)
    return (f"{model}: {STABLE} is version {version}",)


def take_back(
    experiment: Experiment,
    root: str,
    *,
    others: Iterable[Experiment] = (),
    promoted: int | None = None,
) -> tuple[str, ...]:
    """Moves the labels of an experiment's arms back to the version before.

    Args:
        experiment: the definition.
        root: the serving root.
        others: experiments that go on; a trial that one of them needs is left.
        promoted: the version that this experiment made stable, if it did; users get
            the stable version before again.

    Returns:
        What was changed.

    Raises:
        DataError: there is no earlier version, or no such model.
        MachineError: another process changes the labels, or the root refuses.
    """
    done = []
    if promoted is not None:
        store = existing(root, experiment.model)
        if store.book.labels().get(STABLE) == promoted:
            done.append(_rolled_back(store, STABLE))
    arms = [arm for name, arm in experiment.arms.items() if name != experiment.control]
    needed = [arm.target for other in others for arm in other.arms.values()]
    for model in sorted({arm.target.model for arm in arms}):
        store = existing(root, model)
        labels = store.book.labels()
        trial = labels.get(CANARY)
        if (
            trial not in (None, labels.get(STABLE))
            and any(_on_trial(arm.target, model, trial) for arm in arms)
            and not any(_on_trial(target, model, trial) for target in needed)
        ):
            done.append(_rolled_back(store, CANARY))
    return tuple(done)


def _on_trial(target: Target, model: str, trial: int | None) -> bool:
    """Whether a target means the version on trial.

    One that names neither label nor version does: the trial is the newest, as long as
    nobody has put an older version on trial, and then it does no harm to end it.
    """
    if target.model != model:
        return False
    if target.label is not None:
        return target.label == CANARY
    return target.version in (None, trial)


def _rolled_back(store: VersionStore, label: Label) -> str:
    return f"{store.model_name}: {label} is version {store.rollback(label)}"
