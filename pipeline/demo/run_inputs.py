"""What the demo's A/B test takes from the run before it."""

import dataclasses
import pathlib

from clickwright.pipeline.config import LoadedConfig
from clickwright.pipeline.paths import RunPaths
from clickwright.schemas.errors import ConfigError
from clickwright.schemas.marketplace.source import MarketplaceOptions

_DEFINITIONS = "ExperimentGen/experiment/*/experiment.yaml"
"""Below the artifacts; its component names it too, but takes TFX to import."""


@dataclasses.dataclass(frozen=True)
class RunInputs:
    """A run that put a version on trial.

    Attributes:
        name: of the run.
        definition: YAML of the experiment, beside the lineage of its arms.
        root: the serving root.
        shop: the shop that the models were trained on.
        out: the output folder.
    """

    name: str
    definition: pathlib.Path
    root: pathlib.Path
    shop: MarketplaceOptions
    out: pathlib.Path


def run_inputs(config: pathlib.Path, out: pathlib.Path | None) -> RunInputs:
    """Finds what a run left behind.

    Args:
        config: its YAML.
        out: its folder; `out/<name>` when None.

    Raises:
        ConfigError: it has no experiment, another data set, or did not define one.
    """
    loaded = LoadedConfig(config)
    options = loaded.source.options if loaded.source is not None else None
    if not isinstance(options, MarketplaceOptions):
        raise ConfigError(
            "The shoppers of the `marketplace` can be simulated, no others. Received: "
            f"`{loaded.run.data.dataset or loaded.run.data.spec}`.",
            where=f"{config}: data",
            fix="give a configuration with `dataset: marketplace`",
        )
    paths = RunPaths((out or pathlib.Path("out") / loaded.run.name).resolve())
    found = sorted(
        paths.artifacts.glob(_DEFINITIONS), key=lambda path: path.stat().st_mtime
    )
    if loaded.experiment is None or not found:
        raise ConfigError(
            "No run has defined an experiment here.",
            where=str(paths.out),
            fix="say `experiment` and `publish: {label: canary}` in the configuration, "
            "and run it after one whose model is stable",
        )
    return RunInputs(
        loaded.run.name,
        found[-1],
        pathlib.Path(paths.serving_root(loaded.run.publish.directory)),
        options,
        paths.out,
    )
