"""Reads plan and rows, searches, writes the new plan."""

import functools
import json
import logging
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from clickwright.components.discretizer.encodings import encoding_of
from clickwright.components.discretizer.rules import GIVEN
from clickwright.components.encoder_search import spec as keys
from clickwright.components.encoder_search.found import Found
from clickwright.components.encoder_search.params import USUAL_EPOCHS, SearchParams
from clickwright.components.encoder_search.rung import planned_epochs, rungs
from clickwright.components.encoder_search.search import search
from clickwright.components.encoder_search.trial import (
    Assignment,
    Trial,
    TrialResult,
)
from clickwright.components.encoder_search.trial_store import TrialStore
from clickwright.components.encoder_search.trial_trainer import TrialTrainer
from clickwright.components.hyperparameters import (
    read_hyperparameters,
    write_hyperparameters,
)
from clickwright.models import registry
from clickwright.models.preprocessing import SAMPLE_WEIGHT
from clickwright.models.training.data import example_files, read_examples
from clickwright.models.training.fingerprint import fingerprint
from clickwright.models.training.params import INDIFFERENT, TrainingParams
from clickwright.models.training.placement import check_device
from clickwright.models.training.trainer_inputs import HYPERPARAMETER, vocabulary_sizes
from clickwright.schemas import strict_yaml
from clickwright.schemas.discretization_plan import DiscretizationPlan
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.model_input import ModelInput
from clickwright.schemas.numeric_encoding import NumericEncoding
from clickwright.schemas.spec import SPLITS, FeatureSpec

progress = logging.getLogger("clickwright.progress")

Table = Mapping[str, Mapping[str, tuple[NumericEncoding, dict[str, str]]]]
"""Encodings and the reasons for their settings, by field and name of the encoder."""
_SETTINGS = {
    "buckets": ("buckets",),
    "piecewise_linear": ("buckets",),
    "autodis": ("meta_embeddings", "temperature"),
}
"""Settings of encoders that a feature spec may give."""
_OF_THE_FIELD = frozenset({"scaling", "missing", "non_finite"})
"""Decisions that stand whatever the encoder."""


class Executor(base_executor.BaseExecutor):
    """Searches the encoders of the fields with `encoder: auto`."""

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Searches, and writes the plan twice: as a plan and as hyperparameters.

        Args:
            input_dict: `examples`, `transform_graph` and `rules`, one artifact each;
                `given`, hyperparameters to hand on, one, none, or absent.
            output_dict: `plan` and `hyperparameters`, one artifact each.
            exec_properties: as in `EncoderSearchSpec`.

        Raises:
            ConfigError: the plan is of another spec, a parameter is not valid, the
                budget is too small for a batch, or the training diverges with every
                encoder.
            DataError: a split cannot be learned from, or a file is damaged.
            MachineError: finished trials cannot be written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        spec = FeatureSpec.model_validate_json(exec_properties[keys.SPEC_KEY])
        examples = artifact_utils.get_single_instance(input_dict[keys.EXAMPLES_KEY])
        plan = searched(
            plan=DiscretizationPlan.read(
                pathlib.Path(artifact_utils.get_single_uri(input_dict[keys.RULES_KEY]))
            ),
            spec=spec,
            model=json.loads(exec_properties[keys.MODEL_KEY]),
            training=json.loads(exec_properties[keys.TRAINING_KEY]),
            params=strict_yaml.parse(
                SearchParams, json.loads(exec_properties[keys.SEARCH_KEY]), "search"
            ),
            files=[
                example_files([f"{artifact_utils.get_split_uri([examples], split)}/*"])
                for split in SPLITS[:2]
            ],
            transform_graph=pathlib.Path(
                artifact_utils.get_single_uri(input_dict[keys.TRANSFORM_GRAPH_KEY])
            ),
            checkpoint_dir=exec_properties.get(keys.CHECKPOINT_DIR_KEY),
        )
        plan.write(
            pathlib.Path(artifact_utils.get_single_uri(output_dict[keys.PLAN_KEY]))
        )
        hyperparameters = {
            **read_hyperparameters(input_dict.get(keys.GIVEN_KEY, [])),
            HYPERPARAMETER: plan.model_dump(mode="json"),
        }
        write_hyperparameters(output_dict[keys.HYPERPARAMETERS_KEY], hyperparameters)


