"""Names become files: where models, backbones and policies are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from stspec.compose.meant import meant, plain
from stspec.diagnostics import (
    Diagnostic,
    Label,
    Span,
    SpecError,
    did_you_mean,
    display_path,
    nearest,
)
from stspec.source import Mapping, Scalar, read_file

Kind = Literal["model", "backbone", "policy"]

# Where each kind is looked for under specs/, in this order.
_FOLDERS: dict[str, tuple[str, ...]] = {
    "model": ("", "families"),
    "backbone": ("backbones",),
    "policy": ("policies",),
}
_NAME = re.compile(r"(families/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_SUFFIXES = (".yaml", ".yml")


@cache
def data_root() -> Path:
    """The folder that holds `specs/` and `templates/`: in the wheel, or of the checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_data"
    return inside if inside.is_dir() else package.parent


def names(kind: Kind) -> list[str]:
    """Names of all files of a kind, sorted; a family's name hidden by a model's is in full."""
    found: list[str] = []
    for folder in _FOLDERS[kind]:
        for path in sorted((data_root() / "specs" / folder).glob("*.yaml")):
            found.append(path.stem if path.stem not in found else f"{folder}/{path.stem}")
    return sorted(found)


def index() -> dict[str, tuple[Path, str | None]]:
    """Every known model name, variants included, with its file and its variant.

    Files take precedence over variants of the same name. A file that cannot be read is listed,
    without variants; reading it by name tells why.
    """
    files = {name: _known("model", name) for name in names("model")}
    found: dict[str, tuple[Path, str | None]] = {
        name: (path, None) for name, path in files.items() if path is not None
    }
    for name, (path, _) in list(found.items()):
        try:
            variants = variant_names(path)
        except SpecError:
            continue
        for variant in variants:
            found.setdefault(f"{name}_{variant}", (path, variant))
    return dict(sorted(found.items()))


def find(kind: Kind, name: str, relative_to: Path | None = None, span: Span | None = None) -> Path:
    """The file of a model (or of the model that a variant belongs to), backbone or policy.

    `name` is a name, or a path: one that ends in `.yaml` or starts with `./` or `../`, taken
    relative to `relative_to` (a folder; the working directory where none is given). `span` is
    where the name was written.

    Raises:
        SpecError: `unknown-spec`, with the nearest names.
    """
    if kind == "model":
        return locate_model(name, relative_to, span)[0]
    return _file(kind, name, relative_to, span)


def locate_model(
    name: str, relative_to: Path | None = None, span: Span | None = None
) -> tuple[Path, str | None]:
    """The file of a model and the variant: `i3d`, `tam_resnet50_tp`, `tam:x`, `a.yaml:x`.

    Raises:
        SpecError: `unknown-spec`, with the nearest names.
    """
    stem, colon, variant = name.rpartition(":")
    if colon:
        return _file("model", stem, relative_to, span), variant
    if not is_path(name) and _known("model", name) is None and (found := _by_variant(name)):
        return found
    return _file("model", name, relative_to, span), None


def is_path(name: str) -> bool:
    """Whether a name is a path to a file rather than the name of something shipped."""
    return name.endswith(_SUFFIXES) or name.startswith(("./", "../"))


def variant_names(path: Path) -> tuple[str, ...]:
    """Names of the variants in a model's file.

    Raises:
        SpecError: the file cannot be read.
    """
    variants = read_file(path).get("variants")
    return variants.keys() if isinstance(variants, Mapping) else ()


def _by_variant(name: str) -> tuple[Path, str] | None:
    """`tam_resnet50_tp` as `tam` and `resnet50_tp`; the longest model name first."""
    ends = [i for i, character in enumerate(name) if character == "_"]
    for end in reversed(ends):
        path = _known("model", name[:end])
        if path is not None and name[end + 1 :] in variant_names(path):
            return path, name[end + 1 :]
    return None


def _known(kind: Kind, name: str) -> Path | None:
    if not _NAME.fullmatch(name) or ".." in name or (kind != "model" and "/" in name):
        return None
    specs = data_root() / "specs"
    folders = ("",) if "/" in name else _FOLDERS[kind]
    for folder in folders:
        path = specs / folder / f"{name}.yaml"
        if path.is_file():
            return path
    return None


