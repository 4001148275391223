"""Which versions of a model are to be served."""

from collections.abc import Collection
from typing import Any


def wanted(policy: Any, found: Collection[int], failed: Collection[int]) -> set[int]:
    """Chooses among the versions on the disk.

    Args:
        policy: `FileSystemStoragePathSourceConfig.ServableVersionPolicy`; without a
            choice it is the latest version.
        found: the versions on the disk.
        failed: those that do not load. They stay wanted, for they may be mended; of
            the latest ones, the next older version stands in for each.

    Returns:
        The versions that are to be loaded, and no others.
    """
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return set(found)
    if kind == "specific":
        return set(policy.specific.versions) & set(found)
    left = max(policy.latest.num_versions, 1)
    chosen = set()
    for version in sorted(found, reverse=True):
        if not left:
            break
        chosen.add(version)
        left -= version not in failed
    return chosen
