"""Where the files of a list lie, and how pictures are called there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stspec.data.lists.columns import VIDEO_SUFFIXES
from stspec.data.lists.entry import Entry
from stspec.diagnostics import display_path

_SOME = 20
_PICTURE = re.compile(r"(.*?)(\d+)(\.(?:jpe?g|png))", re.IGNORECASE)
_AXES = (("x", "y"), ("u", "v"), ("h", "v"))


@dataclass(slots=True)
class Places:
    """Where paths of a list may start from."""

    root: Path
    others: tuple[Path, ...] = ()

    def exists(self, path: str) -> bool:
        """Tell whether a path of the list is there, its suffix left out or not."""
        return any(_there(root, path) is not None for root in (self.root, *self.others))

    def settle(self, entries: list[Entry], notes: list[str]) -> tuple[Path, list[Entry]]:
        """Return the root that has the files, and entries that name the file that is there."""
        some = entries[:: max(1, len(entries) // _SOME)][:_SOME]
        roots = (self.root, *self.others)
        hits = [sum(_choose(root, entry) is not None for entry in some) for root in roots]
        root = roots[hits.index(max(hits))]
        if root != self.root:
            notes.append(f"paths start from {display_path(root)}")
        if any(entry.choices for entry in entries):
            entries = [replace(e, path=_choose(root, e) or e.path, choices=()) for e in entries]
        return root, entries

    def with_suffix(self, root: Path, entries: list[Entry], notes: list[str]) -> list[Entry]:
        """Return entries of video files with the suffixes that lists leave out."""
        if all(entry.path.lower().endswith(VIDEO_SUFFIXES) for entry in entries):
            return entries
        found, usual = [], ""
        for entry in entries:
            path = _there(root, entry.path, usual)
            if path is not None and path != entry.path:
                usual = path[len(entry.path) :]
            found.append(entry if path is None else replace(entry, path=path))
        if usual:
            notes.append(f"files end in {usual}, which the list leaves out")
            bare = [e.path.lower().endswith(VIDEO_SUFFIXES) for e in found]
            found = [
                e if whole else replace(e, path=e.path + usual)
                for e, whole in zip(found, bare, strict=True)
            ]
        return found


def find_places(path: Path, root: Path | None) -> Places:
    """Return where the paths of a list may start from."""
    if root is not None:
        return Places(root)
    parent = path.parent
    names = ("videos", "frames", "clips")
    others = [Path(), *(parent / name for name in names), parent.parent]
    return Places(parent, tuple(other for other in others if other.is_dir()))


def _there(root: Path, path: str, usual: str = "") -> str | None:
    """Return a path as it is there, with its suffix; None where it is not."""
    try:
        if usual and (root / (path + usual)).is_file():
            return path + usual
        if (root / path).exists():
            return path
        if path.lower().endswith(VIDEO_SUFFIXES):
            return None
        return next((path + s for s in VIDEO_SUFFIXES if (root / (path + s)).is_file()), None)
    except (OSError, ValueError):  # longer than file names can be
        return None


def _choose(root: Path, entry: Entry) -> str | None:
    return next(
        (found for path in (entry.path, *entry.choices) if (found := _there(root, path))), None
    )


def picture_template(
    root: Path, entries: Sequence[Entry], flow: bool, given: str | None
) -> tuple[str, int] | None:
    """Return how pictures are called, and the first one's number, from a folder that is there."""
    for entry in entries[:_SOME]:
        folder = root / entry.path
        if not folder.is_dir():
            continue
        found = _flow_names(folder) if flow else _names(folder)
        if given is not None:
            prefix, suffix = _around(given)
            found = {k: v for k, v in _names(folder, prefix).items() if k[1] == suffix}
            return (given, min(min(v) for v in found.values())[0]) if found else None
        if found:
            (prefix, suffix), numbers = max(found.items(), key=lambda item: len(item[1]))
            widths = {width for _, width in numbers}
            width = f"{{:0{widths.pop()}d}}" if len(widths) == 1 else "{:d}"
            return f"{prefix}{width}{suffix}", min(numbers)[0]
    return None


Names = dict[tuple[str, str], list[tuple[int, int]]]
"""Prefix and suffix to numbers and how many digits they have."""


def _names(folder: Path, only: str | None = None) -> Names:
    found: Names = {}
    below = folder / (only or "").rpartition("/")[0]
    lead = (only or "").rpartition("/")[0]
    if not below.is_dir():
        return found
    for name in sorted(item.name for item in below.iterdir()):
        match = _PICTURE.fullmatch(name)
        if match is None:
            continue
        prefix = f"{lead}/{match[1]}" if lead else match[1]
        flow = only is None and re.search(r"flow|(^|_)[xyuv]_$", match[1])
        if not flow and (only is None or prefix == only):
            digits = match[2]
            found.setdefault((prefix, match[3]), []).append((int(digits), len(digits)))
    return found


def _flow_names(folder: Path) -> Names:
    """Return names with the axis in braces: files of both axes, or folders of them."""
    found: Names = {}
    for first, second in _AXES:
        axis = "{axis}" if (first, second) == ("x", "y") else f"{{axis:{first}{second}}}"
        if (folder / first).is_dir() and (folder / second).is_dir():
            for (prefix, suffix), numbers in _names(folder / first).items():
                found[f"{axis}/{prefix}", suffix] = numbers
        for name in sorted(item.name for item in folder.iterdir()):
            match = _PICTURE.fullmatch(name)
            parts = re.fullmatch(rf"(.*_|){first}(_?)", match[1]) if match else None
            other = f"{parts[1]}{second}{parts[2]}{match[2]}{match[3]}" if parts and match else ""
            if match and parts and (folder / other).is_file():
                key = (f"{parts[1]}{axis}{parts[2]}", match[3])
                found.setdefault(key, []).append((int(match[2]), len(match[2])))
    return found


def _around(template: str) -> tuple[str, str]:
    """Return what stands before and after a template's number, the axis being x."""

    def axis(found: re.Match[str]) -> str:
        names = found[1] or ":xy"
        return names[1:2]

    text = re.sub(r"\{axis(:\w+)?\}", axis, template)
    before, _, rest = text.partition("{")
    return before, rest.partition("}")[2]