def _is_known(kind: Kind, name: str) -> bool:
    return _known(kind, name) is not None or (kind == "model" and _by_variant(name) is not None)


def _file(kind: Kind, name: str, relative_to: Path | None, span: Span | None) -> Path:
    if is_path(name):
        return _path(kind, name, relative_to, span)
    path = _known(kind, name)
    if path is not None:
        return path
    labels = (Label(span, f"no {kind} has this name"),) if span else ()
    message = f"there is no {kind} named `{name}`"
    file = _same_stem(name, relative_to or Path(), span)
    help = f"did you mean the file `{file}`?" if file else _advice(kind, name)
    raise SpecError(Diagnostic("unknown-spec", message, labels, help or None))


def _same_stem(name: str, folder: Path, span: Span | None) -> str | None:
    """The file that a name is without its suffix, if that is not the one that the name is in."""
    for path in (folder / f"{name}{suffix}" for suffix in _SUFFIXES):
        try:
            if path.is_file() and (span is None or display_path(path) != span.file):
                return name + path.suffix
        except OSError:  # too long a name
            continue
    return None


def _advice(kind: Kind, name: str) -> str:
    """The nearest name; where none is near, the few to start from rather than every variant."""
    if kind != "model":
        return did_you_mean(name, names(kind))
    families = sorted(path.stem for path in (data_root() / "specs" / "families").glob("*.yaml"))
    if name.startswith("families/"):
        return did_you_mean(name, [f"families/{family}" for family in families])
    models = index()
    near = nearest(name, models)
    if near is None or plain(near) != plain(name):
        near = meant(name, models, _spoken(families)) or near
    return f"did you mean `{near}`?" if near else did_you_mean(name, families)


def _spoken(families: Iterable[str]) -> dict[str, str]:
    """What families are called: their names, their titles, and their authors if these have one."""
    by_title: dict[str, str] = {}
    authors: dict[str, set[str]] = {}
    for family in families:
        path = _known("model", f"families/{family}")
        tree = None if path is None else _readable(path)
        title, paper = (_text(tree, key) for key in ("title", "paper"))
        by_title.setdefault(plain(title), family)
        authors.setdefault(plain(paper.partition(" ")[0]), set()).add(family)
    only = {author: next(iter(of)) for author, of in authors.items() if len(of) == 1}
    found = {**only, **by_title, **{plain(family): family for family in families}}
    return {called: family for called, family in found.items() if called}


def _readable(path: Path) -> Mapping | None:
    try:
        return read_file(path)
    except SpecError:
        return None


def _text(tree: Mapping | None, key: str) -> str:
    node = None if tree is None else tree.get(key)
    return str(node.value) if isinstance(node, Scalar) else ""


def _path(kind: Kind, name: str, relative_to: Path | None, span: Span | None) -> Path:
    given = Path(name)
    if relative_to is not None and given.is_absolute():
        raise _no_file(
            f"the path `{name}` is absolute",
            span,
            "must be relative to this file",
            "a spec that names places on one machine works on no other",
        )
    path = given if relative_to is None else relative_to / given
    try:
        exists, is_link = path.exists(), path.is_symlink()
    except (OSError, ValueError):  # too long a name, or one with NUL
        exists = is_link = False
    if is_link and not exists:
        message = f"`{display_path(path)}` is a link that leads nowhere"
        labels = (Label(span, "named here"),) if span else ()
        raise SpecError(Diagnostic("unreadable-file", message, labels))
    if not exists:
        folder = path.parent
        there = sorted(folder.glob("*.y*ml")) if folder.is_dir() else []
        siblings = [p.name for p in there if span is None or display_path(p) != span.file]
        message = f"there is no file `{display_path(path)}`"
        help = did_you_mean(path.name, siblings)
        if _is_known(kind, path.stem):
            help = f"there is a {kind} `{path.stem}`: write its name without `{path.suffix}`"
        raise _no_file(message, span, "no such file", help)
    return path


def _no_file(message: str, span: Span | None, label: str, help: str) -> SpecError:
    labels = (Label(span, label),) if span else ()
    return SpecError(Diagnostic("unknown-spec", message, labels, help or None))
