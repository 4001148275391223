import graphlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_record import UPSTREAM

from clickwright.pipeline.report import dag


def ends(path: str) -> tuple[tuple[int, int], tuple[int, int]]:
    numbers = [int(n) for n in re.findall(r"-?\d+", path)]
    return (numbers[0], numbers[1]), (numbers[-2], numbers[-1])


def edges(layout: dag.Layout) -> set[tuple[str, str]]:
    """Names of the nodes that each drawn arrow joins, found by its two ends."""
    below = {(x + dag.WIDTH // 2, y): n for n, (x, y) in layout.nodes.items()}
    above = {(x, y + dag.HEIGHT): n for (x, y), n in below.items()}
    found = set()
    for path in layout.edges:
        start, end = ends(path)
        # Centres are rounded on their own: a pixel of play.
        found.add((_near(above, start), _near(below, end)))
    return found


def _near(points: dict[tuple[int, int], str], point: tuple[int, int]) -> str:
    (name,) = {
        n
        for (x, y), n in points.items()
        if abs(x - point[0]) <= 1 and abs(y - point[1]) <= 1
    }
    return name


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    names = [f"n{i}" for i in range(draw(st.integers(1, 9)))]
    return {
        name: tuple(draw(st.sets(st.sampled_from(names[:i])))) if i else ()
        for i, name in enumerate(names)
    }


def reachable(upstream: dict[str, tuple[str, ...]]) -> set[tuple[str, str]]:
    pairs = {(u, n) for n, ups in upstream.items() for u in ups}
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


@given(graphs())
def test_no_two_nodes_overlap_and_all_lie_inside(
    upstream: dict[str, tuple[str, ...]],
) -> None:
    layout = dag.layout(upstream)

    boxes = list(layout.nodes.values())
    for i, (x, y) in enumerate(boxes):
        assert 0 <= x <= layout.width - dag.WIDTH + 1
        assert 0 <= y <= layout.height - dag.HEIGHT
        for other_x, other_y in boxes[:i]:
            assert y != other_y or abs(x - other_x) >= dag.WIDTH


@given(graphs())
def test_every_node_lies_below_all_it_waits_for(
    upstream: dict[str, tuple[str, ...]],
) -> None:
    layout = dag.layout(upstream)

    for name, ups in upstream.items():
        for up in ups:
            assert layout.nodes[up][1] < layout.nodes[name][1]


@given(graphs())
def test_the_arrows_are_the_fewest_that_say_the_same(
    upstream: dict[str, tuple[str, ...]],
) -> None:
    drawn = edges(dag.layout(upstream))

    as_upstream = {n: tuple(u for u, d in drawn if d == n) for n in upstream}
    assert reachable(as_upstream) == reachable(upstream)
    for edge in drawn:
        fewer = drawn - {edge}
        left = {n: tuple(u for u, d in fewer if d == n) for n in upstream}
        assert reachable(left) != reachable(upstream)


def test_a_source_stands_right_above_its_first_reader() -> None:
    layout = dag.layout(UPSTREAM)

    assert layout.nodes["LatestBlessedModel"][1] == layout.nodes["ItemTable"][1]


def test_names_that_are_no_nodes_are_passed_over() -> None:
    assert dag.layout({"a": ("nowhere",)}).nodes == {"a": (0, 0)}


def test_nothing_is_drawn_for_no_nodes() -> None:
    assert dag.layout({}) == dag.Layout(0, 0, {}, ())


def test_a_circle_is_refused() -> None:
    with pytest.raises(graphlib.CycleError):
        dag.layout({"a": ("b",), "b": ("a",)})
