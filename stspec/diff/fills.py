"""Which tensors of one network's checkpoint fill the other, and how."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stspec.graph.model import pathway_at, rules_of
from stspec.network import Network

How = Literal["as it is", "reshaped", "inflated", "adapted", "from scratch", "does not fit"]
"""``reshaped``: axes of size 1 aside, the shapes agree. ``inflated``: a 2D kernel fills a 3D one
as the policy says. ``adapted``: a stem gets another number of input channels. ``from scratch``:
the policy wants nothing taken over."""

ORDER: tuple[How, ...] = (
    "as it is",
    "reshaped",
    "inflated",
    "adapted",
    "from scratch",
    "does not fit",
)
Shape = tuple[int, ...]
RGB = 3
SAME_IN_2D = ("repeat", "average", "center")
"""Ways of inflating that take a 2D kernel over as it is where the model's spans one frame."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An entry of either state dict. A shape is None where the network has no such key.

    ``forth`` says how a's tensor fills b's, ``back`` the reverse; ``ways`` are the policies of
    inflation (of b and of a) that this takes.
    """

    key: str
    a: Shape | None
    b: Shape | None
    forth: How | None = None
    back: How | None = None
    ways: tuple[str | None, str | None] = (None, None)

    def negate(self) -> Tensor:
        """Return the tensor with sides swapped."""
        return replace(
            self, a=self.b, b=self.a, forth=self.back, back=self.forth, ways=self.ways[::-1]
        )

    @property
    def same(self) -> bool:
        """Tell whether either checkpoint gives the other's tensor as it is."""
        return self.forth == self.back == "as it is"


@dataclass(frozen=True, slots=True)
class Share:
    """Tensors of one fate: how many, how many elements, and some of their keys."""

    tensors: int
    elements: int
    keys: tuple[str, ...]


def tensors(a: Network, b: Network) -> tuple[Tensor, ...]:
    """Return every key of either network, sorted by key."""
    mine, theirs = _state(a), _state(b)
    ways = _ways(a), _ways(b)
    found = []
    for key in sorted({*mine, *theirs}):
        old, new = mine.get(key), theirs.get(key)
        if old is None or new is None:
            found.append(Tensor(key, old, new))
            continue
        forth, to_b = fill(old, new, ways[1].get(key, "repeat"))
        back, to_a = fill(new, old, ways[0].get(key, "repeat"))
        found.append(Tensor(key, old, new, forth, back, (to_b, to_a)))
    return tuple(found)


def _state(network: Network) -> dict[str, Shape]:
    """Return shapes by key; what took an image network's weights over bears its key."""
    moved = network.image_keys
    return {moved.get(key, key): shape for key, shape in network.state.items()}


def fill(source: Shape, target: Shape, way: str) -> tuple[How, str | None]:
    """Return how a tensor of one shape fills one of another, and the way of inflating it takes.

    Args:
        source: shape in the checkpoint.
        target: shape in the model.
        way: how the model's policy inflates this tensor.
    """
    if len(source) == 4 and len(target) == 5 and source == (*target[:2], *target[3:]):
        if way == "scratch":
            return "from scratch", None
        if target[2] > 1 or way not in SAME_IN_2D:
            return "inflated", way
    if _without_ones(source) == _without_ones(target):
        return ("as it is" if source == target else "reshaped"), None
    if len(source) == 4 and len(target) >= 4 and source[1] == RGB != target[1]:
        how, taken = fill((source[0], target[1], *source[2:]), target, way)
        return ("does not fit", None) if how == "does not fit" else ("adapted", taken)
    return "does not fit", None


def _without_ones(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _ways(network: Network) -> dict[str, str]:
    """Return how every weight is inflated: as its rule says, else as the policy does."""
    spec, graph = network.spec, network.graph
    moved, rules = network.image_keys, rules_of(graph)
    weights = ((fact.path, f"{fact.path}.weight") for fact in network.facts.operators())
    return {
        moved.get(key, key): spec.inflation(pathway_at(graph, path), rules.get(path))
        for path, key in weights
    }


def shares(found: Iterable[Tensor], *, back: bool = False) -> dict[str, Share]:
    """Return tensors by what becomes of them when one checkpoint fills the other network.

    Keys are those of ``How`` (``inflated`` with its way: ``inflated (repeat)``), in their order,
    then ``missing`` for tensors that only the network has, and ``left over`` for those that only
    the checkpoint has. Elements are the filled network's, of ``left over`` the checkpoint's.

    Args:
        found: tensors of a diff.
        back: let b's checkpoint fill a.
    """
    fates: dict[str, list[tuple[str, int]]] = {}
    for tensor in found:
        told = tensor.negate() if back else tensor
        shape = told.b if told.b is not None else told.a
        assert shape is not None
        fates.setdefault(_fate(told), []).append((tensor.key, math.prod(shape)))
    order = (*ORDER, "missing", "left over")
    return {
        fate: Share(len(members), sum(n for _, n in members), tuple(key for key, _ in members))
        for fate, members in sorted(fates.items(), key=lambda kv: _rank(kv[0], order))
    }


def _fate(tensor: Tensor) -> str:
    if tensor.forth is None:
        return "missing" if tensor.a is None else "left over"
    way = tensor.ways[0]
    return f"{tensor.forth} ({way.replace('_', ' ')})" if way else tensor.forth


def _rank(fate: str, order: tuple[str, ...]) -> tuple[int, str]:
    return order.index(fate.partition(" (")[0]), fate


def examples(keys: Sequence[str], width: int) -> str:
    """Return as many keys as fit into a width: weights first, one of each kind."""
    learnt = [key for key in keys if key.endswith(".weight")] or list(keys)
    # Blocks of one stage have the same keys behind their number; one stands for all.
    kinds = {re.sub(r"\d+\.\d+\.", "", key): key for key in reversed(learnt)}
    text = ""
    for key in reversed(kinds.values()):
        longer = f"{text}, {key}" if text else key
        if len(longer) > width:
            break
        text = longer
    return text or f"{learnt[0][: width - 1]}…"