def searched(
    *,
    plan: DiscretizationPlan,
    spec: FeatureSpec,
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    params: SearchParams,
    files: Sequence[Sequence[pathlib.Path]],
    transform_graph: pathlib.Path,
    checkpoint_dir: str | None,
) -> DiscretizationPlan:
    """The plan with the encoders that a search has found.

    Trials leave out what item tables hold: it is the same for all of them, and they
    are many.

    Args:
        plan: what the rules say.
        spec: the feature spec.
        model: `{"name": ..., "params": {...}}`.
        training: fields of `TrainingParams`.
        params: how to search.
        files: transformed examples of the training and of the validation split.
        transform_graph: folder of the transform graph.
        checkpoint_dir: where finished trials are kept; None for nowhere.
    """
    plan.check(spec)
    # A run that goes on from another has that one's plan, and so its encoders.
    fields = [
        name
        for name, feature in spec.numeric_features().items()
        if feature.encoder == "auto" and plan.fields[name].search is None
    ]
    if not fields:
        return plan
    trained = strict_yaml.parse(TrainingParams, dict(training), "training")
    check_device(trained)
    model_params = registry.parse_params(model["name"], model.get("params") or {})
    table = _encodings(fields, plan, spec, params)
    candidates = _candidates(fields, plan, params)
    epochs = min(params.epochs, trained.epochs)
    rows, budget = _limits(plan, trained, params, len(fields), len(candidates))

    state: pathlib.Path | None = None
    if checkpoint_dir is not None:
        settings = {
            "spec": spec.model_dump(mode="json"),
            "model": {
                "name": model["name"],
                "params": model_params.model_dump(mode="json"),
            },
            "training": trained.model_dump(mode="json", exclude=set(INDIFFERENT)),
            "plan": plan.model_dump(mode="json"),
            "rows": rows,
        }
        digest = fingerprint(settings, [*files[0], *files[1]], transform_graph)
        state = pathlib.Path(checkpoint_dir) / f"encoder-search-{digest}"

    sizes = vocabulary_sizes(spec, tft.TFTransformOutput(str(transform_graph)))
    sizes |= dict.fromkeys(spec.item_features(), 0)

    def inputs(encodings: Mapping[str, NumericEncoding]) -> tuple[ModelInput, ...]:
        return tuple(i for i in spec.model_inputs(sizes, encodings) if i.is_tensor)

    read = functools.partial(
        read_examples,
        inputs=inputs(plan.encodings()),
        label=spec.label,
        weight=SAMPLE_WEIGHT if spec.weight else None,
        max_rows=rows,
        cache=trained.cache,
        cache_directory=state / "rows" if state else None,
    )
    trainer = TrialTrainer(
        model["name"],
        model_params,
        trained,
        lambda encoders: inputs(
            {
                **plan.encodings(),
                **{
                    name: table[name][encoder][0]
                    for name, encoder in zip(fields, encoders, strict=True)
                },
            },
        ),
        read(
            files[0],
            split=SPLITS[0],
            negative_sampling_rate=trained.negative_sampling_rate,
        ),
        read(files[1], split=SPLITS[1]),
    )
    found = search(
        fields,
        candidates,
        params,
        _kept(trainer, TrialStore(state), plan.encodings(), fields),
        seed=trained.seed,
        epochs=epochs,
        budget=budget,
    )
    if state is not None:
        shutil.rmtree(state, ignore_errors=True)
    chosen = ", ".join(map("{} {}".format, fields, found.encoders))
    progress.info(
        "searched",
        extra={"detail": f"{chosen}; {found.trials} trials", "fraction": 1.0},
    )
    return _with(plan, spec, fields, found, table)


