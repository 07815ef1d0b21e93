"""A resolved tree becomes a spec: typed values, each still knowing where it was written.

Every mistake of a tree is collected before one error is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from stspec.blocks.base import Block
from stspec.blocks.heads import HEADS, Head
from stspec.blocks.registry import BLOCKS
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.ops.base import Op
from stspec.ops.plugin import find_op
from stspec.ops.registry import OPS
from stspec.ops.twins import ClipTwin
from stspec.schema.models import Backbone, LayerKeys, Model, Policy, RuleKeys
from stspec.schema.validate import validate
from stspec.source.nodes import Mapping, Node, Scalar, Sequence, to_plain


@dataclass(frozen=True, slots=True)
class Each:
    """A parameter that runs along the sites that a rule matches, cycled."""

    values: tuple[Any, ...]
    over: Literal["stage", "model"] = "stage"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a backbone: an operator, a stage of blocks, or a numbered sequence."""

    name: str
    body: type[Op] | type[Block] | tuple[Layer, ...]
    values: MappingType[str, Any]
    keys: LayerKeys
    node: Mapping


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a policy; ``path`` is how overrides and messages speak of it."""

    path: str
    keys: RuleKeys
    target: type[Op] | type[Block] | Literal["conv2plus1d"]
    values: MappingType[str, Any]
    node: Mapping

    @property
    def name(self) -> str:
        """Return the rule's own name, which names what it inserts."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Spec:
    """A model as it was written: checked by itself, not yet against shapes."""

    model: Model
    backbone: Backbone
    layers: tuple[Layer, ...]
    policy: Policy
    rules: tuple[Rule, ...]
    head: Head | None
    tree: Mapping = field(repr=False)

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.name


class Collector:
    """Gathers diagnostics, so that all mistakes are told at once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the diagnostics of a SpecError raised inside."""
        try:
            yield
        except SpecError as error:
            self.diagnostics.extend(error.diagnostics)

    def finish(self) -> None:
        """Raise what was gathered, in the order of the text.

        Raises:
            SpecError: if anything was gathered.
        """
        if self.diagnostics:
            unique = list(dict.fromkeys(self.diagnostics))
            raise SpecError(*sorted(unique, key=_position))


def _position(diagnostic: Diagnostic) -> tuple[str, int, int]:
    if not diagnostic.labels:
        return ("", 0, 0)
    span = diagnostic.labels[0].span
    return (span.file, span.line, span.column)


def parse(tree: Mapping) -> Spec:
    """Check a resolved tree and return it as a spec.

    Raises:
        SpecError: with all mistakes of the tree.
    """
    errors = Collector()
    model = backbone = policy = None
    layers: tuple[Layer, ...] = ()
    rules: tuple[Rule, ...] = ()
    with errors.collect():
        model = validate(tree, Model)
    backbone_node, policy_node = tree.get("backbone"), tree.get("policy")
    if isinstance(backbone_node, Mapping):
        with errors.collect():
            backbone = validate(backbone_node, Backbone)
        layers = _layers(backbone_node.get("layers"), errors)
    if isinstance(policy_node, Mapping):
        with errors.collect():
            policy = validate(policy_node, Policy)
        rules = _rules(policy_node, errors)
    head = None
    if model is not None and backbone is not None:
        with errors.collect():
            head = _head(tree, model, backbone)
    errors.finish()
    assert model is not None and backbone is not None and policy is not None
    return Spec(model, backbone, layers, policy, rules, head, tree)


def _layers(node: Node | None, errors: Collector) -> tuple[Layer, ...]:
    if not isinstance(node, Mapping):
        return ()
    layers = []
    for key, value in node.entries:
        with errors.collect():
            _check_identifier(key)
            if isinstance(value, Mapping):
                layers.append(_layer(str(key.value), value))
    return tuple(layers)


def _check_identifier(key: Scalar) -> None:
    name = str(key.value)
    if not (name.isidentifier() and name.isascii()) or name.startswith("_"):
        raise SpecError(
            Diagnostic(
                "bad-name",
                f"{name!r:.60} cannot be a name",
                (Label(key.span, "names become attributes in Python"),),
                help="use letters, digits and underscores, a letter first",
            )
        )


def _layer(name: str, node: Mapping) -> Layer:
    keys_node, fields = split(node, LayerKeys)
    keys = validate(keys_node, LayerKeys)
    if keys.sequence is not None:
        sequence = node.get("sequence")
        items = sequence.items if isinstance(sequence, Sequence) else ()
        children = tuple(
            _layer(str(i), item) for i, item in enumerate(items) if isinstance(item, Mapping)
        )
        if fields.entries:
            _refuse_fields(fields, "a sequence")
        return Layer(name, children, {}, keys, node)
    body = _find_block(node) if keys.block is not None else find_op(_scalar(node, "op"))
    values = validate(fields, body).model_dump(exclude_unset=True)
    return Layer(name, body, values, keys, node)


def _refuse_fields(fields: Mapping, what: str) -> None:
    labels = tuple(Label(key.span, "not a key of " + what) for key, _ in fields.entries)
    raise SpecError(Diagnostic("unknown-key", f"{what} has no such key", labels))


def _scalar(node: Mapping, key: str) -> Scalar:
    value = node.get(key)
    assert isinstance(value, Scalar)
    return value


