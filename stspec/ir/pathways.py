"""Pathways joined into one graph: SlowFast, two streams, stacks that start at another's tap.

Pathways advance layer by layer; whatever a lateral or a tap reads is written before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.graph import Graph, Ref, Scope
from stspec.ir.defaults import backbone_defaults
from stspec.ir.layers import LayerWriter
from stspec.ops.base import Op
from stspec.ops.gate import Average, Resize
from stspec.ops.join import Add, Concat
from stspec.ops.sample import ChannelSlice, FrameDifferences, FrameSample
from stspec.schema.models import LateralKeys
from stspec.schema.pathways import TRUNK, Lateral, Pathway, place_of
from stspec.schema.spec import Spec
from stspec.source.nodes import Mapping, Node


@dataclass
class _Stack:
    """A pathway on its way: what it has written, and its value now."""

    pathway: Pathway
    writer: LayerWriter
    value: Ref | None = None
    own: dict[str, Ref] = field(default_factory=dict)
    """What each layer gives by itself."""
    done: dict[str, Ref] = field(default_factory=dict)
    """What each layer gives with the laterals that end there."""
    waiting: bool = False


class Assembly:
    """Writes the pathways of a model into one graph."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.scope = Scope(
            "model", [spec.model.clip.shape.channels], backbone_defaults(spec.backbone)
        )
        self.stacks = {pathway.name: self._stack(spec, pathway) for pathway in spec.pathways}
        self.joined: dict[str, int] = {}

    def _stack(self, spec: Spec, pathway: Pathway) -> _Stack:
        scope = self.scope.under(backbone_defaults(pathway.backbone))
        tags = {"pathway": pathway.name, "value": pathway.name or "x"} if spec.beside else {}
        return _Stack(pathway, LayerWriter(scope, prefix=pathway.prefix, tags=tags))

    def graph(self) -> Graph:
        """Return the model with its head.

        Raises:
            SpecError: if pathways wait for one another.
        """
        for stack in self.stacks.values():
            self._advance(stack, None)
        head = self.spec.head
        if head is None:
            return self.scope.finish(self._end(None))
        read = [self._read(name) for name in head.read] or [self._end(None)]
        return self.scope.finish(self.scope.head(head.build, *read))

    def _read(self, name: str) -> Ref:
        """Return the value that a head means: a pathway's end, or a layer of the trunk."""
        if name == TRUNK or name in self.stacks:
            return self._end(None if name == TRUNK else name)
        return self.stacks[None].done[name]

    def _end(self, pathway: str | None) -> Ref:
        value = self.stacks[pathway].value
        assert value is not None
        return value

    def _advance(self, stack: _Stack, until: str | None, asked: Lateral | None = None) -> None:
        """Write a pathway's layers up to one of them, that one included; None means all."""
        if stack.waiting:
            raise _circular(self.spec, asked)
        stack.waiting = True
        if stack.value is None:
            stack.value = self._start(stack)
        for layer in stack.pathway.layers:
            if layer.name in stack.done:
                if layer.name == until:
                    break
                continue
            stack.value = stack.own[layer.name] = stack.writer.layer(layer, stack.value)
            for lateral in self._laterals(stack.pathway, layer.name):
                stack.value = self._join(stack, lateral, layer.name, stack.value)
            stack.done[layer.name] = stack.value
            if stack.pathway.name is None:
                self._open_taps(layer.name)
            if layer.name == until:
                break
        stack.waiting = False

    def _open_taps(self, layer: str) -> None:
        """Open the blocks of the trunk inside of which a pathway starts."""
        for pathway in self.spec.beside:
            tap = pathway.tap or ""
            if tap.startswith(f"{layer}."):
                value = self.scope.open_up(tap)
                if value is None:
                    raise _no_tap(self.spec, pathway, layer)
                self.stacks[None].done[tap] = value

    def _start(self, stack: _Stack) -> Ref:
        """Return what a pathway reads first: the clip, its share of it, or a tap."""
        pathway = stack.pathway
        if pathway.tap is not None:
            trunk = self.stacks[None]
            if pathway.tap not in trunk.done:
                self._advance(trunk, pathway.tap.partition(".")[0])
            return trunk.done[pathway.tap]
        x, sample = self.scope.x, pathway.sample
        if sample is None:
            return x
        tags = stack.writer.tags
        if sample.channels is not None:
            start, stop = sample.channels
            op = ChannelSlice(start=start, stop=stop)
            x = self.scope.add(f"{pathway.prefix}channels", op, x, **tags)
        if sample.every > 1 or sample.start:
            taken = FrameSample(every=sample.every, start=sample.start, rule=sample.rule)
            x = self.scope.add(f"{pathway.prefix}frames", taken, x, **tags)
        if sample.differences is not None:
            differences = FrameDifferences(frames=sample.differences)
            x = self.scope.add(f"{pathway.prefix}differences", differences, x, **tags)
        return x

    def _laterals(self, pathway: Pathway, layer: str) -> list[Lateral]:
        name = pathway.name or TRUNK
        every = self.spec.laterals
        return [x for x in every if x.keys.into == name and layer in x.keys.after]

    def _join(self, stack: _Stack, lateral: Lateral, layer: str, x: Ref) -> Ref:
        """Return a pathway's value with a lateral joined to it."""
        source = self.stacks[None if lateral.keys.source == TRUNK else lateral.keys.source]
        wanted = lateral.keys.reads or layer
        if wanted not in source.own:
            self._advance(source, wanted, lateral)
        number = self.joined[lateral.name] = self.joined.get(lateral.name, 0) + 1
        name = f"{lateral.name}{number}"
        given = self._pass(lateral, name, source.own[wanted], self._rate(source, stack))
        if lateral.keys.resize:
            tags = {"pathway": lateral.name, "value": lateral.name}
            given = self.scope.add(f"{name}_resize", Resize(), given, x, **tags)
        op = _joining(lateral.keys)
        return self.scope.add(f"{name}_join", op, x, given, **stack.writer.tags)

    def _pass(self, lateral: Lateral, name: str, x: Ref, rate: int) -> Ref:
        """Return what a lateral's layers make of a value."""
        tags = {"pathway": lateral.name, "value": lateral.name}
        derived = {"rate": rate}
        if not lateral.layers:
            return x
        if len(lateral.layers) == 1:
            alone = LayerWriter(self.scope, tags=tags, derived=derived)
            return alone.layer(replace(lateral.layers[0], name=name), x)

        def build(scope: Scope, y: Ref) -> Ref:
            writer = LayerWriter(scope, derived=derived)
            for layer in lateral.layers:
                y = writer.layer(layer, y)
            return y

        return self.scope.sub(name, "lateral", x, build, **tags)

    def _rate(self, source: _Stack, into: _Stack) -> int:
        """Return how many frames of one pathway stand for one of another."""
        return max(1, into.pathway.rate // source.pathway.rate)


def _no_tap(spec: Spec, pathway: Pathway, layer: str) -> SpecError:
    node: Node | None = spec.tree
    for key in (*place_of(pathway.name), "tap"):
        node = node.get(key) if isinstance(node, Mapping) else None
    assert node is not None
    return SpecError(
        Diagnostic(
            "unknown-layer",
            f"there is no `{pathway.tap:.80}` in the trunk",
            (Label(node.span, f"not a part of {layer}"),),
            help=f"`stspec show` names the parts of {layer}",
        )
    )


def _joining(keys: LateralKeys) -> Op:
    """Return what joins a pathway's value with what a lateral gives."""
    if keys.join == "average":
        return Average(weights=tuple(keys.weights) if keys.weights else None)
    return Concat() if keys.join == "concat" else Add()


def _circular(spec: Spec, lateral: Lateral | None) -> SpecError:
    node = lateral.node if lateral is not None else spec.tree
    return SpecError(
        Diagnostic(
            "circular-pathways",
            "pathways wait for one another",
            (Label(node.span, "this reads a layer that needs what stands here"),),
            help="a lateral reads a layer no further along than the one it ends behind",
        )
    )
