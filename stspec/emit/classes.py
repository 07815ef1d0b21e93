"""Classes: instances of one structure share one; what varies between them are arguments."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import count

from stspec.emit.construct import Instance, Member, Slot, layer_slots
from stspec.graph import Graph
from stspec.ops.base import Value
from stspec.ops.sample import FrameRepeat, FrameSample

Vector = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a class's constructor."""

    name: str
    annotation: str = "int"
    default: Value | None = None


@dataclass(slots=True)
class ClassPlan:
    """A class: its instances, and for every slot the expression that fills it."""

    name: str
    instances: list[Instance]
    parameters: list[Parameter] = field(default_factory=list)
    fills: dict[Slot, str] = field(default_factory=dict)
    arguments: dict[int, dict[str, Value]] = field(default_factory=dict)
    """Values of the parameters by instance (its identity)."""

    @property
    def first(self) -> Instance:
        """Return the instance that the class is written after."""
        return self.instances[0]

    def stored(self) -> list[str]:
        """Return the parameters that forward needs."""
        used = [fill for (path, _, _), fill in self.fills.items() if path.startswith("@")]
        return [p.name for p in self.parameters if p.name in used]


class Planner:
    """Groups the instances of a model into classes, the innermost first."""

    def __init__(self, root: Instance, model_name: str, taken: Collection[str] = ()) -> None:
        self.root = root
        self.plans: list[ClassPlan] = []
        self.plan_of: dict[int, ClassPlan] = {}
        self._names: set[str] = set(taken)
        model_name = self._free(model_name)
        levels: dict[int, list[Instance]] = {}
        for instance in _every(root):
            levels.setdefault(_height(instance), []).append(instance)
        for height in sorted(levels):
            self._plan_level(levels[height])
        self.plan_of[id(root)].name = model_name

    def _plan_level(self, instances: list[Instance]) -> None:
        groups: dict[str, list[Instance]] = {}
        for instance in instances:
            groups.setdefault(self._signature(instance), []).append(instance)
        for group in groups.values():
            plan = ClassPlan(self._class_name(group[0]), group)
            _Columns(plan, self.plan_of).assign()
            self.plans.append(plan)
            for instance in group:
                self.plan_of[id(instance)] = plan

    def _signature(self, instance: Instance) -> str:
        members = ";".join(self._describe(member) for member in instance.members)
        lines = ";".join(f"{s.target}={s.expression}" for s in instance.statements)
        return f"{instance.graph.kind}|{members}|{lines}"

    def _describe(self, member: Member) -> str:
        if member.layer is not None:
            names = ",".join(
                f"{a.name}{len(a.value) if isinstance(a.value, tuple) else ''}"
                for a in member.layer.args
            )
            init = ",".join(member.layer.init)
            return f"{member.name}:{member.layer.cls}({names}){init}"
        if member.instance is not None:
            return f"{member.name}:{id(self.plan_of[id(member.instance)])}"
        inner = ",".join(self._describe(child) for child in member.children or ())
        return f"{member.name}:[{inner}]"

    def _class_name(self, instance: Instance) -> str:
        """Name a class after its kind; where kinds are shared, after what was inserted."""
        kind = instance.graph.kind
        differ = {inserted(other.graph) for other in _every(self.root) if other.graph.kind == kind}
        added = inserted(instance.graph) if len(differ) > 1 else ()
        return self._free("".join(map(camel, added)) + camel(kind))

    def _free(self, name: str) -> str:
        taken = name in self._names
        if taken:
            name = next(f"{name}{i}" for i in count(2) if f"{name}{i}" not in self._names)
        self._names.add(name)
        return name


