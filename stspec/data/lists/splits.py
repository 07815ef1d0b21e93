"""Which file or folder of a data set is which part of it: train, val, test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, overload

from stspec.diagnostics import Diagnostic, SpecError, display_path

Split = Literal["train", "val", "test"]
"""The part that is learnt from, and those that are measured on."""

_WORDS = {
    "train": ("train", "training", "trainlist"),
    "val": ("val", "valid", "validation", "validate", "vallist"),
    "test": ("test", "testing", "testlist"),
}
_SUFFIXES = (".csv", ".txt", ".json", ".jsonl", ".lst", ".tsv", ".list")
_INSTEAD = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")}
"""Parts that stand in for one that is not there."""


@overload
def split_source(data: Path, split: Split) -> Path: ...
@overload
def split_source(data: Path, split: Split, *, needed: bool) -> Path | None: ...
def split_source(data: Path, split: Split, *, needed: bool = True) -> Path | None:
    """Return the list or folder of a part.

    Raises:
        SpecError: if it is not there or could be several, unless it is not needed.
    """
    if data.is_file():
        if part_of(data.name) in (split, None) and (split == "train" or part_of(data.name)):
            return data
        found = _sibling(data, split)
        if found is None and split == "train":
            return data  # a list is its own training data, whatever its name
        return found if found or not needed else _none(data, split)
    if not data.is_dir():
        message = f"there is no {display_path(data)}"
        help = "name a list, a folder with train and val lists, or one with a folder per class"
        raise SpecError(Diagnostic("no-list", message, help=help))
    for part in _INSTEAD[split]:
        lists = [item for item in _lists(data) if part_of(item.name) == part]
        exact = [item for item in lists if item.stem in _WORDS[part]]
        lists = exact or lists
        if len(lists) > 1:
            names = ", ".join(item.name for item in lists)
            message = f"{display_path(data)} has several {part} lists: {names}"
            raise SpecError(Diagnostic("several-lists", message, help="name one of them"))
        folders = [data / word for word in _WORDS[part] if (data / word).is_dir()]
        if lists or folders:
            return (lists or folders)[0]
    return _none(data, split) if needed else None


def undivided(data: Path) -> Path:
    """Return the list or folder of data that come in one part, of which a share is held out.

    Raises:
        SpecError: if there is a part to measure on already.
    """
    there = split_source(data, "val", needed=False)
    if there is not None:
        message = f"{display_path(data)} has a part to measure on: {display_path(there)}"
        raise SpecError(Diagnostic("divided-already", message, help="leave --val-share out"))
    return split_source(data, "train", needed=False) or data


def part_folders(data: Path) -> list[Path]:
    """Return the folders of a data set's parts, where a folder has nothing but those."""
    if not data.is_dir():
        return []
    folders = sorted(p for p in data.iterdir() if p.is_dir() and not p.name.startswith("."))
    words = {word for part in _WORDS.values() for word in part}
    parts = {part_of(p.name) for p in folders if p.name.lower() in words}
    return folders if len(parts) > 1 and all(p.name.lower() in words for p in folders) else []


def other_list(data: Path, source: Path, split: Split) -> Path | None:
    """Return the list or folder of another part, if there is just one."""
    try:
        found = split_source(data, split, needed=False)
    except SpecError:
        return None
    return None if found is None or found == source else found


def part_of(name: str) -> Split | None:
    """Return the part that a file's name tells: ``k400_val_list.txt`` is val."""
    words = re.findall(r"[a-z]+", Path(name).stem.lower())
    for part in ("train", "val", "test"):
        if any(word in _WORDS[part] for word in words):
            return part
    return None


def _lists(folder: Path) -> list[Path]:
    return sorted(
        item
        for item in folder.iterdir()
        if item.is_file() and item.suffix.lower() in _SUFFIXES and not item.name.startswith(".")
    )


def _sibling(data: Path, split: Split) -> Path | None:
    """Return the list beside a list whose name differs by the part alone."""
    own = part_of(data.name)
    if own is None:
        return None
    for part in _INSTEAD[split]:
        for word in _WORDS[part]:
            for mine in _WORDS[own]:
                pattern = rf"(?<![a-z]){mine}(?![a-z])"
                name = re.sub(pattern, word, data.name, count=1, flags=re.IGNORECASE)
                if name != data.name and (data.parent / name).is_file():
                    return data.parent / name
    return None


def _none(data: Path, split: Split) -> Path:
    folders = [p.name for p in data.iterdir() if p.is_dir()] if data.is_dir() else []
    classes = [name for name in folders if part_of(name) is None and not name.startswith(".")]
    if len(classes) > 1:
        shown = ", ".join(sorted(classes)[:3])
        message = f"{display_path(data)} has folders ({shown}, ...), and neither train nor val"
        help = "where these are classes: `--val-share 0.1` holds a tenth of each out to measure on"
        raise SpecError(Diagnostic("no-list", message, help=help))
    message = f"{display_path(data)} has no {split} list"
    help = f"a list called {split}.csv or {split}.txt beside the other, or a folder `{split}`"
    raise SpecError(Diagnostic("no-list", message, help=help))
