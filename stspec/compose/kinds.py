"""What a file is that is given as a model's and is none: its keys tell."""

from __future__ import annotations

from dataclasses import dataclass

from stspec.compose.locate import data_root
from stspec.diagnostics import Diagnostic, Label
from stspec.source import Mapping, Scalar


@dataclass(frozen=True, slots=True)
class OtherKind:
    """Files that are no models: one, the folder of the shipped, keys of theirs alone, their use."""

    one: str
    folder: str
    keys: tuple[str, ...]
    use: str


OTHER_KINDS = (
    OtherKind(
        "a policy",
        "policies",
        ("spatial", "temporal", "pooling", "inflate"),
        "a model names it: `stspec check tsn_resnet50 --set policy={file}`",
    ),
    OtherKind(
        "a backbone",
        "backbones",
        ("layers", "activation", "conv_bias", "width", "divisor", "rounding", "depth"),
        "a model names it: `stspec check tsn_resnet50 --set backbone={file}`",
    ),
    OtherKind(
        "an importer",
        "importers",
        ("recognise", "rules", "code_base"),
        "it reads weights: `stspec weights check MODEL WEIGHTS --from {file}`",
    ),
    OtherKind(
        "a study", "studies", ("grid", "base", "recipe"), "plan it: `stspec study plan {file}`"
    ),
    OtherKind(
        "a recipe",
        "recipes",
        ("epochs", "batch", "optimizer", "schedule", "data", "test"),
        "train by it: `stspec train MODEL --data LIST --recipe {file}`",
    ),
)

MODEL_KEYS = (
    "backbone", "clip", "policy", "sample", "pathways", "laterals", "classes", "weights",
    "variants",
)  # fmt: skip
"""Keys that models alone have."""


def no_model(tree: Mapping) -> Diagnostic | None:
    """What to say of a file that is another kind's, None where it may be a model's."""
    if any(key in tree for key in MODEL_KEYS):
        return None
    for kind in OTHER_KINDS:
        key = next((key for key in map(tree.key, kind.keys) if key is not None), None)
        if key is not None and _extends_one(kind, tree):
            message = f"`{tree.span.file}` is {kind.one}, not a model"
            label = Label(key.span, f"{kind.one} has this key, and no model")
            help = kind.use.format(file=tree.span.file)
            return Diagnostic("other-kind", message, (label,), help)
    return None


def _extends_one(kind: OtherKind, tree: Mapping) -> bool:
    """Whether a file extends nothing, or one of a kind: else it is a model with a wrong key."""
    parent = tree.get("extends")
    name = parent.value if isinstance(parent, Scalar) else None
    names = {path.stem for path in (data_root() / "specs" / kind.folder).glob("*.yaml")}
    return parent is None or name in names