class _Columns:
    """Finds the arguments of one class: slots that vary, merged where they vary alike."""

    def __init__(self, plan: ClassPlan, plan_of: dict[int, ClassPlan]) -> None:
        self.plan, self.plan_of = plan, plan_of
        self.slots = self._collect()
        self.named = self._field_vectors()
        self.by_vector: dict[Vector, str] = {}

    def _collect(self) -> dict[Slot, Vector]:
        per_instance = [dict(self._values(instance)) for instance in self.plan.instances]
        return {slot: tuple(values[slot] for values in per_instance) for slot in per_instance[0]}

    def _values(self, instance: Instance) -> Iterator[tuple[Slot, Value]]:
        yield from self._member_values(instance.members, "")
        for key, frames in instance.frames.items():
            yield (f"@{key}", "frames", -1), frames

    def _member_values(self, members: list[Member], prefix: str) -> Iterator[tuple[Slot, Value]]:
        for member in members:
            path = prefix + member.name
            if member.layer is not None:
                yield from layer_slots(member.layer, path)
            if member.instance is not None:
                plan = self.plan_of[id(member.instance)]
                for name, value in plan.arguments[id(member.instance)].items():
                    yield (path, name, -1), value
            yield from self._member_values(member.children or [], path + ".")

    def _field_vectors(self) -> dict[Vector, str]:
        """Return the block's own settings by their values, the plainest name first."""
        fields = [instance.graph.fields for instance in self.plan.instances]
        vectors: dict[Vector, str] = {}
        self.fields = {name: tuple(f.get(name) for f in fields) for name in fields[0]}
        for name, vector in self.fields.items():
            if name in ("in_channels", "out_channels") or all(type(v) is int for v in vector):
                vectors.setdefault(vector, name)
        return vectors

    def assign(self) -> None:
        """Fill every slot with a constant or an argument."""
        for slot, vector in self.slots.items():
            if len(set(map(repr, vector))) == 1:
                self.plan.fills[slot] = repr(vector[0])
            else:
                self.plan.fills[slot] = self._expression(slot, vector)
        self.plan.parameters = sorted(
            (
                Parameter(name, type(vector[0]).__name__, _default(name, vector))
                for vector, name in self.by_vector.items()
            ),
            key=_place,
        )
        for i, instance in enumerate(self.plan.instances):
            self.plan.arguments[id(instance)] = {
                name: vector[i] for vector, name in self.by_vector.items()
            }

    def _expression(self, slot: Slot, vector: Vector) -> str:
        if vector in self.by_vector:
            return self.by_vector[vector]
        derived = self._half(slot, vector) or self._multiple(vector) or self._sum(vector)
        if derived is not None:
            return derived
        name = self.named.get(vector) or self._own_name(slot)
        self.by_vector[vector] = name
        return name

    def _half(self, slot: Slot, vector: Vector) -> str | None:
        """Return 'kernel // 2' for a padding that follows from the kernel."""
        kernel = self.slots.get((slot[0], "kernel_size", slot[2]))
        if slot[1] != "padding" or kernel not in self.by_vector:
            return None
        fits = all(isinstance(k, int) and v == k // 2 for k, v in zip(kernel, vector, strict=True))
        return f"{self.by_vector[kernel]} // 2" if fits else None

    def _multiple(self, vector: Vector) -> str | None:
        """Return '4 * width' where a column is a multiple of the block's width."""
        for base, name in self.named.items():
            if name != "width" or base == vector or len(set(base)) < 2:
                continue
            ratios = {_ratio(value, unit) for value, unit in zip(vector, base, strict=True)}
            ratio = ratios.pop()
            if not ratios and ratio is not None and ratio > 1:
                self.by_vector.setdefault(base, name)
                return f"{ratio} * {self.by_vector[base]}"
        return None

    def _sum(self, vector: Vector) -> str | None:
        """Return 'branch1 + branch2' where a column is what the block's branches add up to."""
        branches = [name for name in self.fields if name.startswith("branch")]
        columns = [self.fields[name] for name in branches]
        if not columns or any(column not in self.by_vector for column in columns):
            return None
        sums = tuple(
            sum(v for v in row if isinstance(v, int)) for row in zip(*columns, strict=True)
        )
        return " + ".join(self.by_vector[column] for column in columns) if sums == vector else None

    def _own_name(self, slot: Slot) -> str:
        path, argument, index = slot
        plain = argument.removesuffix("_size") if argument == "kernel_size" else argument
        is_time = index == 0 and (path, argument, 2) in self.slots
        if is_time and self.slots[slot] != self.slots[path, argument, 1]:
            plain += "_t"
        last = 2 if (path, argument, 2) in self.slots else 1
        if index == last and self.slots[slot] != self.slots[path, argument, last - 1]:
            plain += "_w"
        taken = {*self.by_vector.values(), *self.named.values()}
        owner = path.replace(".", "_").lstrip("@")
        owner = f"layer{owner}" if owner[:1].isdigit() else owner
        names = (plain, f"{owner}_{plain}", *(f"{owner}_{plain}{i}" for i in range(2, 99)))
        return next(name for name in names if name not in taken)


def _ratio(value: Value, unit: Value) -> int | None:
    if isinstance(value, int) and isinstance(unit, int) and unit and value % unit == 0:
        return value // unit
    return None


POSITIONAL = (
    *("in_channels", "out_channels", "width"),
    *("branch1", "reduce2", "branch2", "reduce3", "branch3", "branch4"),
)
"""Arguments that are clear without their names, in this order."""


def _place(parameter: Parameter) -> tuple[bool, int]:
    """Return a sort key: plain arguments in front, those with defaults at the end."""
    known = parameter.name in POSITIONAL
    return parameter.default is not None, POSITIONAL.index(parameter.name) if known else 99


def _default(name: str, vector: Vector) -> Value | None:
    return 1 if name == "stride" and 1 in vector else None


def _every(root: Instance) -> Iterator[Instance]:
    for instance in root.instances():
        yield from _every(instance)
    yield root


def _height(instance: Instance) -> int:
    return 1 + max((_height(owned) for owned in instance.instances()), default=0)


_FRAMES = (FrameSample, FrameRepeat)


def inserted(graph: Graph) -> tuple[str, ...]:
    """Return what a policy added: temporal rules and insertions, separable convolutions.

    Which frames are read goes without saying.
    """
    names = []
    for node in graph.nodes:
        section, _, rule = (node.tags.rule or "").rpartition(".")
        # What is inserted bears the rule's name, what is converted keeps its own.
        added = section.endswith("temporal") or (rule and node.name == rule)
        if added and not isinstance(node.body, _FRAMES):
            names.append(rule)
    if any((node.tags.slot or "").endswith("_t") for node in graph.nodes):
        names.append("separable")
    return tuple(dict.fromkeys(names))


def camel(kind: str) -> str:
    """Return a class name: conv_unit becomes ConvUnit."""
    special = {"tam": "TAM", "nl": "NonLocal", "se": "SE", "tsm": "TSM"}
    return "".join(special.get(part, part.capitalize()) for part in kind.split("_"))
