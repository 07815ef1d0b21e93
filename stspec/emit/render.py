"""Plans as source text: one file, torch its only import."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.emit.classes import POSITIONAL, ClassPlan, Planner
from stspec.emit.construct import Instance, Member, layers_of
from stspec.emit.library import Source, closure, template_path
from stspec.emit.text import INDENT, Call, layout
from stspec.ops.base import Arg, Layer

FOLD_TIME = '''def fold_time(clip: Tensor) -> Tensor:
    """Fold time into the batch: (N, C, T, H, W) to (N*T, C, H, W)."""
    return clip.transpose(1, 2).flatten(0, 1)'''
UNFOLD_TIME = '''def unfold_time(frames: Tensor, length: int) -> Tensor:
    """Unfold time from the batch: (N*T, C, H, W) to (N, C, T, H, W)."""
    return torch.unflatten(frames, 0, (-1, length)).transpose(1, 2)'''


@dataclass(frozen=True, slots=True)
class ClassText:
    """A class as lines, and the paths of the nodes that its lines stand for."""

    name: str
    lines: list[str]
    members: dict[int, str]
    """Path of the first node that a line constructs, by index of line."""


class ClassWriter:
    """Writes one planned class."""

    def __init__(self, plan: ClassPlan, planner: Planner, docstring: Sequence[str]) -> None:
        self.plan, self.planner, self.docstring = plan, planner, docstring
        self.members: dict[int, str] = {}

    def write(
        self,
        *,
        entry: Sequence[str] = (),
        comments: bool = False,
        init: Sequence[str] = (),
        parameters: Sequence[str] = (),
        input_name: str | None = None,
    ) -> ClassText:
        """Return the class; ``entry`` are statements in front of forward's own."""
        lines = [f"class {self.plan.name}(nn.Module):", *self._doc(1, self.docstring), ""]
        lines += self._init(lines, init, parameters)
        lines += ["", *self._forward(entry, comments, input_name)]
        return ClassText(self.plan.name, lines, self.members)

    def _doc(self, indent: int, text: Sequence[str]) -> list[str]:
        pad = INDENT * indent
        if len(text) == 1:
            return [f'{pad}"""{text[0]}"""']
        return [
            f'{pad}"""{text[0]}',
            *(f"{pad}{line}" if line else "" for line in text[1:]),
            f'{pad}"""',
        ]

    def _init(self, above: list[str], extra: Sequence[str], parameters: Sequence[str]) -> list[str]:
        own = [_parameter(p.name, p.annotation, p.default) for p in self.plan.parameters]
        arguments = ["self", *own, *parameters]
        lines = layout("def ", Call("__init__", arguments, suffix=" -> None"), 1, ":")
        body = [f"{INDENT * 2}super().__init__()"]
        body += [f"{INDENT * 2}self.{name} = {name}" for name in self.plan.stored()]
        for member in self.plan.first.members:
            path = f"{self.plan.first.path}.{member.name}".lstrip(".")
            self.members[len(above) + len(lines) + len(body)] = path
            body += self._member(member)
        return lines + body + [f"{INDENT * 2}{line}" if line else "" for line in extra]

    def _member(self, member: Member) -> list[str]:
        call = self._construct(member, member.name)
        if member.name.isdigit():
            return layout("self.", Call("add_module", [f'"{member.name}"', call]), 2)
        attribute = f"self.{member.name}"
        lines = layout(f"{attribute} = ", call, 2)
        if member.layer is not None:
            lines += [f"{INDENT * 2}{line.format(attribute)}" for line in member.layer.init]
        return lines

    def _construct(self, member: Member, path: str) -> Call:
        if member.layer is not None:
            return self._layer(member.layer, path)
        if member.instance is not None:
            return self._instance(member.instance, path)
        children = member.children or []
        calls = [self._construct(child, f"{path}.{child.name}") for child in children]
        return Call("nn.Sequential", list(_rolled(calls)))

    def _layer(self, layer: Layer, path: str) -> Call:
        torch_layer = layer.is_torch or layer.cls.startswith("nn.")
        args: list[str] = []
        for arg in layer.args:
            text, is_default = self._argument(path, arg, torch_layer)
            if not is_default:
                args.append(f"{arg.name}={text}" if arg.keyword else text)
        return Call(layer.cls, args)

    def _argument(self, path: str, arg: Arg, torch_layer: bool) -> tuple[str, bool]:
        if not isinstance(arg.value, tuple):
            text = self.plan.fills[path, arg.name, -1]
            return text, arg.default != "required" and text == repr(arg.default)
        parts = [self.plan.fills[path, arg.name, i] for i in range(len(arg.value))]
        whole = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        is_default = isinstance(arg.default, tuple) and whole == repr(arg.default)
        # torch takes one number for equal axes; our own templates take what they declare.
        short = torch_layer and len(set(parts)) == 1
        return (parts[0] if short else whole), is_default

    def _instance(self, instance: Instance, path: str) -> Call:
        plan = self.planner.plan_of[id(instance)]
        args = []
        for parameter in plan.parameters:
            fill = self.plan.fills[path, parameter.name, -1]
            if parameter.default is not None:
                if fill != repr(parameter.default):
                    args.append(f"{parameter.name}={fill}")
            else:
                args.append(fill if parameter.name in POSITIONAL else f"{parameter.name}={fill}")
        return Call(plan.name, args)

    def _forward(self, entry: Sequence[str], comments: bool, name: str | None) -> list[str]:
        names = self.plan.first.graph.inputs if name is None else (name,)
        arguments = ", ".join(f"{each}: Tensor" for each in names)
        lines = [f"{INDENT}def forward(self, {arguments}) -> Tensor:"]
        lines += [f"{INDENT * 2}{line}" for line in entry]
        for statement in self.plan.first.statements:
            text = self._resolve(statement.expression)
            head = f"{statement.target} = " if statement.target else "return "
            tail = f"  # {statement.shape}" if comments else ""
            lines += _fit(head, text, tail)
        return lines

    def _resolve(self, text: str) -> str:
        """Put numbers of frames in their places: constants, or attributes where they vary."""

        def number(match: re.Match[str]) -> str:
            fill = self.plan.fills[f"@{match[1]}", "frames", -1]
            return fill if fill.isdigit() else f"self.{fill}"

        return re.sub("⟦(.+?)⟧", number, text)


