"""The models that ship, by family: what `stspec list models` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stspec.cli.screen import RIGHT, Column, Paint, short, table
from stspec.compose import find, names, resolve
from stspec.compose.locate import variant_names
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.network import Network, load

HIDDEN = "variants, with their costs: `stspec list models FAMILY`"


@dataclass
class Family:
    """A family's file, the models that are files of their own, and its variants."""

    name: str
    models: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)


def listed(wanted: Sequence[str], room: int, ink: Paint) -> str:
    """Return the models of some families, or of all, each with its input, parameters and MACs.

    Raises:
        SpecError: if there is no such family.
    """
    families = _families()
    for name in wanted:
        if name not in families:
            raise SpecError(
                Diagnostic(
                    "unknown-family",
                    f"there is no family `{name:.80}`",
                    help=did_you_mean(name, sorted(families)),
                )
            )
    chosen = [families[name] for name in (wanted or sorted(families))]
    parts = [_part(family, bool(wanted), room, ink) for family in chosen]
    return "\n\n".join(parts if wanted else [*parts, HIDDEN])


def _families() -> Mapping[str, Family]:
    found: dict[str, Family] = {}
    paths = {name: find("model", name) for name in names("model")}
    for name, path in paths.items():
        if _is_family(path):
            rows = [f"{path.stem}_{row}" for row in variant_names(path)]
            # A model that is a file of its own hides a variant of its name.
            found[path.stem] = Family(name, variants=[row for row in rows if row not in paths])
    for name, path in paths.items():
        if not _is_family(path):
            owner = next((f.stem for f in resolve(name).files if _is_family(f)), name)
            found.setdefault(owner, Family(name)).models.append(name)
    return found


def _is_family(path: Path) -> bool:
    return path.parent.name == "families"


def _part(family: Family, whole: bool, room: int, ink: Paint) -> str:
    """Return one family: its title and paper, its models, and what its variants are called."""
    network = load(family.name)
    spec = network.spec
    papers = (spec.model.paper, spec.policy.paper, spec.backbone.paper)
    paper = next((text for text in papers if text), None)
    lines = textwrap.wrap(" | ".join(filter(None, [spec.model.title or family.name, paper])), room)
    # A family's own model is listed where no file gives it a name.
    shown = [*(family.models or [family.name]), *(family.variants if whole else [])]
    text = [ink(line, "bold") for line in lines]
    text.append(_rows(((name, load(name)) for name in shown), room, ink))
    if family.variants and not whole:
        short_names = ", ".join(name.removeprefix(f"{family.name}_") for name in family.variants)
        more = f"also {family.name}_: {short_names}"
        text += textwrap.wrap(more, room, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(text)


def _rows(models: Iterable[tuple[str, Network]], room: int, ink: Paint) -> str:
    rows = []
    for name, network in models:
        clip = network.facts.input
        size = "x".join(map(str, clip.sizes[1:] if clip.is_trunk else clip.dims))
        macs = short(sum(network.facts.macs().values()), "MACs")
        about = network.spec.model.about or ""
        rows.append((name, about, size, short(network.facts.params), macs))
    columns = [
        Column("model"),
        Column("about", shrinks=True),
        Column("clip", RIGHT),
        Column("params", RIGHT),
        Column("cost", RIGHT),
    ]
    return table(columns, rows, room, ink)
