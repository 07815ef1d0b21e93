"""What holds of any two networks, shipped or overridden."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.compose import index
from stspec.diagnostics import SpecError
from stspec.diff import diff
from stspec.diff.align import align
from stspec.diff.canonical import canonical
from stspec.diff.compare import compare
from stspec.diff.edits import ordered
from stspec.diff.patch import apply
from stspec.diff.report import render_json
from stspec.diff.terminal import render_terminal
from stspec.graph import Graph, Node
from stspec.network import Network, load
from stspec.ops.activation import ReLU
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.temporal import TemporalShift

OVERRIDES = (
    (),
    ("clip.frames=16",),
    ("clip.size=64",),
    ("clip.channels=10",),
    ("classes=7",),
    ("head.dropout=0.2",),
    ("head.classify=per_clip",),
    ("weights=scratch",),
    ("policy.inflate=average",),
    ("policy=tam",),
    ("policy=i3d",),
    ("policy.pooling={beside: [3, 4]}",),
    ("policy.temporal.extra={insert: shift, at: {role: stem}}",),
)


@cache
def network(name: str, overrides: tuple[str, ...]) -> Network:
    """Return a network; overrides that this model cannot take are left out."""
    try:
        return load(name, overrides)
    except SpecError:
        return load(name)


networks = st.builds(network, st.sampled_from(sorted(index())), st.sampled_from(OVERRIDES))


@settings(max_examples=30, deadline=None)
@given(networks)
def test_a_network_does_not_differ_from_itself(a: Network) -> None:
    told = diff(a, a)
    assert told.empty
    assert not told.edits and not told.groups
    assert told == told.negate()


@settings(max_examples=60, deadline=None)
@given(networks, networks)
def test_applying_a_diff_gives_the_other_network(a: Network, b: Network) -> None:
    told = diff(a, b)
    expected = canonical(b.graph, [b.facts.input.channels])
    assert told.apply(a.graph) == expected
    assert told.apply(canonical(a.graph, [a.facts.input.channels])) == expected


@settings(max_examples=60, deadline=None)
@given(networks, networks)
def test_swapping_the_networks_negates_the_diff(a: Network, b: Network) -> None:
    told = diff(a, b)
    assert diff(b, a) == told.negate()
    assert told.negate().negate() == told
    assert told.empty == told.negate().empty


@settings(max_examples=60, deadline=None)
@given(networks, networks, st.integers(60, 160))
def test_every_rendering_fits_its_width(a: Network, b: Network, width: int) -> None:
    told = diff(a, b)
    assert all(len(line) <= width for line in render_terminal(told, width).splitlines())
    assert render_json(told)


names = st.sampled_from("abcdef")
ops: st.SearchStrategy[Op] = st.sampled_from(
    (ReLU(), Conv2d(width=4), Conv2d(width=4, kernel=3), Conv3d(kernel_t=3), TemporalShift())
)


@st.composite
def graphs(draw: st.DrawFn, depth: int = 2) -> Graph:
    """Return a small graph whose names, order and wiring are arbitrary."""
    nodes: list[Node] = []
    for name in draw(st.lists(names, unique=True, min_size=1, max_size=5)):
        nest = depth > 0 and draw(st.booleans())
        body = draw(graphs(depth - 1)) if nest else draw(ops)
        known = ["x", *(node.name for node in nodes)]
        nodes.append(Node(name, body, (draw(st.sampled_from(known)),)))
    output = draw(st.sampled_from([node.name for node in nodes]))
    return Graph(draw(st.sampled_from(("sequential", "basic"))), tuple(nodes), output)


@settings(max_examples=300, deadline=None)
@given(graphs(), graphs())
def test_edits_are_complete_whatever_the_graphs(a: Graph, b: Graph) -> None:
    old, new = canonical(a, [8]), canonical(b, [8])
    edits = compare(old, new)
    assert apply(edits, old) == new
    assert (not edits) == (old == new)
    assert compare(new, old) == ordered(edit.negate() for edit in edits)


@settings(max_examples=200, deadline=None)
@given(graphs(), graphs())
def test_matches_never_cross(a: Graph, b: Graph) -> None:
    pairs = align(a.nodes, b.nodes)
    assert pairs == sorted(pairs)
    assert [j for _, j in pairs] == sorted({j for _, j in pairs})
    assert align(b.nodes, a.nodes) == [(j, i) for i, j in pairs]
