"""Operators from outside the package: mistakes in their code are told as mistakes of theirs."""

from __future__ import annotations

import ast
from pathlib import Path

from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.ops.base import Layer, Op, Site
from stspec.ops.registry import OPS
from stspec.passes.diagnose import written_at
from stspec.passes.facts import Fact, Facts, OperatorError
from stspec.schema.spec import Spec


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
    try:
        layer = op.layer(Site(fact.inputs, fact.output, op.layout or "clip"))
    except Exception as error:
        return f"raises {type(error).__name__}: {error} in layer()"
    if layer is None or layer.template is None or not layer.template.endswith(".py"):
        return None
    return _template_flaw(layer, Path(layer.template))


def _template_flaw(layer: Layer, path: Path) -> str | None:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"has no readable module template {path.name}: {error.strerror or error}"
    except (SyntaxError, ValueError) as error:
        return f"has a module template, {path.name}, that is no Python: {error}"
    if not any(isinstance(node, ast.ClassDef) and node.name == layer.cls for node in tree.body):
        return f"names the class {layer.cls}, which {path.name} does not define"
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
