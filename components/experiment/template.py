"""A definition of an experiment that waits for the version to be tried."""

import dataclasses
import datetime
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from clickwright.schemas.experiment import Experiment
from clickwright.schemas.strict_yaml import parse, read_yaml

VERSION = "{version}"
"""Stands in the template's texts for the version."""

_OFFSET = re.compile(r"\+([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class ExperimentTemplate:
    """An experiment's definition with two freedoms.

    Its texts may hold `{version}`, so that each version is tried in an experiment of
    its own, and its times may count from the publication: `+0h`, `+14d`.

    Attributes:
        content: what the YAML file holds.
        where: names the file in every message.
    """

    content: Mapping[str, Any]
    where: str = "template"

    @classmethod
    def read(cls, path: pathlib.Path) -> "ExperimentTemplate":
        """Reads a template, and makes sure that it gives a definition.

        Raises:
            ConfigError: it breaks a rule of definitions.
        """
        template = cls(read_yaml(path), str(path))
        template.filled(0, _DAY)
        return template

    def filled(self, version: int, at: datetime.datetime) -> Experiment:
        """Returns the definition for a version.

        Args:
            version: the version that was published.
            at: when that was, aware of its time zone.

        Raises:
            ConfigError: it breaks a rule of definitions.
        """
        content = {
            name: _with_version(value, version) for name, value in self.content.items()
        }
        for name in ("start", "end"):
            if name in content:
                content[name] = _time(content[name], at)
        if isinstance(content.get("ramp"), list):
            content["ramp"] = [
                {**step, "at": _time(step["at"], at)}
                if isinstance(step, dict) and "at" in step
                else step
                for step in content["ramp"]
            ]
        return parse(Experiment, content, self.where)


def _with_version(value: Any, version: int) -> Any:
    if isinstance(value, str):
        return value.replace(VERSION, str(version))
    if isinstance(value, dict):
        return {name: _with_version(below, version) for name, below in value.items()}
    if isinstance(value, list):
        return [_with_version(below, version) for below in value]
    return value


def _time(value: Any, at: datetime.datetime) -> Any:
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    after = datetime.timedelta(**{_UNITS[match[2]]: int(match[1])})
    return (at + after).isoformat()
