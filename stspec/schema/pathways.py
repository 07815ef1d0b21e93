"""Pathways: the trunk and the stacks beside it, and the lateral edges between them."""

from __future__ import annotations

from dataclasses import dataclass

from stspec.blocks.heads import Head
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.schema.collect import Collector
from stspec.schema.layers import Layer, check_count, parse_layers, scaled
from stspec.schema.models import Backbone, LateralKeys, PathwayKeys, Policy, Sample
from stspec.schema.names import check_name
from stspec.schema.rules import Rule, parse_rules
from stspec.schema.validate import validate
from stspec.source.nodes import Mapping, Node, Scalar, Sequence

Place = tuple[str, ...]

TRUNK = "trunk"
"""What laterals and heads call the model's own backbone and policy."""


@dataclass(frozen=True, slots=True)
class Pathway:
    """A backbone with its policy: the trunk, or a stack beside it."""

    name: str | None
    """None for the trunk, whose layers keep their plain names."""
    backbone: Backbone
    layers: tuple[Layer, ...]
    policy: Policy
    rules: tuple[Rule, ...]
    sample: Sample | None = None
    tap: str | None = None
    """The trunk's layer that it reads instead of the clip."""

    @property
    def prefix(self) -> str:
        """Return what stands in front of its layers' names."""
        return f"{self.name}_" if self.name else ""

    @property
    def rate(self) -> int:
        """Return how many frames of what it reads make one of its own."""
        return self.sample.every * (self.sample.differences or 1) if self.sample else 1


@dataclass(frozen=True, slots=True)
class Lateral:
    """An edge between two pathways, with the layers that it passes."""

    name: str
    keys: LateralKeys
    layers: tuple[Layer, ...]
    node: Mapping


def place_of(pathway: str | None) -> Place:
    """Return where a pathway's backbone and policy stand in the tree."""
    return () if pathway is None else ("pathways", pathway)


def parse_stack(
    tree: Mapping, name: str | None, sample: Sample | None, tap: str | None, errors: Collector
) -> Pathway | None:
    """Return the backbone and policy of a mapping that has both; mistakes go to the collector."""
    backbone = policy = None
    layers: tuple[Layer, ...] = ()
    rules: tuple[Rule, ...] = ()
    place = place_of(name)
    backbone_node, policy_node = tree.get("backbone"), tree.get("policy")
    if isinstance(backbone_node, Mapping):
        with errors.collect():
            key = tree.key("backbone")
            backbone = validate(backbone_node, Backbone, path=(*place, "backbone"), key=key)
        layers = parse_layers(backbone_node.get("layers"), errors, place)
        if backbone is not None:
            layers = tuple(scaled(layer, backbone) for layer in layers)
            if backbone.depth > 1:
                with errors.collect():
                    check_count(layers, backbone_node)
    if isinstance(policy_node, Mapping):
        with errors.collect():
            key = tree.key("policy")
            policy = validate(policy_node, Policy, path=(*place, "policy"), key=key)
        rules = parse_rules(policy_node, errors, place)
    elif name is not None:
        policy = Policy(name="none")
    if backbone is None or policy is None:
        return None
    return Pathway(name, backbone, layers, policy, rules, sample, tap)


def parse_pathways(tree: Mapping, errors: Collector) -> tuple[Pathway, ...]:
    """Return the stacks beside the trunk; mistakes go to the collector."""
    found = []
    for key, node in _entries(tree, "pathways"):
        with errors.collect():
            check_name(key)
            _refuse_trunk(key)
            path = ("pathways", str(key.value))
            keys = validate(node, PathwayKeys, path=path, key=key)
            stack = parse_stack(node, str(key.value), keys.sample, keys.tap, errors)
            if stack is not None:
                found.append(stack)
    return tuple(found)


def _entries(tree: Mapping, key: str) -> list[tuple[Scalar, Mapping]]:
    node = tree.get(key)
    entries = node.entries if isinstance(node, Mapping) else ()
    return [(name, value) for name, value in entries if isinstance(value, Mapping)]


