"""One standalone file per model, its header, and the map from its lines to the graph."""

from __future__ import annotations

import builtins
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from stspec import __version__
from stspec.compose.locate import data_root
from stspec.diagnostics.cells import width_of
from stspec.emit.classes import ClassPlan, Planner, inserted
from stspec.emit.construct import (
    Constructor,
    Instance,
    Slot,
    entry_layout,
    input_name,
    layers_of,
    quicken,
)
from stspec.emit.library import definitions, template_path
from stspec.emit.naming import class_name
from stspec.emit.render import FOLD_TIME, UNFOLD_TIME, ClassText, ClassWriter, library
from stspec.emit.text import INDENT
from stspec.graph import Graph
from stspec.ops.base import Layout, Shape
from stspec.passes.facts import Facts
from stspec.schema.spec import Spec

if TYPE_CHECKING:
    import jinja2


@dataclass(frozen=True, slots=True)
class Emitted:
    """Source text of a model, the name of its class, and its source map.

    ``lines`` maps a line (from 1) to the path of the first node that it constructs.
    """

    text: str
    class_name: str
    lines: dict[int, str]


def emit_source(
    spec: Spec, graph: Graph, facts: Facts, hashes: Sequence[str] = (), *, canonical: bool = False
) -> Emitted:
    """Write a model as standalone PyTorch source.

    Args:
        spec: the spec, for names and texts.
        graph: its graph.
        facts: shapes of its nodes.
        hashes: lines of provenance for the header.
        canonical: use the canonical operators, slower, whose MACs can be counted as they run.
    """
    root = Constructor(facts).model(graph)
    quicken(root)
    planner = Planner(root, class_name(spec), _taken(root))
    model = planner.plan_of[id(root)]
    _let_classes_vary(model)
    texts = [_class(plan, planner) for plan in planner.plans if plan is not model]
    texts.append(_model(spec, model, planner, facts, graph))
    sources = [source.text for source in library(root, canonical)]
    bodies = ["\n".join(text.lines) for text in texts]
    return _assemble(spec, facts, hashes, sources, texts, bodies)


def _taken(root: Instance) -> set[str]:
    """Return the names that classes must not take: imports, builtins, the library's own."""
    names = {"torch", "F", "nn", "Tensor", "fold_time", "unfold_time", *dir(builtins)}
    for layer in layers_of(root):
        if layer.template is not None:
            names |= definitions(template_path(layer.template)).keys()
    return names


def _assemble(
    spec: Spec,
    facts: Facts,
    hashes: Sequence[str],
    sources: list[str],
    texts: list[ClassText],
    bodies: list[str],
) -> Emitted:
    whole = "\n".join([*sources, *bodies])
    definitions = [*_conversions(whole, bodies), *sources, *bodies]
    code = "\n\n\n".join(definitions)
    text = _render(_header(spec, facts, hashes), _imports(code), definitions)
    return Emitted(text, texts[-1].name, _line_map(text, texts))


def _conversions(whole: str, bodies: list[str]) -> list[str]:
    """Return the helpers between layouts that the classes call."""
    found = []
    for name, text in (("fold_time", FOLD_TIME), ("unfold_time", UNFOLD_TIME)):
        if re.search(rf"\b{name}\(", whole):
            found.append(text)
    return found


