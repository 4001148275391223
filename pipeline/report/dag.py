"""Places the nodes of a DAG in layers, top to bottom.

The way of Sugiyama, Tagawa and Toda (1981) in its shortest form: layers by longest
path, long arrows split by bends, order within a layer by the mean of the neighbours.
"""

import graphlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 184
HEIGHT = 50
GAP_X = 16
GAP_Y = 30
SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """Where everything is, in pixels from the upper left corner."""

    width: int
    height: int
    nodes: Mapping[str, tuple[int, int]]
    """Upper left corner of each node, `WIDTH` by `HEIGHT`."""
    edges: tuple[str, ...]
    """SVG paths of the arrows, in drawing order."""


def layout(upstream: Mapping[str, Sequence[str]]) -> Layout:
    """Lays out the nodes; arrows that follow from others are left out.

    Args:
        upstream: for each node the nodes it waits for. Names that are no nodes
            themselves are passed over.

    Raises:
        graphlib.CycleError: the nodes wait for each other in a circle.
    """
    if not upstream:
        return Layout(0, 0, {}, ())
    direct = _without_shortcuts(
        {n: {u for u in ups if u in upstream} for n, ups in upstream.items()}
    )
    layer_of = _layers(direct)
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values()) + 1)]
    for name in upstream:
        layers[layer_of[name]].append(name)

    # Arrows over several layers get a bend in each: then all links join neighbours.
    links: list[tuple[str, str]] = []
    chains: list[list[str]] = []
    for name, ups in direct.items():
        for up in ups:
            chain = [up]
            for level in range(layer_of[up] + 1, layer_of[name]):
                chain.append(f"{up} -> {name} at {level}")
                layers[level].append(chain[-1])
            chain.append(name)
            chains.append(chain)
            links.extend(itertools.pairwise(chain))

    centres = _centres(layers, links, set(upstream))
    left = min(centres[n] - WIDTH / 2 for n in upstream)
    left = min(left, min(centres.values()))
    right = max(max(centres[n] + WIDTH / 2 for n in upstream), max(centres.values()))
    level_of = {n: level for level, names in enumerate(layers) for n in names}

    def top(name: str) -> int:
        return level_of[name] * (HEIGHT + GAP_Y)

    def path(chain: list[str]) -> str:
        x, y = round(centres[chain[0]] - left), top(chain[0]) + HEIGHT
        text = f"M{x} {y}"
        for name in chain[1:]:
            next_x, next_y = round(centres[name] - left), top(name)
            bend = (y + next_y) // 2
            text += f"C{x} {bend} {next_x} {bend} {next_x} {next_y}"
            x, y = next_x, next_y
            if name != chain[-1]:
                y += HEIGHT
                text += f"V{y}"
        return text

    return Layout(
        width=round(right - left),
        height=len(layers) * (HEIGHT + GAP_Y) - GAP_Y,
        nodes={n: (round(centres[n] - left - WIDTH / 2), top(n)) for n in upstream},
        edges=tuple(path(chain) for chain in chains),
    )


def _without_shortcuts(upstream: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Drops `a -> c` where `a -> b -> c` says it already."""
    reached: dict[str, set[str]] = {}
    for name in graphlib.TopologicalSorter(upstream).static_order():
        ups = upstream[name]
        reached[name] = ups.union(*(reached[u] for u in ups))
    return {
        name: [u for u in ups if not any(u in reached[other] for other in ups)]
        for name, ups in ((n, sorted(upstream[n])) for n in upstream)
    }


def _layers(upstream: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Longest path from a source; sources move down to their first reader."""
    layer: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(upstream).static_order():
        layer[name] = max((layer[u] + 1 for u in upstream[name]), default=0)
    for name, ups in upstream.items():
        readers = [layer[n] for n, its in upstream.items() if name in its]
        if not ups and readers:
            layer[name] = min(readers) - 1
    return layer


def _centres(
    layers: list[list[str]], links: Sequence[tuple[str, str]], nodes: set[str]
) -> dict[str, float]:
    """Horizontal centre of each node and bend; reorders `layers` in place."""
    above: dict[str, list[str]] = {n: [] for names in layers for n in names}
    below: dict[str, list[str]] = {n: [] for names in layers for n in names}
    for up, down in links:
        above[down].append(up)
        below[up].append(down)

    def distance(one: str, other: str) -> float:
        # A bend is a line, not a box: it needs no room of its own.
        widths = [WIDTH if name in nodes else GAP_X for name in (one, other)]
        return sum(widths) / 2 + GAP_X

    def spread(names: list[str], wished: Mapping[str, float]) -> dict[str, float]:
        placed: dict[str, float] = {}
        for i, name in enumerate(names):
            least = wished[name]
            if i:
                least = placed[names[i - 1]] + distance(names[i - 1], name)
            placed[name] = max(wished[name], least)
        # Pushing goes right only; the layer as a whole moves back to its wishes.
        shift = sum(placed[n] - wished[n] for n in names) / len(names)
        return {n: x - shift for n, x in placed.items()}

    result = {
        name: i * float(WIDTH + GAP_X)
        for names in layers
        for i, name in enumerate(names)
    }
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        for names in layers if downwards else layers[::-1]:
            wished = {
                n: sum(result[m] for m in neighbours[n]) / len(neighbours[n])
                if neighbours[n]
                else result[n]
                for n in names
            }
            names.sort(key=wished.__getitem__)
            result.update(spread(names, wished))
    return result
