"""YAML into contracts: what is refused, and how it is said."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from clickwright.schemas.errors import ConfigError
from clickwright.schemas.strict_yaml import StrictModel, load, parse, read_yaml


class Leaf(StrictModel):
    size: int
    share: float = 0.5
    name: str = ""
    parts: tuple[str, ...] = ()


class Tree(StrictModel):
    leaf: Leaf
    leaves: dict[str, Leaf] = Field(default_factory=dict)


Write = Callable[[str], pathlib.Path]


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    def write(text: str) -> pathlib.Path:
        path = tmp_path / "file.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # What YAML 1.1 would make something else of.
        ("no", "no"),
        ("NO", "NO"),
        ("on", "on"),
        ("2020-01-01", "2020-01-01"),
        ("2020-13-45", "2020-13-45"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("0x1f", "0x1f"),
        ("1e-3", 0.001),
        ("12E5", 1_200_000.0),
        # What both read alike.
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'7'", "7"),
        ("7", 7),
        ("-7", -7),
        ("1_000_000", 1_000_000),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", float("-inf")),
        ("1.2.3", "1.2.3"),
        ("12e", "12e"),
        ("e5", "e5"),
    ],
)
def test_scalars_are_those_of_the_core_schema(
    write: Write, text: str, value: Any
) -> None:
    content = read_yaml(write(f"key: {text}\n"))["key"]

    assert content == value
    assert type(content) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: Not valid YAML: found the duplicate"),
        ("x: {a: 1, a: 1}\n", "line 1, column 11: Not valid YAML: found the duplicate"),
        ("1: a\n", "the key `1` is not text: put it in quotes"),
        ("? [a, b]\n: 1\n", "the key `['a', 'b']` is not text"),
        ("a: &x [*x]\n", "aliases are not allowed"),
        ("a: &x 1\nb: *x\n", "line 2, column 4: Not valid YAML: aliases"),
        ("a: !!python/object:os.system 1\n", "could not determine a constructor"),
        ("a: !!set {x}\n", "could not determine a constructor"),
        ("a: !!timestamp 2020-01-01\n", "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "found another document"),
        ("a:\n\t- b\n", "line 2, column 1: Not valid YAML: found character '\\t'"),
        ("a: [1\n", "Not valid YAML"),
        ("[" * 500, "recursion"),
        ("a: " + "9" * 5000, "integer string conversion"),
        ("", "must hold a mapping. Received: NoneType"),
        ("- a\n", "must hold a mapping. Received: list"),
    ],
)
def test_a_file_that_is_not_one_plain_mapping_is_refused(
    write: Write, text: str, message: str
) -> None:
    path = write(text)

    with pytest.raises(ConfigError) as caught:
        read_yaml(path)

    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert caught.value.fix


def test_a_file_that_is_absent_or_not_text_is_refused(tmp_path: pathlib.Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (tmp_path / "absent.yaml", tmp_path, binary):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            read_yaml(path)
        assert caught.value.where == str(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab: -[]{}&*!?|>'\"\n\t#0.e%@,~<="), max_size=40)
)
def test_no_text_escapes_as_another_error(write: Write, text: str) -> None:
    path = write(text)

    try:
        content = read_yaml(path)
    except ConfigError as error:
        assert str(path) in str(error)
    else:
        assert isinstance(content, dict)


@settings(deadline=None)
@given(
    st.builds(
        Leaf,
        size=st.integers(-(10**18), 10**18),
        share=st.floats(allow_nan=False, allow_infinity=False),
        name=st.text(),
        parts=st.lists(st.text()).map(tuple),
    )
)
def test_what_a_yaml_library_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, leaf: Leaf
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "leaf.yaml"
    path.write_text(yaml.safe_dump(leaf.model_dump(mode="json")), encoding="utf-8")

    assert load(Leaf, path) == leaf


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "`leaf`: the key is missing."),
        ({"leaf": {}}, "`leaf.size`: the key is missing."),
        ({"leaf": None}, "`leaf`: must be a mapping. Received: None."),
        (
            {"leaf": {"size": 1, "shape": 2}},
            (
                "`leaf.shape`: unknown key. Did you mean `share`? "
                "Known keys: name, parts, share, size."
            ),
        ),
        (
            {"leaf": {"size": "1"}},
            "`leaf.size`: Input should be a valid integer. Received: '1'.",
        ),
        (
            {"leaf": {"size": True}},
            "`leaf.size`: Input should be a valid integer. Received: True.",
        ),
        (
            {"leaf": {"size": 1, "name": 5}},
            "`leaf.name`: Input should be a valid string. Received: 5.",
        ),
        (
            {"leaf": {"size": 1, "share": float("nan")}},
            "`leaf.share`: Input should be a finite number. Received: nan.",
        ),
        (
            {"leaf": {"size": 1, "parts": "a"}},
            "`leaf.parts`: must be a list. Received: 'a'.",
        ),
        (
            {"leaf": {"size": 1}, "leaves": {"x": {"sise": 2}}},
            (
                "`leaves.x.sise`: unknown key. Did you mean `size`? "
                "Known keys: name, parts, share, size."
            ),
        ),
    ],
)
def test_an_error_names_file_field_rule_and_value(content: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Tree, content, "some.yaml")

    assert message in str(caught.value)
    assert str(caught.value).startswith("some.yaml: ")
    assert "Fix: change the fields named above" in str(caught.value)


def test_every_broken_field_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Leaf, {"size": "a", "share": "b"}, "some.yaml")

    assert "`size`" in str(caught.value)
    assert "`share`" in str(caught.value)
