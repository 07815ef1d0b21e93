"""A spec, compiled: its graph and its facts. Everything else is asked of this value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from stspec.compose.resolve import compose
from stspec.diagnostics import Diagnostic, Label, Span, SpecError
from stspec.graph import Graph
from stspec.graph.model import taken_over, walk
from stspec.ir import build as build_graph
from stspec.ops.base import Op, ShapeError
from stspec.passes.diagnose import no_scores, shape_diagnosis, written_at
from stspec.passes.facts import Facts, NodeShapeError, OperatorError
from stspec.passes.outsiders import check_outsiders, operator_diagnosis
from stspec.schema.spec import Spec, parse
from stspec.source.nodes import Mapping as Tree
from stspec.source.nodes import to_plain
from stspec.source.python import caller_span

if TYPE_CHECKING:
    from stspec.analysis.hashes import Hashes
    from stspec.emit.source import Emitted

Target = str | Path | Mapping[str, Any] | Tree
Overrides = Iterable[str | tuple[str, Any]]


@dataclass(frozen=True)
class Network:
    """A checked model: what was written (spec), what it computes (graph), what follows (facts)."""

    spec: Spec
    graph: Graph
    facts: Facts

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.spec.name

    @property
    def state(self) -> dict[str, tuple[int, ...]]:
        """Return key and shape of every entry of the state dict."""
        return self.facts.state()

    @property
    def image_keys(self) -> dict[str, str]:
        """Return keys of the state dict whose tensors an image network has under other keys."""
        paths = taken_over(self.graph)
        ends = ((key, *key.rpartition(".")) for key in self.state if paths)
        return {key: paths[path] + dot + name for key, path, dot, name in ends if path in paths}

    @property
    def class_layers(self) -> dict[str, int]:
        """Return the modules with parameters of the classes, and which of their axes these are."""
        role = ("classifier", "output")
        return {
            f"{fact.path}.{param.name}".rpartition(".")[0]: axis
            for fact in self.facts.operators()
            if role in fact.node.tags.roles and isinstance(fact.node.body, Op)
            for param in fact.params
            if (axis := fact.node.body.class_axis(param.name)) is not None
        }

    @property
    def shared_image_keys(self) -> dict[str, str]:
        """Return keys of stacks beside the trunk, and what an image network calls them."""
        found: dict[str, str] = {}
        for pathway in self.spec.pathways[1:]:
            for key in self.state:
                if key.startswith(pathway.prefix):
                    found[key] = self.image_keys.get(key, key).removeprefix(pathway.prefix)
        return found

    @cached_property
    def hashes(self) -> Hashes:
        """Return the three fingerprints."""
        from stspec.analysis.hashes import hashes

        return hashes(self.spec, self.graph, self.facts)

    def emit(self, *, canonical: bool = False) -> Emitted:
        """Return the standalone source.

        Args:
            canonical: write the canonical operators, whose MACs can be counted as they run.
        """
        from stspec.emit.source import emit_source

        marks = [f"math {self.hashes.math}, weights {self.hashes.weights}."]
        return emit_source(self.spec, self.graph, self.facts, marks, canonical=canonical)

    def source_map(self) -> dict[int, tuple[str, Span]]:
        """Return, by line of the emitted source, the node it constructs and where YAML says so.

        A line that stands for many blocks names the first of them.
        """
        rules = {path: node.tags.rule for path, node in walk(self.graph)}
        return {
            line: (path, written_at(self.spec, path, rules[path]))
            for line, path in self.emit().lines.items()
        }


def load(target: Target, overrides: Overrides = (), variant: str | None = None) -> Network:
    """Read, check and compile a spec, without torch.

    Args:
        target: a model's name, a YAML file, or the spec itself as a mapping.
        overrides: ``path=value`` texts or (path, value) pairs, as ``--set`` takes them.
        variant: a row of the spec's ``variants``.

    Raises:
        SpecError: with every mistake that was found.
    """
    return compile_spec(read_spec(target, overrides, variant))


# What a tree can be told to have wrong though a part of it, such as a parent, could not be read.
_CERTAIN = frozenset(
    [
        "bad-length",
        "bad-name",
        "out-of-range",
        "unknown-choice",
        "unknown-head",
        "unknown-key",
        "unknown-op",
        "wrong-type",
    ]
)


def read_spec(target: Target, overrides: Overrides = (), variant: str | None = None) -> Spec:
    """Read a spec and check it by itself, not yet against shapes; arguments are those of `load`.

    Raises:
        SpecError: with every mistake that was found, in the order of the text.
    """
    composed, errors = compose(target, overrides, variant, caller_span())
    if any(error.code == "newer-language" for error in errors):
        raise SpecError(*errors)
    try:
        spec = parse(composed.tree)
    except SpecError as error:
        if not errors:
            raise
        blamed = {label.span for found in errors for label in found.labels}
        errors += [
            found
            for found in error.diagnostics
            if found.code in _CERTAIN and not any(label.span in blamed for label in found.labels)
        ]
    if errors:
        raise SpecError(*sorted(dict.fromkeys(errors), key=lambda found: found.position))
    return spec


def spec_text(network: Network) -> str:
    """Return the resolved spec as YAML: no extends, no references."""
    entries = network.spec.tree.without("name").items()
    parts = (_part_text(json.dumps({key: to_plain(value)})) for key, value in entries)
    return "".join([f"# {network.name}, resolved.\n", *parts])


@lru_cache(maxsize=64)
def _part_text(entry: str) -> str:
    """Return a key with its value, given as JSON, as YAML; specs have many of them in common."""
    return yaml.safe_dump(json.loads(entry), sort_keys=False, allow_unicode=True, width=100)


def compile_spec(spec: Spec, graph: Graph | None = None) -> Network:
    """Build a spec's graph and work out its facts.

    Args:
        spec: what was written.
        graph: its graph, where it is known, as of a spec that differs in frames alone.

    Raises:
        SpecError: if a rule cannot be applied, or a shape is impossible.
    """
    try:
        graph = graph or build_graph(spec)
    except ShapeError as error:
        label = Label(spec.tree.span, "in this model")
        raise SpecError(Diagnostic("impossible-shape", f"a block's {error}", (label,))) from error
    try:
        facts = Facts(graph, spec.model.clip.shape)
    except NodeShapeError as error:
        raise shape_diagnosis(spec, error) from error
    except OperatorError as error:
        raise operator_diagnosis(spec, error) from error
    check_outsiders(spec, facts)
    if spec.head is not None and not spec.head.gives_scores(facts.output):
        raise no_scores(spec, facts.output)
    return Network(spec, graph, facts)


def check_scores_clips(network: Network) -> None:
    """Refuse a network that does not give a video's clip one score for each class.

    Raises:
        SpecError: if it reads features, or scores every frame.
    """
    spec = network.spec
    _ = spec.model.clip.sides
    if spec.head is not None and network.facts.output.frames is not None:
        node = spec.tree.get("head") or spec.tree
        message = f"{network.name} gives scores to every frame, and videos have one class here"
        label = Label(node.span, "this head scores frames")
        help = "build the module, and train it on the frames' labels in a loop of your own"
        raise SpecError(Diagnostic("scores-frames", message, (label,), help))