def _refuse_trunk(key: Scalar) -> None:
    if key.value == TRUNK:
        label = Label(key.span, "the model's own backbone and policy are called so")
        raise SpecError(Diagnostic("bad-name", "a pathway cannot be called trunk", (label,)))


def parse_laterals(
    tree: Mapping, pathways: tuple[Pathway, ...], errors: Collector
) -> tuple[Lateral, ...]:
    """Return the edges between pathways; mistakes go to the collector."""
    known = {TRUNK if p.name is None else p.name: p for p in pathways}
    found = []
    for key, node in _entries(tree, "laterals"):
        with errors.collect():
            check_name(key)
            path = ("laterals", str(key.value))
            keys = validate(node, LateralKeys, path=path, key=key)
            for end in ("from", "into"):
                _check_known(node.get(end), known)
            _check_layers(keys, node, known)
            layers = parse_layers(node.get("through"), errors, path, "through")
            found.append(Lateral(str(key.value), keys, layers, node))
    return tuple(found)


def check_taps(tree: Mapping, pathways: tuple[Pathway, ...], errors: Collector) -> None:
    """Check that the layers at which pathways start exist; mistakes go to the collector."""
    for pathway in pathways[1:]:
        node: Node | None = tree
        for key in (*place_of(pathway.name), "tap"):
            node = node.get(key) if isinstance(node, Mapping) else None
        if isinstance(node, Scalar):
            layer = Scalar(str(node.value).partition(".")[0], node.span, node.origin)
            with errors.collect():
                check_layer(layer, pathways[0])


def check_reads(
    tree: Mapping, head: Head | None, pathways: tuple[Pathway, ...], errors: Collector
) -> None:
    """Check that what a head reads exists; mistakes go to the collector."""
    node = tree.get("head")
    reads = node.get("read") if isinstance(node, Mapping) else None
    if head is None or not isinstance(reads, Sequence):
        return
    if len(reads.items) > 1 and not head.several:
        with errors.collect():
            label = Label(reads.span, "several values")
            message = f"the {head.kind} head reads one value"
            raise SpecError(Diagnostic("bad-value", message, (label,)))
    trunk = pathways[0]
    names = [TRUNK, *(p.name for p in pathways[1:] if p.name), *(x.name for x in trunk.layers)]
    for item in reads.items:
        if isinstance(item, Scalar) and str(item.value) not in names:
            with errors.collect():
                raise SpecError(
                    Diagnostic(
                        "unknown-pathway",
                        f"the head reads `{item.value!s:.80}`, which does not exist",
                        (Label(item.span, "no pathway, and no layer of the trunk"),),
                        help=did_you_mean(str(item.value), names),
                    )
                )


def _check_known(node: object, known: dict[str, Pathway]) -> None:
    if isinstance(node, Scalar) and str(node.value) not in known:
        raise SpecError(
            Diagnostic(
                "unknown-pathway",
                f"there is no pathway `{node.value!s:.80}`",
                (Label(node.span, "not a pathway"),),
                help=did_you_mean(str(node.value), sorted(known)),
            )
        )


def _check_layers(keys: LateralKeys, node: Mapping, known: dict[str, Pathway]) -> None:
    """Raise a SpecError where a layer that a lateral names is missing in one of its pathways."""
    after = node.get("after")
    items = after.items if isinstance(after, Sequence) else (after,)
    for item in items:
        if isinstance(item, Scalar):
            check_layer(item, known[keys.into])
            if keys.reads is None:
                check_layer(item, known[keys.source])
    reads = node.get("reads")
    if isinstance(reads, Scalar):
        check_layer(reads, known[keys.source])


def check_layer(node: Scalar, pathway: Pathway) -> None:
    """Raise a SpecError where a pathway has no layer of this name."""
    names = [layer.name for layer in pathway.layers]
    if str(node.value) not in names:
        raise SpecError(
            Diagnostic(
                "unknown-layer",
                f"{pathway.name or TRUNK} has no layer `{node.value!s:.80}`",
                (Label(node.span, "not a layer"),),
                help=did_you_mean(str(node.value), names),
            )
        )