def _fit(head: str, text: str, tail: str) -> list[str]:
    pad = INDENT * 2
    line = f"{pad}{head}{text}"
    if len(line) + len(tail) <= 100:
        return [line + tail]
    opening = _last_call(text)
    if opening is None or _is_chain(text):
        return [f"{pad}{head}(", f"{pad}{INDENT}{text}", f"{pad}){tail}"]
    return [
        f"{pad}{head}{text[: opening + 1]}",
        f"{pad}{INDENT}{text[opening + 1 : -1]}",
        f"{pad}{text[-1]}{tail}",
    ]


def _is_chain(text: str) -> bool:
    """Tell whether a text is several calls of what calls gave, which read best unbroken."""
    depth, links = 0, 0
    for here, following in pairwise(text):
        depth += {"(": 1, ")": -1}.get(here, 0)
        links += depth == 0 and here + following == ")."
    return links > 1


def _last_call(text: str) -> int | None:
    """Return where the bracket opens that a text's last character closes."""
    depth = 0
    for index in range(len(text) - 1, 0, -1):
        depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(text[index], 0)
        if depth == 0:
            return index if text.endswith((")", "]")) else None
    return None


def _parameter(name: str, annotation: str, default: object) -> str:
    return f"{name}: {annotation}" + (f" = {default!r}" if default is not None else "")


_ALIKE, _CLIMBING = 3, 4
"""Neighbours from which on a comprehension is shorter than a list."""


def _rolled(calls: list[Call]) -> Iterable[Call]:
    """Write equal neighbours, and those of which one number climbs, as comprehensions."""
    at = 0
    while at < len(calls):
        rest = calls[at:]
        alike = next((n for n, call in enumerate(rest) if call != rest[0]), len(rest))
        climbing, each = _climbing(rest)
        if alike >= _ALIKE:
            yield replace(rest[0], loop=f"_ in range({alike})")
        elif climbing >= _CLIMBING:
            yield each
        else:
            yield rest[0]
            climbing = alike = 1
        at += alike if alike >= _ALIKE else climbing


def _climbing(calls: list[Call]) -> tuple[int, Call]:
    """Return how many calls differ in one number that climbs evenly, and the comprehension."""
    if len(calls) < _CLIMBING or calls[0].name != calls[1].name:
        return 1, calls[0]
    first = list(calls[0].args)
    differ = [i for i, (x, y) in enumerate(zip(first, calls[1].args, strict=False)) if x != y]
    if len(first) != len(calls[1].args) or len(differ) != 1:
        return 1, calls[0]
    index = differ[0]
    numbers = [str(call.args[index]) for call in calls[:2]]
    if not all(number.isdigit() for number in numbers):
        return 1, calls[0]
    start, step = int(numbers[0]), int(numbers[1]) - int(numbers[0])
    wanted = (
        Call(calls[0].name, [*first[:index], str(start + step * n), *first[index + 1 :]])
        for n in range(len(calls))
    )
    count = next((n for n, (x, y) in enumerate(zip(calls, wanted, strict=True)) if x != y), None)
    length = len(calls) if count is None else count
    loop = f"n in range({start}, {start + step * length}, {step})"
    return length, Call(calls[0].name, [*first[:index], "n", *first[index + 1 :]], loop=loop)


def library(root: Instance, canonical: bool) -> list[Source]:
    """Return the template definitions that a model uses, each once, in order of use.

    Raises:
        SpecError: if two templates mean different things by one name.
    """
    found: dict[str, Source] = {}
    paths: dict[str, Path] = {}
    for template, cls in dict.fromkeys((layer.template, layer.cls) for layer in layers_of(root)):
        if template is not None:
            path = template_path(template, canonical)
            for source in closure(path, cls, template_path(template)):
                known = found.setdefault(source.name, source)
                if known.text != source.text:
                    raise _clash(source.name, paths[source.name], path)
                paths.setdefault(source.name, path)
    return list(found.values())


def _clash(name: str, *paths: Path) -> SpecError:
    places = " and ".join(f"`{display_path(path)}`" for path in paths)
    message = f"two module templates define `{name}`, each in its own way: {places}"
    return SpecError(Diagnostic("broken-op", message, help="give one of the two another name"))
