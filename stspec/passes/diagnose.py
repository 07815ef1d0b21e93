"""A shape error in the graph, told where the user can mend it."""

from __future__ import annotations

from stspec.diagnostics import Diagnostic, Label, Span, SpecError
from stspec.ops.base import Shape
from stspec.passes.facts import NodeShapeError
from stspec.schema.pathways import Pathway, place_of
from stspec.schema.spec import Spec
from stspec.source.nodes import Mapping, Node


def shape_diagnosis(spec: Spec, error: NodeShapeError) -> SpecError:
    """Return the diagnosis: a caret under what conflicts, and one under what it conflicts with."""
    owner = error.path.partition(".")[0]
    labels = [_conflict(spec, error, owner)]
    labels += [label for label in (_source(spec, error), _changed(spec, error)) if label]
    shapes = " and ".join(str(shape) for shape in error.inputs)
    return SpecError(
        Diagnostic(
            "impossible-shape",
            f"{error.path} {_sentence(str(error.cause))}",
            tuple(labels),
            help=f"{error.path} ({error.node.body.kind}) receives {shapes}",
        )
    )


def no_scores(spec: Spec, output: Shape) -> SpecError:
    """Return the diagnosis of a model with a head whose result is not one score per class."""
    classes = spec.model.classes
    return SpecError(
        Diagnostic(
            "no-scores",
            f"the model gives {output}, not scores (N, {classes})",
            (Label((_at(spec.tree, "policy") or spec.tree).span, "this policy changes its head"),),
            help="let its rules leave the head alone, or say `head: none` for a model without one",
        )
    )


def _sentence(text: str) -> str:
    return text if text.startswith(("receives", "needs", "cannot")) else f"cannot work: {text}"


def _at(node: Node | None, *path: str) -> Node | None:
    for key in path:
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def _conflict(spec: Spec, error: NodeShapeError, owner: str) -> Label:
    """Point at the field that conflicts: in the policy's rule, else in the backbone's layer."""
    field = error.cause.field or ""
    for place in _places(spec, error.path, error.node.tags.rule, field):
        found = _at(spec.tree, *place)
        if found is not None:
            is_layer = "backbone" in place and place[-1] != field
            return Label(found.span, f"{owner} is made here" if is_layer else "set here")
    return Label(spec.tree.span, "in this model")


def written_at(spec: Spec, path: str, rule: str | None) -> Span:
    """Return where the text stands from which a node came: its rule, its layer, or the head."""
    for place in _places(spec, path, rule, ""):
        found = _at(spec.tree, *place)
        if found is not None:
            return found.span
    return spec.tree.span


def _places(spec: Spec, path: str, rule: str | None, field: str) -> list[tuple[str, ...]]:
    """Return the paths in the tree that a node may have come from, the likeliest first."""
    owner = path.partition(".")[0]
    lateral = next((x.name for x in spec.laterals if _numbered(owner, x.name)), None)
    if lateral is not None:
        return [("laterals", lateral, "join"), ("laterals", lateral)]
    pathway = _pathway(spec, owner)
    base = place_of(pathway.name)
    owner = owner.removeprefix(pathway.prefix)
    places: list[tuple[str, ...]] = []
    if rule == "pooling":
        places = [("policy", "pooling", field), ("policy", "pooling")]
    elif rule:
        section, _, name = rule.partition(".")
        places = [("policy", section, name, field), ("policy", section, name)]
    if owner in ("frames", "channels", "differences"):
        key = owner if owner == "differences" else field or "every"
        places += [("sample", key), ("sample",)]
    places += [("backbone", "layers", owner, field), ("backbone", "layers", owner)]
    here = [(*base, *place) for place in places]
    return [*here, ("head",), ("backbone", "head"), (*base, "backbone")]


def _pathway(spec: Spec, path: str) -> Pathway:
    """Return the pathway whose name stands in front of a path; the trunk has none."""
    return next((p for p in spec.beside if path.startswith(p.prefix)), spec.trunk)


def _numbered(owner: str, lateral: str) -> bool:
    """Tell whether a node is one of a lateral's: fusion2, fusion2_join."""
    rest = owner.removeprefix(lateral)
    return rest != owner and rest.removesuffix("_join").removesuffix("_resize").isdigit()


def _source(spec: Spec, error: NodeShapeError) -> Label | None:
    """Point at the clip's frames or size, from which the axis that ran out came."""
    text = str(error.cause)
    key = "frames" if "T =" in text else "size" if ("H =" in text or "W =" in text) else None
    node = _at(spec.tree, "clip", key) if key else None
    if node is None:
        return None
    axis = {"frames": "T", "size": "H and W"}[key or ""]
    return Label(node.span, f"{axis} of the clip come from here", primary=False)


def _changed(spec: Spec, error: NodeShapeError) -> Label | None:
    """Point at the last rule that changed what a join receives."""
    if len(error.inputs) < 2:
        return None
    owner = error.path.rpartition(".")[0]
    inside = (fact for fact in reversed(error.before) if fact.path.startswith(f"{owner}."))
    rule = next((fact.node.tags.rule for fact in inside if fact.node.tags.rule), None)
    if rule is None:
        return None
    section, _, name = rule.partition(".")
    base = place_of(_pathway(spec, error.path).name)
    node = _at(spec.tree, *base, "policy", section, *([name] if name else []))
    return Label(node.span, "this changed one of them", primary=False) if node else None
