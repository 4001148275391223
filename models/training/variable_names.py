"""Names of variables that are the same in every process."""

import collections
import re
from collections.abc import Sequence

import keras

_NUMBER = re.compile(r"_\d+(?=[/_]|$)")


def canonical(path: str) -> str:
    """The path without the numbers that Keras gives to layers, which differ by the
    process."""
    return _NUMBER.sub("", path)


def variable_names(variables: Sequence[keras.Variable]) -> list[str]:
    """The canonical path of each; of those that share one, `#2` ... after the first."""
    seen: collections.Counter[str] = collections.Counter()
    names = []
    for variable in variables:
        name = canonical(variable.path)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names
