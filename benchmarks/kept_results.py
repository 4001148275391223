"""Results of trainings, kept so that a run that was cut off goes on."""

import abc
import pathlib
from typing import Generic, TypeVar

from clickwright.schemas.strict_yaml import StrictModel


class Kept(StrictModel, abc.ABC):
    """What a training came to."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Names its file; depends on all that the training depends on."""


K = TypeVar("K", bound=Kept)


class KeptResults(Generic[K]):
    """Results in a folder, one file each.

    Args:
        folder: where they are; made when the first is kept.
        kind: the class of the results.
    """

    def __init__(self, folder: pathlib.Path, kind: type[K]) -> None:
        self._folder = folder
        self._kind = kind

    def find(self, name: str) -> K | None:
        """What was kept under that name."""
        try:
            return self._kind.model_validate_json(self._path(name).read_bytes())
        except FileNotFoundError:
            return None

    def keep(self, result: K) -> None:
        """Writes a result, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(result.name)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(result.model_dump_json(indent=1) + "\n")
        unfinished.replace(path)

    def _path(self, name: str) -> pathlib.Path:
        return self._folder / f"{name}.json"