def _encodings(
    fields: Sequence[str],
    plan: DiscretizationPlan,
    spec: FeatureSpec,
    params: SearchParams,
) -> Table:
    """The encodings in question, with the settings that the rules give them."""
    features = spec.numeric_features()
    return {
        name: {
            kind: encoding_of(
                kind,
                features[name],
                plan.fields[name].statistics,
                plan.fields[name].scaling,
            )
            for kind in (*params.encoders, plan.fields[name].encoding.kind)
        }
        for name in fields
    }


def _candidates(
    fields: Sequence[str], plan: DiscretizationPlan, params: SearchParams
) -> list[Assignment]:
    """Each encoder for all fields, then what the rules say, if that is another."""
    rules = tuple(plan.fields[name].encoding.kind for name in fields)
    uniform = [(encoder,) * len(fields) for encoder in params.encoders]
    return list(dict.fromkeys([*uniform, rules]))


def _limits(
    plan: DiscretizationPlan,
    training: TrainingParams,
    params: SearchParams,
    fields: int,
    candidates: int,
) -> tuple[int, int]:
    """Rows of a trial, and the most epochs that all trials may take."""
    rows = max(field.statistics.rows for field in plan.fields.values())
    rows = min(rows, training.max_train_rows or rows)
    once = rows * min(training.epochs, USUAL_EPOCHS) * training.seeds
    visits = int(params.budget * once)
    epochs = min(params.epochs, training.epochs)
    halving = planned_epochs(rungs(candidates, params, epochs))
    mixing = (fields + params.seeds) * epochs if fields > 1 else 0
    # Room to mix is worth rows, but not more than half of them, nor a whole batch.
    alone = visits // halving
    least = min(alone, max(alone // 2, training.batch_size))
    rows = min(rows, params.max_rows, max(visits // (halving + mixing), least))
    if rows < training.batch_size:
        raise ConfigError(
            f"Trials would train {rows:,} rows, fewer than a batch of "
            f"{training.batch_size:,}: {candidates} candidates, {params.seeds} seeds "
            f"and {epochs} epochs within {params.budget:g} trainings.",
            where="encoder search",
            fix="raise `budget` or `max_rows`, or compare fewer `encoders`",
        )
    return rows, visits // rows


def _kept(
    trainer: TrialTrainer,
    store: TrialStore,
    rules: Mapping[str, NumericEncoding],
    fields: Sequence[str],
) -> Callable[[Trial], TrialResult]:
    """Trains each trial that the store has not; says so."""
    own = tuple(rules[name].kind for name in fields)
    asked = 0

    def train(trial: Trial) -> TrialResult:
        nonlocal asked
        asked += 1
        result = store.get(trial)
        if result is not None:
            return result
        kinds = dict.fromkeys(trial.encoders)
        name = next(iter(kinds)) if len(kinds) == 1 else "mixed"
        if len(kinds) > 1 and trial.encoders == own:
            name = "rules"
        title = f"trial {asked}, {name}, seed {trial.seed}"
        progress.info("searching", extra={"detail": title})
        result = trainer(trial, title)
        store.add(trial, result)
        return result

    return train


def _with(
    plan: DiscretizationPlan,
    spec: FeatureSpec,
    fields: Sequence[str],
    found: Found,
    table: Table,
) -> DiscretizationPlan:
    changed = dict(plan.fields)
    for name, encoder in zip(fields, found.encoders, strict=True):
        feature, field = spec.numeric_features()[name], plan.fields[name]
        encoding, why = table[name][encoder]
        stated = {
            setting: GIVEN
            for setting in _SETTINGS.get(encoder, ())
            if getattr(feature, setting, None) is not None
            or getattr(feature.autodis, setting, None) is not None
        }
        # Reasons for the settings of the rules' encoder are none for the winner's.
        kept = {k: v for k, v in field.reasons.items() if k in _OF_THE_FIELD}
        changed[name] = field.model_copy(
            update={
                "encoding": encoding,
                "reasons": {**kept, **why, **stated, "encoder": found.reasons[name]},
                "given": (
                    *(g for g in field.given if g in _OF_THE_FIELD),
                    *stated,
                ),
                "search": found.searches[name],
            }
        )
    return plan.model_copy(update={"fields": changed})
