"""YAML into frozen pydantic models, with errors a person can act on."""

import json
import pathlib
import re
from collections.abc import Hashable, Iterator
from typing import Any, TypeVar

import pydantic
import yaml

from clickwright.schemas.errors import ConfigError, did_you_mean

_Model = TypeVar("_Model", bound=pydantic.BaseModel)


class StrictModel(pydantic.BaseModel):
    """Base of every contract: frozen, unknown keys refused, no silent casts."""

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def read_yaml(path: pathlib.Path) -> dict[str, Any]:
    """Reads one YAML mapping; refuses duplicate keys, aliases, tags, more documents.

    Scalars are those of YAML 1.2's core schema: `no` and `2020-01-01` are text, `1e-3`
    is a number.

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
        content = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where, problem = str(path), " ".join(str(error).split())
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            mark = error.problem_mark
            where = f"{path}, line {mark.line + 1}, column {mark.column + 1}"
            problem = error.problem or problem
        raise ConfigError(
            f"Not valid YAML: {problem}.", where=where, fix="mend that line"
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
        raise ConfigError(
            " ".join(_descriptions(model, error)),
            where=where,
            fix="change the fields named above",
        ) from error


def load(model: type[_Model], path: pathlib.Path) -> _Model:
    """Reads and validates one YAML file."""
    return parse(model, read_yaml(path), str(path))


def _descriptions(
    model: type[pydantic.BaseModel], error: pydantic.ValidationError
) -> Iterator[str]:
    """One sentence a broken rule: the field, the rule, the value received."""
    schema = model.model_json_schema()
    items = error.errors(include_url=False)
    parents = {item["loc"][:end] for item in items for end in range(len(item["loc"]))}
    for item in items:
        if item["type"] == "too_short" and item["loc"] in parents:
            continue  # pydantic does not count the entries that it refused
        yield _describe(schema, item)


def _describe(schema: dict[str, Any], item: Any) -> str:
    *parents, last = [str(part) for part in item["loc"]] or [""]
    shown, node = [], schema
    for part in parents:
        # The tag of a discriminated union stands in the path; it is no key of the file.
        tagged = part in _tags(schema, node)
        node = _child(schema, node, part)
        if not tagged:
            shown.append(part)
    if last not in _tags(schema, node) and last != "[key]":
        shown.append(last)
    context, received = item.get("ctx", {}), f" Received: {item['input']!r:.200}."
    match item["type"]:
        case "extra_forbidden":
            known = sorted(_keys(schema, node))
            rule = f"unknown key.{did_you_mean(last, known)}"
            received = f" Known keys: {', '.join(known)}."
        case "union_tag_not_found" | "union_tag_invalid":
            shown.append(context["discriminator"].strip("'"))
            known = sorted(_tags(schema, _child(schema, node, last)))
            tag = context.get("tag")
            rule = f"must be one of {', '.join(known)}."
            if tag is not None:
                rule += did_you_mean(tag, known)
            received = (
                f" Received: {tag!r}." if tag is not None else " Received: no key."
            )
        case "missing":
            rule, received = "the key is missing", ""
        case "literal_error":
            rule = f"must be one of {context['expected']}."
            rule += did_you_mean(str(item["input"]), context["expected"].split("'"))
        case "too_short":
            rule = f"must hold at least {context['min_length']}"
        case _:
            rule = _RULES.get(item["type"], item["msg"].removeprefix("Value error, "))
            if item["type"] == "value_error" and isinstance(item["input"], dict):
                received = ""  # a rule between fields: the message names their values
    field = f"`{'.'.join(shown)}`: " if any(shown) else ""
    return f"{field}{rule}{'' if rule.endswith(('?', '.')) else '.'}{received}"


_RULES = {
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_pattern_mismatch": "must be a letter, then letters, digits or `_`",
}
"""The rules that pydantic states in words of JSON or Python, in words of YAML."""


def _tags(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The tags of a discriminated union, which may be one of several options."""
    node = _resolve(schema, node)
    for option in (node, *node.get("anyOf", [])):
        mapping: dict[str, Any] = option.get("discriminator", {}).get("mapping", {})
        if mapping:
            return mapping
    return {}


def _keys(schema: dict[str, Any], node: dict[str, Any]) -> set[str]:
    """The keys of a mapping, which may be one of several options."""
    node = _resolve(schema, node)
    options = (_resolve(schema, option) for option in node.get("anyOf", []))
    return {key for found in (node, *options) for key in found.get("properties", {})}


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


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader without the traps of YAML 1.1.

    A key written twice is an error instead of a last one wins, keys are text, and
    aliases, which can grow a small file beyond any memory, are refused.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, "aliases are not allowed", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            problem = ""
            if not isinstance(key, str):
                problem = f"the key `{key}` is not text: put it in quotes"
            elif key in seen:
                problem = f"found the duplicate key `{key}`"
            if problem:
                raise yaml.constructor.ConstructorError(
                    None, None, problem, key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.yaml_constructors = dict(yaml.SafeLoader.yaml_constructors)
# What YAML 1.1 has and JSON has not.
for _tag in ("binary", "omap", "pairs", "set", "timestamp"):
    del _StrictLoader.yaml_constructors[f"tag:yaml.org,2002:{_tag}"]
_StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    # No leading zeros: postal codes are text.
    ("int", r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?\.inf|\.nan", "-+."),
):
    _StrictLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(f"(?:{_pattern})$"),
        [*_first, ""] if _tag == "null" else list(_first),
    )
