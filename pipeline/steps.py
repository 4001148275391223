"""The components of the DAG, what each depends on, and which need not run again.

A component's signature covers everything that its result depends on and that is
known before any work. What ML Metadata decides later (a newer blessed model, earlier
data to compare with) is not in it: `WAITS_FOR` names these.
"""

import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping

from clickwright.pipeline.config import LoadedConfig

_UPSTREAM: dict[str, tuple[str, ...]] = {
    "LogExampleGen": (),
    "ImportSchemaGen": (),
    "StatisticsGen": ("LogExampleGen", "ImportSchemaGen"),
    "PreviousStatistics": ("StatisticsGen",),
    "DataValidator": ("StatisticsGen", "ImportSchemaGen"),
    "Discretizer": (
        "LogExampleGen",
        "StatisticsGen",
        "ImportSchemaGen",
        "DataValidator",
    ),
    "SpecTransform": (
        "LogExampleGen",
        "ImportSchemaGen",
        "DataValidator",
        "Discretizer",
    ),
    "ItemTableGen": ("SpecTransform",),
    "EncoderSearch": ("SpecTransform", "ItemTableGen", "Discretizer"),
    "Tuner": ("SpecTransform", "ItemTableGen", "EncoderSearch"),
    "Trainer": ("SpecTransform", "ItemTableGen", "EncoderSearch", "Tuner"),
    "PreviousReport": ("LogExampleGen",),
    "NumericInspector": ("LogExampleGen", "EncoderSearch", "Trainer"),
    "LatestBlessedModel": ("Trainer",),
    "ModelEvaluator": ("LogExampleGen", "Trainer"),
    "ServingValidator": ("Trainer", "ModelEvaluator"),
    "Publisher": ("Trainer", "ModelEvaluator", "ServingValidator"),
    "ExperimentGen": ("LogExampleGen", "Trainer", "ModelEvaluator", "Publisher"),
}
_NUMERIC = ("Discretizer", "PreviousReport", "NumericInspector")
WAITS_FOR = {
    "DataValidator": "runs again when other data were ingested in between",
    "NumericInspector": "runs again when other data were inspected in between",
    "ModelEvaluator": "runs again when another model was blessed in between",
    "ServingValidator": "runs again when ModelEvaluator does",
    "Publisher": "runs again when ModelEvaluator does",
    "ExperimentGen": "runs again when ModelEvaluator does",
}
RESOLVERS = (
    "PreviousStatistics",
    "PreviousReport",
    "LatestBlessedModel",
    "WarmStartModel",
)


def upstream(config: LoadedConfig) -> dict[str, tuple[str, ...]]:
    """The components of a run, and what each waits for, in the order of the DAG.

    What is for numeric features or for item tables is there where the spec has such
    features, the search where a numeric feature asks for it, the tuner and the
    experiment where the run has one.
    """
    found = {n: u for n, u in _UPSTREAM.items() if config.numeric or n not in _NUMERIC}
    if not config.spec.item_features():
        del found["ItemTableGen"]
    if not config.run.serving.enabled:
        del found["ServingValidator"]
    if config.experiment is None:
        del found["ExperimentGen"]
    if config.tuner is None:
        del found["Tuner"]
    if config.search is None:
        del found["EncoderSearch"]
        if config.numeric:  # inspects by the plan of the rules
            found["NumericInspector"] = ("LogExampleGen", "Discretizer", "Trainer")
    # What the Trainer is to get is handed on, from one to the next.
    given = [n for n in ("ItemTableGen", "EncoderSearch", "Tuner") if n in found]
    for name in ("Tuner", "Trainer"):
        if name in found:
            before = [n for n in given if n != name]
            found[name] = ("SpecTransform", *before[-1:])
    return {n: tuple(u for u in before if u in found) for n, before in found.items()}


def signatures(
    config: LoadedConfig,
    input_fingerprint: str,
    item_fingerprints: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Digest of what each component's result depends on.

    Args:
        config: the run's configuration.
        input_fingerprint: digest of the log.
        item_fingerprints: digest of the item data by entity, where there are any.
    """
    run, spec = config.run, config.spec.model_dump_json()
    own: dict[str, object] = {
        "LogExampleGen": [input_fingerprint, run.data.format, spec],
        "ImportSchemaGen": spec,
        "SpecTransform": spec,
        "Discretizer": spec,
        "ItemTableGen": [spec, item_fingerprints],
        "EncoderSearch": [
            run.model.model_dump(),
            run.training,
            config.search and config.search.model_dump(mode="json"),
        ],
        "Tuner": [
            run.model.model_dump(),
            run.training,
            config.tuner and config.tuner.model_dump(mode="json"),
        ],
        "Trainer": [
            run.model.model_dump(),
            run.training,
            run.export,
            run.incremental and run.incremental.model_dump(),
        ],
        "ModelEvaluator": [
            run.evaluation.model_dump(),
            config.off_policy and config.off_policy.fingerprint(),
        ],
        "ServingValidator": run.serving.model_dump(),
        "Publisher": [config.serving_name, run.publish.model_dump()],
        "ExperimentGen": config.experiment and dict(config.experiment.content),
    }
    found: dict[str, str] = {}
    for name, before in upstream(config).items():
        parts = [run.name, name, own.get(name), *(found[u] for u in before)]
        content = json.dumps(parts, sort_keys=True).encode()
        found[name] = hashlib.sha256(content).hexdigest()[:16]
    return found


def read_finished(path: pathlib.Path) -> dict[str, list[str]]:
    """Signatures under which each component ended well before, newest last."""
    if not path.exists():
        return {}
    return {k: list(v) for k, v in json.loads(path.read_text("utf-8")).items()}


def with_finished(
    before: dict[str, list[str]], current: dict[str, str], nodes: Iterable[str]
) -> dict[str, list[str]]:
    """Adds the components that ended well now to those of before."""
    after = {name: list(known) for name, known in before.items()}
    for name in nodes:
        if name in current:
            known = [s for s in after.get(name, []) if s != current[name]]
            after[name] = [*known, current[name]]
    return after
