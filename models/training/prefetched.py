"""Work ahead of whoever takes its results."""

import collections
import concurrent.futures
from collections.abc import Iterator
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_END: Any = object()


def prefetched(items: Iterator[_Item], ahead: int = 2) -> Iterator[_Item]:
    """The items in their order, made by one thread before they are asked for.

    An exception reaches the caller in place of the item that raised it. The thread
    ends with the iterator, also when that is closed or dropped early.

    Args:
        items: makes the items; used by the thread alone.
        ahead: items that may wait.
    """
    with concurrent.futures.ThreadPoolExecutor(1, "prefetch") as thread:
        waiting = collections.deque(
            thread.submit(next, items, _END) for _ in range(ahead)
        )
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, items, _END))
                yield item
        finally:
            for future in waiting:
                future.cancel()
