"""YAML into frozen pydantic models, with errors a person can act on."""

import json
import pathlib
from collections.abc import Hashable
from typing import Any, TypeVar

import pydantic
import yaml

from clickwright.schemas.errors import ConfigError, did_you_mean

_Model = TypeVar("_Model", bound=pydantic.BaseModel)


class StrictModel(pydantic.BaseModel):
    """Base of every contract: frozen, unknown keys refused, no silent casts."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


def read_yaml(path: pathlib.Path) -> dict[str, Any]:
    """Reads one YAML mapping; refuses duplicate keys, tags and other documents.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file cannot be read: {error}.",
            where=str(path),
            fix="give the path of a UTF-8 YAML file",
        ) from error
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(
            f"Not valid YAML: {problem}.",
            where=str(path),
            fix="mend the line that the message names",
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"The file must hold a mapping. Received: {type(content).__name__}.",
            where=str(path),
            fix="start the file with `key: value` lines",
        )
    return content


def parse(model: type[_Model], content: object, where: str) -> _Model:
    """Validates `content` as `model`; `where` names the file in every message.

    Raises:
        ConfigError: names each bad field, the value received and the rule.
    """
    # Through JSON: YAML has no tuples, and JSON mode alone takes lists for them.
    text = json.dumps(content, default=str)
    try:
        return model.model_validate_json(text)
    except pydantic.ValidationError as error:
        lines = [_describe(model, item) for item in error.errors(include_url=False)]
        raise ConfigError(
            " ".join(lines), where=where, fix="change the fields named above"
        ) from error


def load(model: type[_Model], path: pathlib.Path) -> _Model:
    """Reads and validates one YAML file."""
    return parse(model, read_yaml(path), str(path))


def _describe(model: type[pydantic.BaseModel], item: Any) -> str:
    schema = model.model_json_schema()
    *parents, last = [str(part) for part in item["loc"]] or [""]
    shown, node = [], schema
    for part in parents:
        # The tag of a discriminated union stands in the path; it is no key of the file.
        tagged = part in _resolve(schema, node).get("discriminator", {}).get(
            "mapping", {}
        )
        node = _child(schema, node, part)
        if not tagged:
            shown.append(part)
    mapping = _resolve(schema, node).get("discriminator", {}).get("mapping", {})
    if last not in mapping:
        shown.append(last)
    field = ".".join(shown) or "(the whole file)"
    if item["type"] == "extra_forbidden":
        known = set(_resolve(schema, node).get("properties", {}))
        return (
            f"`{field}`: unknown key.{did_you_mean(last, known)} "
            f"Known keys: {', '.join(sorted(known))}."
        )
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    received = (
        "" if item["type"] == "missing" else f" Received: {item['input']!r:.200}."
    )
    if item["type"] == "value_error" and isinstance(item["input"], dict):
        received = ""  # a rule between fields: the message names their values
    end = "" if message.endswith("?") else "."
    return f"`{field}`: {message}{end}{received}"


def _child(schema: dict[str, Any], node: dict[str, Any], part: str) -> dict[str, Any]:
    """The JSON Schema below `node` for one step of an error's path."""
    node = _resolve(schema, node)
    mapping = node.get("discriminator", {}).get("mapping", {})
    if part in mapping:
        return {"$ref": mapping[part]}
    if part in node.get("properties", {}):
        return dict(node["properties"][part])
    for option in node.get("anyOf", []):
        found = _child(schema, option, part)
        if found:
            return found
    # Keys held to a pattern stand under `patternProperties`, one pattern each.
    patterns = list(node.get("patternProperties", {}).values())
    for below in (*patterns, node.get("additionalProperties"), node.get("items")):
        if isinstance(below, dict):
            return dict(below)
    return {}


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


class _UniqueKeyLoader(yaml.SafeLoader):
    """A SafeLoader for which a key written twice is an error, not a last one wins."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping",
                    node.start_mark,
                    f"found the duplicate key `{key}`",
                    key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
