"""Runs one test file under pytest, for Bazel's py_test."""

import sys
from collections.abc import Sequence

import pytest


class _Deselected:
    """Tells a file whose tests are all for another day from a file without tests."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.count += len(items)


def main(arguments: Sequence[str]) -> int:
    """Returns 0 if every test that was selected passed."""
    deselected = _Deselected()
    code = pytest.main(["-p", "no:cacheprovider", *arguments], plugins=[deselected])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED and deselected.count:
        return 0
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
