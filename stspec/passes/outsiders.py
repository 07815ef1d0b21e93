"""Operators from outside the package: mistakes in their code are told as mistakes of theirs."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.ops.base import Layer, Layout, Op, Param, Site, Window
from stspec.ops.registry import OPS
from stspec.passes.diagnose import written_at
from stspec.passes.facts import Fact, Facts, OperatorError
from stspec.schema.spec import Spec

CLASSES = ("convolution", "linear", "matmul")
"""What macs() counts."""

EMITTED = frozenset(["torch", "F", "Tensor", "nn", "fold_time", "unfold_time"])
"""Names that emitted source has of its own; a template may import the first four."""

IMPORTS = frozenset(
    [
        "import torch",
        "import torch.nn.functional as F",
        "from torch import Tensor",
        "from torch import nn",
        "from __future__ import annotations",
    ]
)


def outsiders(facts: Facts) -> dict[str, Fact]:
    """Return the operators that are not the package's own, each kind once."""
    found = {fact.node.body.kind: fact for fact in facts.operators()}
    return {kind: fact for kind, fact in found.items() if kind not in OPS.built_in}


def operator_diagnosis(spec: Spec, error: OperatorError) -> SpecError:
    """Return the diagnosis of an operator whose declaration raised."""
    cause = f"{type(error.cause).__name__}: {error.cause}"
    return _broken(spec, error.path, error.rule, error.op, f"raises {cause} for {error.shapes}")


def check_outsiders(spec: Spec, facts: Facts) -> None:
    """Look for the modules of operators from outside, without running them.

    Raises:
        SpecError: if a template is missing, is no Python, or lacks the class it should define.
    """
    for fact in outsiders(facts).values():
        op = fact.node.body
        assert isinstance(op, Op)
        found = _flaw(op, fact)
        if found is not None:
            raise _broken(spec, fact.path, fact.node.tags.rule, op, found)


def _flaw(op: Op, fact: Fact) -> str | None:
    """Return what is wrong with a declaration at one of its places."""
    try:
        hash(op)
    except TypeError as error:
        return f"has a field that is no fixed value ({error}): declare lists as tuples"
    if op.layout not in (None, *get_args(Layout)):
        return f"has the layout {op.layout!r:.40}, which is neither 'frames' nor 'clip'"
    found = _param_flaw(fact.params) or _macs_flaw(fact.macs)
    if found is not None:
        return found
    name = "window"
    try:
        window = op.window()
        name = "layer"
        layer = op.layer(Site(fact.inputs, fact.output, op.layout or "clip"))
    except Exception as error:
        return f"raises {type(error).__name__}: {error} in {name}()"
    if not isinstance(window, Window):
        return f"gives {window!r:.80} in window(), which is no Window"
    return None if layer is None else _layer_flaw(layer)


def _param_flaw(params: Sequence[Param]) -> str | None:
    names = [param.name for param in params]
    for param in params:
        if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", str(param.name)):
            return f"has a parameter named {param.name!r:.80}"
        if names.count(param.name) > 1:
            return f"has two parameters named {param.name}"
        if not all(type(size) is int and size >= 0 for size in param.shape):
            return f"gives {param.name} the shape {param.shape!r:.80}"
    return None


def _macs_flaw(macs: object) -> str | None:
    if not isinstance(macs, Mapping):
        return f"gives {macs!r:.80} in macs(), which is no mapping"
    for kind, count in macs.items():
        if kind not in CLASSES or type(count) is not int or count < 0:
            what = f"{kind!r:.40}: {count!r:.40}"
            return f"gives {{{what}}} in macs(); it counts {', '.join(CLASSES)}"
    return None


def _layer_flaw(layer: object) -> str | None:
    if not isinstance(layer, Layer):
        return f"gives {layer!r:.80} in layer(), which is no Layer"
    for arg in layer.args:
        if not arg.name.isidentifier():
            return f"gives its layer an argument named {arg.name!r:.80}"
        plain = arg.value if isinstance(arg.value, tuple) else (arg.value,)
        if not all(isinstance(value, int | float | str | None) for value in plain):
            return f"gives its layer {arg.name} = {arg.value!r:.80}, which cannot be written"
    if layer.template is not None and layer.template.endswith(".py"):
        return _template_flaw(layer.cls, Path(layer.template))
    if not re.fullmatch(r"(nn\.)?[A-Za-z_]\w*", layer.cls):
        return f"names the class {layer.cls!r:.80}"
    return None


def _template_flaw(cls: str, path: Path) -> str | None:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"has no readable module template {path.name}: {error.strerror or error}"
    except (SyntaxError, ValueError) as error:
        return f"has a module template, {path.name}, that is no Python: {error}"
    if not any(isinstance(node, ast.ClassDef) and node.name == cls for node in tree.body):
        return f"names the class {cls}, which {path.name} does not define"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in EMITTED:
            return (
                f"has a module template that defines {node.name}, which emitted source has itself"
            )
        if isinstance(node, ast.Import | ast.ImportFrom):
            lines = {line.strip() for line in ast.unparse(node).splitlines()}
            if isinstance(node, ast.ImportFrom) and node.module == "torch":
                lines = {f"from torch import {name.name}" for name in node.names if not name.asname}
            if not lines or not lines <= IMPORTS:
                line = ast.unparse(node)
                return f"has a module template with `{line:.80}`, which emitted source lacks"
    return None


def _broken(spec: Spec, path: str, rule: str | None, op: Op, what: str) -> SpecError:
    label = Label(written_at(spec, path, rule), "used here")
    return SpecError(
        Diagnostic(
            "broken-op",
            f"operator `{op.kind}` {what}",
            (label,),
            help=f"its declaration is the class {type(op).__name__}",
        )
    )
