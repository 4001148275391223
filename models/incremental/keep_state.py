"""Keeping a trained model so that a later training can go on from it."""

import pathlib
from collections.abc import Mapping, Sequence

import keras

from clickwright.models.incremental.item_probes import item_probes
from clickwright.models.incremental.warm_start import WarmStart, learned_variables
from clickwright.models.params import ModelParams
from clickwright.models.training.fit_params import FitParams
from clickwright.models.training.optimizer_state import OptimizerState
from clickwright.models.training.training_state import TrainingState
from clickwright.models.training.training_state_manifest import (
    KeptSlot,
    KeptVariable,
    TrainingStateManifest,
    spec_sha256,
)
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.spec import FeatureSpec


def keep_state(
    folder: pathlib.Path,
    model: keras.Model,
    optimizer: OptimizerState,
    *,
    name: str,
    params: ModelParams,
    training: FitParams,
    spec: FeatureSpec,
    plan: DiscretizationPlan | None,
    vocabularies: Mapping[str, Sequence[str]],
    rows: int,
    span: int | None,
    start: WarmStart | None,
) -> TrainingStateManifest:
    """Writes the training state of a model.

    Args:
        folder: of the state.
        model: trained, with the weights of its best epoch.
        optimizer: what the optimizer knew then.
        name: the registered model.
        params: its parameters.
        training: how it was trained.
        spec: the feature spec.
        plan: of the numeric features; None where there are none.
        vocabularies: values of each learned vocabulary, by table.
        rows: of the training split.
        span: number of the data's span; None where they have none.
        start: what training went on from; None where it started from scratch.

    Raises:
        MachineError: it cannot be written.
    """
    probes = item_probes(model)
    variables = {n: v.numpy() for n, v in learned_variables(model).items()}
    manifest = TrainingStateManifest(
        model=name,
        params=params.model_dump(mode="json"),
        spec=spec.name,
        spec_sha256=spec_sha256(spec),
        optimizer=training.optimizer,
        steps=optimizer.steps,
        rows=rows,
        span=span,
        vocabularies={table: len(values) for table, values in vocabularies.items()},
        variables=tuple(
            KeptVariable(name=n, shape=v.shape, dtype=str(v.dtype))
            for n, v in variables.items()
        ),
        slots=tuple(
            KeptSlot(
                name=f"{of}/{kind}", shape=v.shape, dtype=str(v.dtype), of=of, kind=kind
            )
            for of, kind, v in optimizer.slots
        ),
        probes=tuple(probes),
        parent=start.parent if start else None,
        started=start.new_values if start else {},
    )
    slots = [value for _, _, value in optimizer.slots]
    state = TrainingState(manifest, variables, slots, vocabularies, plan, probes)
    return state.save(folder)
