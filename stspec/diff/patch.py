"""Applying edits to a canonical graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from stspec.diff.edits import (
    Change,
    Edit,
    Insert,
    Ports,
    Recast,
    Remove,
    Rename,
    Rewire,
    join,
)
from stspec.graph import Graph, Node


class PatchError(ValueError):
    """The graph is not the one that the edits were made for."""


def apply(edits: Iterable[Edit], graph: Graph) -> Graph:
    """Return the canonical graph with all edits made.

    Raises:
        PatchError: if the graph is not the one that the edits start from.
    """
    return _Patch(edits).scope(graph, "")


class _Patch:
    """Edits by the path, in the old graph, of the scope or node that they are made to."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self.inserts: dict[str, list[Insert]] = defaultdict(list)
        self.removes: dict[str, Remove] = {}
        self.renames: dict[str, Rename] = {}
        self.changes: dict[str, Change] = {}
        self.wires: dict[str, Rewire] = {}
        self.kinds: dict[str, Recast] = {}
        self.ports: dict[str, Ports] = {}
        for edit in edits:
            self._file(edit)

    def _file(self, edit: Edit) -> None:
        match edit:
            case Insert():
                self.inserts[edit.owner.a].append(edit)
            case Remove():
                self.removes[join(edit.owner.a, edit.node.name)] = edit
            case Rename():
                self.renames[join(edit.owner.a, edit.before)] = edit
            case Change():
                self.changes[edit.place.a] = edit
            case Rewire():
                self.wires[edit.place.a] = edit
            case Recast():
                self.kinds[edit.owner.a] = edit
            case Ports():
                self.ports[edit.owner.a] = edit

    def scope(self, graph: Graph, path: str) -> Graph:
        """Return a scope with the edits at and below its path made."""
        names = {n.name: self._name(join(path, n.name), n.name) for n in graph.nodes}
        nodes = [
            self._node(node, join(path, node.name), names)
            for node in graph.nodes
            if not self._removed(node, join(path, node.name))
        ]
        for insert in sorted(self.inserts.get(path, ()), key=lambda edit: edit.index):
            nodes.insert(insert.index, insert.node)
        kind, inputs, output = self._frame(graph, path, names)
        return Graph(kind, tuple(nodes), output, inputs)

    def _frame(
        self, graph: Graph, path: str, names: dict[str, str]
    ) -> tuple[str, tuple[str, ...], str]:
        kind, ports = self.kinds.get(path), self.ports.get(path)
        _check(kind is None or kind.before == graph.kind, path)
        _check(ports is None or ports.before == (graph.inputs, graph.output), path)
        inputs, output = (
            ports.after if ports else (graph.inputs, names.get(graph.output, graph.output))
        )
        return kind.after if kind else graph.kind, inputs, output

    def _name(self, path: str, name: str) -> str:
        edit = self.renames.get(path)
        return edit.after if edit else name

    def _removed(self, node: Node, path: str) -> bool:
        edit = self.removes.get(path)
        _check(edit is None or edit.node == node, path)
        return edit is not None

    def _node(self, node: Node, path: str, names: dict[str, str]) -> Node:
        wires, change = self.wires.get(path), self.changes.get(path)
        _check(wires is None or wires.before == node.inputs, path)
        _check(change is None or change.before == node.body, path)
        inputs = wires.after if wires else tuple(names.get(value, value) for value in node.inputs)
        body = self.scope(node.body, path) if isinstance(node.body, Graph) else node.body
        return replace(
            node, name=names[node.name], inputs=inputs, body=change.after if change else body
        )


def _check(fits: bool, path: str) -> None:
    if not fits:
        raise PatchError(f"'{path or 'the model'}' is not what the diff was made from")


__all__ = ["PatchError", "apply"]
