"""Three fingerprints: what a model computes, what its weights are, what its spec says.

A changed comment changes the doc hash alone; a changed operator, its declaration or its module
template changes the math hash of every model that uses it.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import json
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stspec.emit.construct import CONVOLUTION
from stspec.emit.library import template_path
from stspec.graph import Graph, Node
from stspec.graph.model import leaves
from stspec.ops.base import Op, Site
from stspec.passes.facts import Facts
from stspec.schema.spec import Spec
from stspec.source.nodes import to_plain


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hexadecimal digests of 16 digits."""

    math: str
    weights: str
    doc: str


def hashes(spec: Spec, graph: Graph, facts: Facts) -> Hashes:
    """Return the three fingerprints of a model."""
    canonical = [_canonical(graph), list(facts.input.sizes), _declarations(graph, facts)]
    roles = [
        [f"{fact.path}.{p.name}", list(p.shape), p.role]
        for fact in facts.operators()
        for p in fact.params
    ]
    return Hashes(
        digest(canonical),
        digest([roles, *(p.policy.inflate for p in spec.pathways), spec.model.weights]),
        digest(to_plain(spec.tree)),
    )


def digest(value: Any) -> str:
    """Return the fingerprint of a plain value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(graph: Graph) -> list[Any]:
    return [graph.kind, list(graph.inputs), graph.output, [_node(node) for node in graph.nodes]]


def _node(node: Node) -> list[Any]:
    body = node.body
    inner = _canonical(body) if isinstance(body, Graph) else [body.kind, body.model_dump()]
    return [node.name, list(node.inputs), inner]


def _declarations(graph: Graph, facts: Facts) -> list[list[str]]:
    """Return fingerprints of the code behind the operators: declarations and templates."""
    found: dict[str, list[str]] = {}
    for path, node in leaves(graph):
        op = node.body
        assert isinstance(op, Op)
        if op.kind in found:
            continue
        fact = facts[path]
        layer = op.layer(Site(fact.inputs, fact.output, op.layout or "clip"))
        files = [Path(inspect.getfile(type(op)))]
        if layer is not None and layer.template is not None:
            files.append(template_path(layer.template))
        if layer is not None and layer.is_small:
            files.append(template_path(CONVOLUTION))
        found[op.kind] = [op.kind, *_file_digests(files)]
    return [found[kind] for kind in sorted(found)]


def _file_digests(files: Iterable[Path]) -> list[str]:
    return [_file_digest(file) for file in files]


@cache
def _file_digest(file: Path) -> str:
    """Return the fingerprint of a file's code; comments and docstrings do not count."""
    return hashlib.sha256(_code(file.read_text(encoding="utf-8")).encode()).hexdigest()[:16]


def _code(text: str) -> str:
    """Return source without comments, docstrings and empty lines, the same in every Python."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            first = node.body[0]
            for row in range(first.lineno - 1, first.end_lineno or first.lineno):
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
