"""Going on from a trained model, whose tables grow with the vocabularies."""

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np

from clickwright.models.incremental.distillation_loss import DistillationLoss
from clickwright.models.incremental.item_probes import check_probes
from clickwright.models.incremental.parent_checks import (
    COLD,
    check_model,
    check_plan,
    check_spec,
    check_vocabularies,
)
from clickwright.models.incremental.row_layout import (
    GrownRows,
    row_layouts,
    told_by_data,
)
from clickwright.models.incremental.slot_forms import in_form_of
from clickwright.models.incremental.table_growth import TableGrowth
from clickwright.models.incremental.vocabularies import grown_tables
from clickwright.models.params import ModelParams
from clickwright.models.training.kept_variables import (
    KeptVariables,
    changing_variables,
)
from clickwright.models.training.optimizer_state import innermost
from clickwright.models.training.training_state import TrainingState
from clickwright.models.training.training_state_manifest import Parent
from clickwright.models.training.variable_names import variable_names
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.incremental import Incremental
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.spec import AttributeFeature, FeatureSpec

Array = np.ndarray[Any, Any]

progress = logging.getLogger("clickwright.progress")


class WarmStart:
    """What a training takes over from its parent.

    Known ids keep their rows bit for bit, and what the optimizer keeps of them. Rows
    of new ids start from the row that the parent had for them, that of unknown values
    (of ids seen seldom, where the model has a `min_frequency`), or from fresh values;
    their optimizer slots start anew. All other weights are the parent's.

    Args:
        state: the parent's.
        folder: where it lies.
        inputs: what the models read.
        tables: how each table grows.
        settings: how to go on.

    References:
        Wang et al., "A Practical Incremental Method to Train Deep CTR Models",
        arXiv:2009.02147 (2020).
    """

    def __init__(
        self,
        state: TrainingState,
        folder: pathlib.Path,
        inputs: Sequence[ModelInput],
        tables: Mapping[str, TableGrowth],
        settings: Incremental,
    ) -> None:
        self._state = state
        self._folder = folder
        self._inputs = tuple(inputs)
        self._tables = dict(tables)
        self._settings = settings

    @classmethod
    def of(
        cls,
        folder: pathlib.Path,
        settings: Incremental,
        *,
        name: str,
        params: ModelParams,
        spec: FeatureSpec,
        plan: DiscretizationPlan | None,
        vocabularies: Mapping[str, Sequence[str]],
        inputs: Sequence[ModelInput],
    ) -> Self:
        """Reads the parent's state, and compares it with what is to be trained.

        Args:
            folder: of the parent's training state.
            settings: how to go on.
            name: the registered model.
            params: its parameters.
            spec: the feature spec.
            plan: of the numeric features; None where there are none.
            vocabularies: values of each learned vocabulary, by table.
            inputs: what the model reads.

        Raises:
            ConfigError: the parent is another model, or of other features, numbers or
                vocabularies.
            DataError: there is no state, or it is damaged.
        """
        state = TrainingState.read(folder)
        check_model(state.manifest, name, params, folder)
        check_spec(state.manifest, spec, folder)
        check_plan(state.plan, plan, folder)
        # Attributes have ids within a run alone, so that their rows are found by value.
        kept = {
            table: values
            for table, values in vocabularies.items()
            if not isinstance(spec.features[table], AttributeFeature)
        }
        check_vocabularies(state.vocabularies, kept, folder)
        learned = grown_tables(spec)
        tables = {
            table: TableGrowth.of(
                state.vocabularies.get(table, ()), values, learned[table].oov_buckets
            )
            for table, values in vocabularies.items()
        }
        return cls(state, folder, inputs, tables, settings)

    @property
    def parent(self) -> Parent:
        """The model that it starts from."""
        manifest = self._state.manifest
        return Parent(
            state_sha256=manifest.sha256,
            span=manifest.span,
            model=str(self._folder.parent),
        )

    @property
    def new_values(self) -> dict[str, int]:
        """Values that the parent does not know, by table."""
        return {table: int(growth.new.sum()) for table, growth in self._tables.items()}

    def fill(self, kept: KeptVariables, model: keras.Model) -> None:
        """Puts weights and optimizer slots into a model that is about to be trained.

        Args:
            kept: its variables, and its optimizer, as they were made.
            model: it.

        Raises:
            ConfigError: it has other variables than the parent.
        """
        grown = self.fill_model(model, fresh=self._settings.new_ids == "fresh")
        self._fill_optimizer(kept, grown)
        new = {table: count for table, count in self.new_values.items() if count}
        told = ", ".join(f"{count:,} of `{table}`" for table, count in new.items())
        span = self._state.manifest.span
        progress.info(
            "started from the model of %s; new values: %s",
            "an earlier run" if span is None else f"span {span}",
            told or "none",
        )

    def distillation(self, build: Callable[[], keras.Model]) -> DistillationLoss | None:
        """What keeps the model to its parent's answers; None where nothing does.

        Args:
            build: makes a model, which becomes the parent: ids that it does not know
                have the rows that stand for them.

        Raises:
            ConfigError: it has other variables than the parent.
        """
        if not self._settings.distillation.weight:
            return None
        teacher = build()
        self.fill_model(teacher, fresh=False)
        return DistillationLoss(teacher, self._settings.distillation)

    def fill_model(self, model: keras.Model, *, fresh: bool) -> dict[str, GrownRows]:
        """Puts the parent's weights into a model.

        Args:
            model: as it was made.
            fresh: whether rows of new ids keep what they are made with.

        Returns:
            Where the rows of variables that have grown come from, by name.

        Raises:
            ConfigError: the model has other variables than the parent, or fixed
                vectors of items in another space.
        """
        check_probes(self._state.probes, model, self._folder)
        layouts = row_layouts(model, self._inputs)
        skipped = told_by_data(model)
        variables = learned_variables(model)
        self._check_names(list(variables))
        found: dict[str, GrownRows] = {}
        for name, variable in variables.items():
            if id(variable) in skipped:
                continue
            value = self._state.variables[name]
            layout = layouts.get(id(variable))
            rows = layout.grown(self._tables) if layout is not None else None
            self._check_shape(name, variable, value, rows)
            if rows is not None and layout is not None:
                found[name] = rows
                value = value[rows.source]
                if layout.counts:
                    value[rows.new] = 0
                elif fresh:
                    value[rows.new] = variable.numpy()[rows.new]
            variable.assign(value)
        return found

    def _fill_optimizer(
        self, kept: KeptVariables, grown: Mapping[str, GrownRows]
    ) -> None:
        manifest = self._state.manifest
        old: dict[str, dict[str, Array]] = {}
        for known, value in zip(manifest.slots, self._state.slots, strict=True):
            old.setdefault(known.of, {})[known.kind] = value
        anew = 0
        for slot in kept.slots():
            start = slot.variable.numpy()
            before = in_form_of(slot.kind, start.shape, old.get(slot.of, {}), manifest)
            rows = grown.get(slot.of)
            if before is not None and rows is not None:
                before = before[rows.source]
                before[rows.new] = start[rows.new]
            if before is None or before.shape != start.shape:
                anew += 1
                continue
            slot.variable.assign(before)
        if anew:
            progress.warning(
                "the optimizer is another than the parent's: it begins anew for %d "
                "of its variables",
                anew,
            )
        if old and not anew:
            innermost(kept.optimizer).iterations.assign(manifest.steps)

    def _check_names(self, names: Sequence[str]) -> None:
        known = list(self._state.variables)
        if list(names) == known:
            return
        odd = sorted(set(names) ^ set(known)) or names
        raise ConfigError(
            "The model to start from has other weights: they differ in "
            f"{', '.join(f'`{name}`' for name in odd[:3])}.",
            where=str(self._folder),
            fix=COLD,
        )

    def _check_shape(
        self, name: str, variable: keras.Variable, value: Array, rows: GrownRows | None
    ) -> None:
        wanted = tuple(variable.shape)
        if rows is not None:
            wanted = (rows.old_rows, *wanted[1:])
        if value.shape != wanted:
            raise ConfigError(
                f"The weights `{name}` of the model to start from are of shape "
                f"{list(value.shape)}, where {list(wanted)} is wanted.",
                where=str(self._folder),
                fix=COLD,
            )


def learned_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """A model's variables that a later training takes over, by name, in their order.

    Left out are those that item tables fill, and the states of random generators.
    """
    found = [v for v in changing_variables(model) if v.name != "seed_generator_state"]
    return dict(zip(variable_names(found), found, strict=True))