def _render(docstring: str, imports: str, definitions: list[str]) -> str:
    text = _template().render(docstring=docstring, imports=imports, definitions=definitions)
    return text.rstrip("\n") + "\n"


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(data_root() / "templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template("model.py.j2")


def _imports(code: str) -> str:
    lines = ["import torch"] if re.search(r"\btorch\.", code) else []
    if re.search(r"\bF\.", code):
        lines.append("import torch.nn.functional as F")
    names = [name for name in ("Tensor", "nn") if re.search(rf"\b{name}\b", code)]
    lines.append("from torch import " + ", ".join(names))
    if re.search(r"\bFunction\b", code):
        # torch.autograd.Function.apply has no types.
        lines.insert(0, "# mypy: allow-untyped-calls")
    return "\n".join(lines)


def _header(spec: Spec, facts: Facts, hashes: Sequence[str]) -> str:
    title = f"{spec.model.title or spec.name} on {spec.backbone.title or spec.backbone.name}"
    what = "Clip" if facts.input.is_trunk else "Features"
    about = plain(spec.model.about or "", 95) or plain(title, 95)
    shape = f"(N, {', '.join(map(str, facts.input.dims))})"
    macs = sum(facts.macs().values())
    lines = [
        about.rstrip(" .") + ".",
        "",
        f"{what} {shape}; {facts.params / 1e6:.2f} M parameters, {macs / 1e9:.2f} GMACs.",
    ]
    papers = dict.fromkeys(
        plain(p) for p in (spec.model.paper, spec.policy.paper, spec.backbone.paper) if p
    )
    for paper in papers:
        room = 96 if paper.isascii() else 48  # a character may take two columns
        lines += textwrap.wrap(f"Paper: {paper}", room, subsequent_indent="    ")
    lines += [
        "",
        f"N clips of T frames; shapes in comments are those of the {what.lower()} above.",
        "",
    ]
    lines.append(f"Written by stspec {__version__} from the spec '{plain(spec.name, 50)}'.")
    lines.extend(hashes)
    return "\n".join(lines)


def plain(text: str, columns: int = 300) -> str:
    """Return a text that cannot end a docstring or hide in it, cut to so many columns."""
    kept = "".join(c if c.isprintable() and c not in '"\\' else " " for c in text)
    whole = " ".join(kept.split())
    if width_of(whole) <= columns:
        return whole
    whole = whole[: columns - 3]
    while width_of(whole) > columns - 3:
        whole = whole[:-1]
    return whole.rstrip(" .") + "..."


def _class(plan: ClassPlan, planner: Planner) -> ClassText:
    return ClassWriter(plan, planner, [_describe(plan)]).write()


def _describe(plan: ClassPlan) -> str:
    """Return a class's docstring: what kind of thing it is and what was added to it."""
    kind = plan.first.graph.kind.replace("_", " ")
    inserted_in = inserted(plan.first.graph)
    names = {
        "conv unit": "Convolution, batch norm and ReLU",
        "inception": "Inception module",
        "downsample inception": "Inception module that halves the resolution",
        "split branch": "Branch that ends in convolutions side by side",
        "basic": "Basic residual block",
        "downsample basic": "Basic residual block with a projected shortcut",
        "padded basic": "Basic residual block with a shortcut padded by zeros",
        "bottleneck": "Bottleneck residual block",
        "downsample bottleneck": "Bottleneck residual block with a projected shortcut",
        "multiscale bottleneck": "Bottleneck with a cascade of 3x3 convolutions",
        "downsample multiscale bottleneck": (
            "Bottleneck with parallel 3x3s and a projected shortcut"
        ),
        "strided multiscale bottleneck": "Bottleneck with parallel 3x3 convolutions",
        "motion excitation": "Excites channels where neighbouring frames differ",
        "correlation block": "Correlation of reduced features with the previous frame's",
        "separable conv": "Spatial convolution, then a temporal one",
        "parallel separable conv": "Spatial and temporal convolution of one input, summed",
        "skip separable conv": "Spatial convolution, and a temporal one of it that is added",
        "spatiotemporal groups": "Spatial and spatio-temporal convolution side by side",
        "open bottleneck": "Bottleneck residual block without activation at its end",
        "pooled bottleneck": "Bottleneck residual block with a pooled shortcut",
        "big little": "Big branch at half the resolution, little branch beside it, and their sum",
        "big little stem": "Big and little branch of the stem, and their sum",
        "little stem": "Little branch of the stem",
        "padded bottleneck": "Bottleneck residual block with a shortcut padded by zeros",
        "preactivation basic": "Residual block, norms first",
        "downsample preactivation basic": "Residual block, norms first, its shortcut projected",
        "padded preactivation basic": "Residual block, norms first, its shortcut padded by zeros",
        "padded preactivation bottleneck": (
            "Bottleneck residual block, norms first, its shortcut padded by zeros"
        ),
        "preactivation bottleneck": "Bottleneck residual block, norms first",
        "downsample preactivation bottleneck": (
            "Bottleneck residual block, norms first, its shortcut projected"
        ),
        "channel separated": "Convolution over channels, then one of each channel's positions",
        "dense layer": "Convolutions whose channels join those that arrive",
        "transition": "Halves channels and resolution between dense blocks",
        "inverted residual": "Inverted residual block",
        "inverted bottleneck": "Inverted bottleneck residual block",
        "downsample inverted bottleneck": (
            "Inverted bottleneck residual block with a projected shortcut"
        ),
        "linear bottleneck": "Inverted residual block without shortcut",
        "fire": "Fire module",
        "bypass fire": "Fire module with bypass",
        "excitation": "Excitation: features weighed by gates that they make of themselves",
        "multi scale temporal": "Temporal convolutions of several lengths in groups of channels",
        "temporal pyramid": "Levels of several depths, each at its tempo, fused both ways",
        "encoder layer": "Transformer encoder layer, norms behind sums",
        "non local": "Non-local block: every position attends to all positions of the clip",
    }
    text = names.get(kind, kind.capitalize())
    words = {
        "tam": "TAM",
        "tam_residual": "TAM",
        "nl": "a non-local block",
        "se": "squeeze-excitation",
        "shift": "a temporal shift",
        "motion": "excitation by motion",
        "blend": "temporal convolutions",
        "gate_shift": "a gated shift",
        "gate_shift_strided": "a gated shift",
        "interlace": "temporal interlacing",
        "corr": "correlation",
    }
    added = tuple(name for name in inserted_in if name != "separable")
    separable = "separable" in inserted_in and "separable" not in kind
    end = ", separable over space and time." if separable else "."
    parts = [words.get(name, name.replace("_", " ")) for name in added]
    told = f"{text}, with {listing(parts)}{end}" if parts else text + end
    # What is added by several rules is told by their names.
    return told if len(told) <= LONGEST else f"{text}, with {listing(added)}{end}"


LONGEST = 90
"""Characters of a class's first line."""


def listing(names: Sequence[str]) -> str:
    """Return names as a list: TAM, a shift and a non-local block."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _let_classes_vary(model: ClassPlan) -> None:
    """Make the number of classes an argument of the model's constructor."""
    for slot in model.fills:
        if _is_classifier(model, slot):
            model.fills[slot] = "num_classes"


def _is_classifier(model: ClassPlan, slot: Slot) -> bool:
    path, argument, _ = slot
    if argument not in ("out_features", "out_channels"):
        return False
    graph: Graph = model.first.graph
    for name in path.split(".")[:-1]:
        body = graph.node(name).body
        if not isinstance(body, Graph):
            return False
        graph = body
    node = graph.node(path.rpartition(".")[2])
    return any(role == "classifier" for role, _ in node.tags.roles)


def _model(spec: Spec, plan: ClassPlan, planner: Planner, facts: Facts, graph: Graph) -> ClassText:
    entry = _entry(facts.input, entry_layout(graph), input_name(graph))
    title = plain(spec.model.title or "", 60) or plan.name
    is_clip = facts.input.is_trunk
    what = "clips" if is_clip else "features"
    docstring = [f"{title} for {what} of {facts.input.frames} frames."]
    has_classes = any(fill == "num_classes" for fill in plan.fills.values())
    parameters = [f"num_classes: int = {spec.model.classes}"] if has_classes else []
    init = _initialisation({layer.cls for layer in layers_of(plan.first)})
    writer = ClassWriter(plan, planner, docstring)
    name = "clip" if is_clip else "features"
    return writer.write(
        entry=entry, comments=True, init=init, parameters=parameters, input_name=name
    )


def _entry(shape: Shape, layout: Layout, name: str) -> list[str]:
    """Return forward's first statements: the clip as the first operator wants it."""
    if not shape.is_trunk:
        return []
    if layout == "frames":
        folded = f"(N*{shape.frames}, {shape.channels}, {shape.height}, {shape.width})"
        return [
            f"{name} = clip.transpose(1, 2).flatten(0, 1)  # {folded}",
            f"{name} = {name}.contiguous(memory_format=torch.channels_last)",
        ]
    return [f"{name} = clip.contiguous(memory_format=torch.channels_last_3d)"]


MEMORY_FORMATS = {
    ("nn.Conv2d",): "torch.channels_last",
    ("nn.Conv3d", "Conv3d", "DepthwiseConv3d"): "torch.channels_last_3d",
}
"""Where the channels of a weight lie last, as those of its input do, no call reorders them."""


def _initialisation(layers: set[str]) -> list[str]:
    """Return the statements that initialise (He et al., 2015) and lay out convolutions."""
    he = 'nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")'
    lines: list[str] = []
    for classes, memory_format in MEMORY_FORMATS.items():
        convs = [conv for conv in classes if conv in layers]
        if convs:
            is_one = " or ".join(f"type(module) is {conv}" for conv in convs)
            branch = "elif" if lines else "if"
            laid = f"weight.contiguous(memory_format={memory_format})"
            lines += [
                f"{INDENT}{branch} {is_one}:",
                f"{INDENT * 2}weight = module.weight.data",
                f"{INDENT * 2}{he}",
                f"{INDENT * 2}module.weight.data = {laid}",
            ]
    return ["", "for module in self.modules():", *lines] if lines else []


def _line_map(text: str, texts: list[ClassText]) -> dict[int, str]:
    lines = text.splitlines()
    found: dict[int, str] = {}
    for cls in texts:
        start = lines.index(cls.lines[0])
        for offset, path in cls.members.items():
            found[start + offset + 1] = path
    return found
