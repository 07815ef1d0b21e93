"""The modules of ``templates/modules``, copied into emitted source class by class."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stspec.compose.locate import data_root


@dataclass(frozen=True, slots=True)
class Source:
    """A definition of a template file: its text and the names it uses."""

    name: str
    text: str
    uses: frozenset[str]
    public: bool = True


def definitions(path: Path) -> dict[str, Source]:
    """Return the top-level classes, functions and constants of a template file by name."""
    about = path.stat()  # a user may edit theirs between two builds
    return _definitions(path, about.st_mtime_ns, about.st_size)


@cache
def _definitions(path: Path, changed: int, size: int) -> dict[str, Source]:
    text = path.read_text(encoding="utf-8")
    found: dict[str, Source] = {}
    for node in ast.parse(text).body:
        name = _name(node)
        if name is None:
            continue
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        lines = text.splitlines()[first - 1 : node.end_lineno]
        uses = frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
        found[name] = Source(name, "\n".join(lines), uses)
    return found


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return None


def template_path(template: str, canonical: bool = False) -> Path:
    """Return a template's file: a name in ``templates/modules``, or a path of a plug-in's."""
    if template.endswith(".py"):
        return Path(template)
    root = data_root() / "templates"
    twin = root / "canonical" / f"{template}.py"
    return twin if canonical and twin.is_file() else root / "modules" / f"{template}.py"


def closure(path: Path, name: str, fallback: Path | None = None) -> list[Source]:
    """Return a definition with all of its file that it uses, what is used first."""
    known = definitions(path)
    if name not in known and fallback is not None:
        return closure(fallback, name)
    ordered: dict[str, Source] = {}

    def visit(key: str) -> None:
        if key in ordered:
            return
        for used in sorted(known[key].uses & known.keys() - {key}):
            visit(used)
        ordered[key] = known[key]

    visit(name)
    return list(ordered.values())
