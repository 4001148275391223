"""The boards that come with the product, and presets taken from them.

Importing this module imports no Keras, as configurations are checked with it.
"""

import functools
import pathlib

from clickwright.models.published.published_board import PublishedBoard
from clickwright.models.published.published_run import PublishedRun
from clickwright.schemas import strict_yaml
from clickwright.schemas.errors import ConfigError, did_you_mean

_FOLDER = pathlib.Path(__file__).parent


@functools.cache
def board_names() -> tuple[str, ...]:
    """Names of the boards, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@functools.cache
def load_board(name: str, where: str = "") -> PublishedBoard:
    """Reads the board of a data set.

    Args:
        name: name of the board.
        where: names the file or option in error messages.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in board_names():
        raise ConfigError(
            f"Unknown board `{name}`.{did_you_mean(name, board_names())}",
            where=where,
            fix=f"use one of {', '.join(board_names())}",
        )
    return strict_yaml.load(PublishedBoard, _FOLDER / f"{name}.yaml")


def presets(model: str) -> tuple[str, ...]:
    """Names of the boards that have settings for a model."""
    return tuple(
        name
        for name in board_names()
        if any(run.model == model for run in load_board(name).runs.values())
    )


def preset(model: str, name: str, where: str = "model.preset") -> PublishedRun:
    """The settings of a model on a board, the board's own training included.

    Of several runs of one model the first in the file counts.

    Args:
        model: a registered model.
        name: name of the board.
        where: names the file or field in error messages.

    Raises:
        ConfigError: there is no such board, or it has no run of that model.
    """
    known = presets(model)
    if name not in known:
        fix = f"use one of {', '.join(known)}" if known else "leave `preset` out"
        raise ConfigError(
            f"Unknown preset `{name}` of the model `{model}`."
            f"{did_you_mean(name, known)}",
            where=where,
            fix=fix,
        )
    board = load_board(name)
    run = next(run for run in board.runs.values() if run.model == model)
    return run.model_copy(update={"training": {**board.training, **run.training}})
