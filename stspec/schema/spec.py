"""A resolved tree becomes a spec: typed values, each still knowing where it was written.

Every mistake of a tree is collected before one error is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stspec.blocks.heads import HEADS, Head
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.schema.collect import Collector
from stspec.schema.layers import Layer
from stspec.schema.models import Backbone, Model, Policy
from stspec.schema.names import check_name
from stspec.schema.pathways import (
    Lateral,
    Pathway,
    check_reads,
    check_taps,
    parse_laterals,
    parse_pathways,
    parse_stack,
)
from stspec.schema.rules import Each, Rule
from stspec.schema.validate import validate
from stspec.source.nodes import Mapping, Node, Scalar, to_plain


@dataclass(frozen=True, slots=True)
class Spec:
    """A model as it was written: checked by itself, not yet against shapes."""

    model: Model
    trunk: Pathway
    beside: tuple[Pathway, ...]
    laterals: tuple[Lateral, ...]
    head: Head | None
    tree: Mapping = field(repr=False)

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.name

    @property
    def pathways(self) -> tuple[Pathway, ...]:
        """Return the trunk and the stacks beside it."""
        return (self.trunk, *self.beside)

    def pathway(self, name: str | None) -> Pathway:
        """Return a pathway by name; None is the trunk."""
        return next((p for p in self.pathways if p.name == name), self.trunk)

    @property
    def backbone(self) -> Backbone:
        """Return the trunk's backbone."""
        return self.trunk.backbone

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the trunk's layers."""
        return self.trunk.layers

    @property
    def policy(self) -> Policy:
        """Return the trunk's policy."""
        return self.trunk.policy

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules of the trunk's policy."""
        return self.trunk.rules

    def inflation(self, pathway: str | None, rule: str | None) -> str:
        """Return how 2D weights fill what a rule made: the rule's word, else its policy's."""
        owner = self.pathway(pathway)
        own = next((r.keys.inflate for r in owner.rules if r.path == rule), None)
        return own or owner.policy.inflate


def parse(tree: Mapping) -> Spec:
    """Check a resolved tree and return it as a spec.

    Raises:
        SpecError: with all mistakes of the tree.
    """
    errors = Collector()
    model = head = None
    beside: tuple[Pathway, ...] = ()
    laterals: tuple[Lateral, ...] = ()
    with errors.collect():
        model = validate(tree, Model)
    trunk = parse_stack(tree, None, model.sample if model else None, None, errors)
    beside = parse_pathways(tree, errors)
    if model is not None and trunk is not None:
        laterals = parse_laterals(tree, (trunk, *beside), errors)
        with errors.collect():
            head = _head(tree, model)
            if not trunk.layers and head is None:
                _refuse_nothing(tree)
        check_taps(tree, (trunk, *beside), errors)
        check_reads(tree, head, (trunk, *beside), errors)
    errors.finish()
    assert model is not None and trunk is not None
    return Spec(model, trunk, beside, laterals, head, tree)


def _head(tree: Mapping, model: Model) -> Head | None:
    """Return the head: the backbone's defaults under what the model says."""
    if model.head == "none":
        return None
    own, backbone = tree.get("head"), tree.get("backbone")
    defaults = backbone.get("head") if isinstance(backbone, Mapping) else None
    entries = _merged(defaults, own)
    kind = entries.pop("kind", None)
    cls = _kind(kind[1] if kind else None)
    if isinstance(own, Mapping) and "kind" in own:
        # The backbone's defaults are of its own kind of head; another takes those that it has.
        entries = {k: v for k, v in entries.items() if k in own or k in cls.model_fields}
    if "name" in entries:
        _check_head_name(entries["name"][1])
    span = own.span if own is not None else tree.span
    classes = (Scalar("classes", span, ()), Scalar(model.classes, span, ()))
    node = Mapping((*entries.values(), classes), span, tree.origin)
    return validate(node, cls, path=("head",), key=tree.key("head"), also=("kind",))


def _refuse_nothing(tree: Mapping) -> None:
    backbone = tree.get("backbone")
    node = backbone.get("layers") if isinstance(backbone, Mapping) else None
    if isinstance(node, Mapping) and not node.entries:
        label = Label(node.span, "no layers")
        raise SpecError(Diagnostic("bad-value", "a model has layers or a head", (label,)))


def _merged(*nodes: Node | None) -> dict[str, tuple[Scalar, Node]]:
    entries: dict[str, tuple[Scalar, Node]] = {}
    for node in nodes:
        for key, value in node.entries if isinstance(node, Mapping) else ():
            if key.value == "classes":
                label = Label(key.span, "not here")
                help = "`classes` stands at the top of the model"
                raise SpecError(
                    Diagnostic("unknown-key", "a head has no key `classes`", (label,), help)
                )
            entries[str(key.value)] = (key, value)
    return entries


def _kind(node: Node | None) -> type[Head]:
    if node is None:
        return HEADS["linear"]
    kind = str(to_plain(node))
    if kind not in HEADS:
        raise SpecError(
            Diagnostic(
                "unknown-head",
                f"there is no head `{kind:.80}`",
                (Label(node.span, "not a head"),),
                help=did_you_mean(kind, sorted(HEADS)),
            )
        )
    return HEADS[kind]


def _check_head_name(node: Node) -> None:
    if isinstance(node, Scalar):
        check_name(Scalar(str(node.value).partition(".")[0], node.span, node.origin))


__all__ = ["Each", "Lateral", "Layer", "Pathway", "Rule", "Spec", "parse"]