def _find_block(node: Mapping) -> type[Block]:
    value = _scalar(node, "block")
    block = BLOCKS.get(str(value.value))
    if block is None:
        raise SpecError(
            Diagnostic(
                "unknown-block",
                f"there is no block {value.value!r}",
                (Label(value.span, "not a block"),),
                help=did_you_mean(str(value.value), sorted(BLOCKS)),
            )
        )
    return block


def split(node: Mapping, model: type[BaseModel]) -> tuple[Mapping, Mapping]:
    """Divide a mapping into the keys that a model has and all others."""
    known = set(model.model_fields) | {f.alias for f in model.model_fields.values() if f.alias}
    mine = tuple(entry for entry in node.entries if entry[0].value in known)
    rest = tuple(entry for entry in node.entries if entry[0].value not in known)
    return Mapping(mine, node.span, node.origin), Mapping(rest, node.span, node.origin)


def _rules(policy: Mapping, errors: Collector) -> tuple[Rule, ...]:
    rules = []
    for section in ("spatial", "temporal"):
        node = policy.get(section)
        for key, value in node.entries if isinstance(node, Mapping) else ():
            with errors.collect():
                _check_identifier(key)
                if isinstance(value, Mapping):
                    rules.append(_rule(f"{section}.{key.value}", value))
    return tuple(rules)


def _rule(path: str, node: Mapping) -> Rule:
    keys_node, fields = split(node, RuleKeys)
    keys = validate(keys_node, RuleKeys)
    if keys.to == "conv2plus1d":
        return Rule(path, keys, "conv2plus1d", _values(fields, Conv2Plus1dFields), node)
    target = _target(node, keys)
    model = target if keys.insert else partial(target)
    return Rule(path, keys, target, _values(fields, model), node)


def _target(node: Mapping, keys: RuleKeys) -> type[Op] | type[Block]:
    value = _scalar(node, "to" if keys.to else "insert")
    if keys.insert in BLOCKS:
        return BLOCKS[keys.insert]
    if keys.to == ClipTwin.kind:
        return ClipTwin
    others = sorted(BLOCKS) if keys.insert else ["conv2plus1d", ClipTwin.kind]
    return find_op(value, others)


class Conv2Plus1dFields(BaseModel):
    """A convolution becomes a spatial one, norm, activation, and a temporal one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kernel_t: int = 3
    width: int | Literal["out"] = "out"
    depthwise: bool = False
    bias: bool = False


@cache
def partial(model: type[BaseModel]) -> type[BaseModel]:
    """Return a model whose fields may all be left out."""
    fields: dict[str, Any] = {
        name: (info.annotation, info.get_default() if not info.is_required() else None)
        for name, info in model.model_fields.items()
    }
    for name, info in model.model_fields.items():
        if info.metadata:
            import typing

            fields[name] = (typing.Annotated[info.annotation, *info.metadata], fields[name][1])
    config = ConfigDict(frozen=True, extra="forbid", strict=True)
    return create_model(f"{model.__name__}Fields", __config__=config, **fields)


def _values(fields: Mapping, model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields that were written, with parameters that run along sites as ``Each``."""
    runs = {str(k.value): v for k, v in fields.entries if isinstance(v, Mapping) and v.get("each")}
    plain = tuple(entry for entry in fields.entries if entry[0].value not in runs)
    base = Mapping(plain, fields.span, fields.origin)
    values: dict[str, Any] = validate(base, model).model_dump(exclude_unset=True)
    for name, node in runs.items():
        values[name] = _each(base, name, node, model)
    return values


def _each(base: Mapping, name: str, node: Mapping, model: type[BaseModel]) -> Each:
    keys = validate(node, EachKeys)
    items = node.get("each")
    assert isinstance(items, Sequence)
    values = []
    for item in items.items:
        entry = (Scalar(name, node.span, node.origin), item)
        one = Mapping((*base.entries, entry), base.span, base.origin)
        values.append(getattr(validate(one, model), name))
    return Each(tuple(values), keys.over)


class EachKeys(BaseModel):
    """Values that run along the sites of a rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    each: list[Any]
    over: Literal["stage", "model"] = "stage"


def _head(tree: Mapping, model: Model, backbone: Backbone) -> Head | None:
    """Return the head: the backbone's defaults under what the model says."""
    if model.head == "none":
        return None
    own = tree.get("head")
    backbone_node = tree.get("backbone")
    defaults = backbone_node.get("head") if isinstance(backbone_node, Mapping) else None
    entries = {
        str(k.value): (k, v)
        for n in (defaults, own)
        if isinstance(n, Mapping)
        for k, v in n.entries
    }
    kind_entry = entries.pop("kind", None)
    kind = str(to_plain(kind_entry[1])) if kind_entry else "linear"
    if kind not in HEADS:
        assert kind_entry is not None
        raise SpecError(
            Diagnostic(
                "unknown-head",
                f"there is no head {kind!r}",
                (Label(kind_entry[1].span, "not a head"),),
                help=did_you_mean(kind, sorted(HEADS)),
            )
        )
    span = own.span if own is not None else tree.span
    classes = (Scalar("classes", span, ()), Scalar(model.classes, span, ()))
    node = Mapping((*entries.values(), classes), span, tree.origin)
    return validate(node, HEADS[kind])


__all__ = ["OPS", "Each", "Layer", "Rule", "Spec", "parse"]
