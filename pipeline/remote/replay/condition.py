"""Conditions of tasks: the part of CEL that TFX writes into a pipeline spec."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from clickwright.schemas.errors import ConfigError

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+\.\d*(?:[eE][-+]?\d+)?|\d+(?:[eE][-+]?\d+)?)
      | '(?P<single>[^']*)' | "(?P<double>[^"]*)"
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>&&|\|\||==|!=|<=|>=|[-!<>+()\[\].])
    )""",
    re.VERBOSE,
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {"true": True, "false": False, "null": None}


class Condition:
    """One condition, evaluated against what a task is given.

    Taken are literals, fields (`inputs.artifacts['model'].artifacts[0].uri`), `+`,
    comparisons, `!`, `&&`, `||` and parentheses.

    Args:
        text: the expression.
        where: the task, for messages.

    References:
        https://github.com/google/cel-spec/blob/master/doc/langdef.md
    """

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._tokens: list[tuple[str, str]] = []
        self._next = 0
        self._fields: Mapping[str, Any] = {}

    def holds(self, executor_input: Mapping[str, Any]) -> bool:
        """Whether the task is to run.

        Args:
            executor_input: an `ExecutorInput` with the proto's own field names.

        Raises:
            ConfigError: the expression is not of the part of CEL that is known here,
                names a field that is not there, or does not give true or false.
        """
        self._fields = executor_input
        self._tokens = self._split()
        self._next = 0
        result = self._any()
        if self._next < len(self._tokens):
            raise self._wrong(f"`{self._tokens[self._next][1]}` is not understood")
        if not isinstance(result, bool):
            raise self._wrong(f"it gives {result!r}, not true or false")
        return result

    def _split(self) -> list[tuple[str, str]]:
        tokens, start, text = [], 0, self._text.rstrip()
        while start < len(text):
            found = _TOKEN.match(text, start)
            if found is None or found.lastgroup is None:
                raise self._wrong(f"`{text[start:].strip()[:20]}` is not understood")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            start = found.end()
        return tokens

    # One method a level of precedence. Both sides are always read, as the rest of the
    # text comes after them.

    def _any(self) -> Any:
        value = self._all()
        while self._took("||"):
            other = self._all()
            value = self._truth(value) or self._truth(other)
        return value

    def _all(self) -> Any:
        value = self._compared()
        while self._took("&&"):
            other = self._compared()
            value = self._truth(value) and self._truth(other)
        return value

    def _compared(self) -> Any:
        value = self._sum()
        for sign, compare in _COMPARISONS.items():
            if self._took(sign):
                other = self._sum()
                try:
                    return compare(value, other)
                except TypeError:
                    raise self._wrong(
                        f"{value!r} {sign} {other!r} cannot be compared"
                    ) from None
        return value

    def _sum(self) -> Any:
        value = self._unary()
        while self._took("+"):
            other = self._unary()
            if type(value) is not type(other) or isinstance(value, bool):
                raise self._wrong(f"{value!r} + {other!r} cannot be added")
            value += other
        return value

    def _unary(self) -> Any:
        if self._took("!"):
            return not self._truth(self._unary())
        if self._took("-"):
            return -self._unary()
        return self._field()

    def _field(self) -> Any:
        value = self._primary()
        while True:
            if self._took("."):
                value = self._inside(value, self._take("name"))
            elif self._took("["):
                value = self._inside(value, self._any())
                self._expect("]")
            else:
                return value

    def _primary(self) -> Any:
        if self._took("("):
            value = self._any()
            self._expect(")")
            return value
        kind, text = self._peek()
        self._next += 1
        match kind:
            case "number":
                return float(text)  # as in a spec, where all numbers are doubles
            case "single" | "double":
                return text
            case "name" if text in _WORDS:
                return _WORDS[text]
            case "name":
                return self._inside(self._fields, text)
        raise self._wrong(f"`{text}` is not understood" if text else "it ends early")

    def _inside(self, value: Any, key: Any) -> Any:
        if isinstance(value, list) and isinstance(key, float) and key.is_integer():
            key = int(key)
        try:
            return value[key]
        except (KeyError, IndexError, TypeError):
            raise self._wrong(
                f"there is no `{key}` in what the task is given"
            ) from None

    def _truth(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._wrong(f"{value!r} is not true or false")
        return value

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", "")

    def _took(self, sign: str) -> bool:
        took = self._peek() == ("sign", sign)
        self._next += took
        return took

    def _take(self, kind: str) -> str:
        found, text = self._peek()
        if found != kind:
            raise self._wrong(f"`{text}` is not understood")
        self._next += 1
        return text

    def _expect(self, sign: str) -> None:
        if not self._took(sign):
            raise self._wrong(f"`{sign}` is missing")

    def _wrong(self, why: str) -> ConfigError:
        return ConfigError(
            f"The condition `{self._text}` cannot be evaluated: {why}.",
            where=self._where,
            fix="mend the condition in the pipeline, then compile it again",
        )
