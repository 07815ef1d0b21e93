"""A folder per class: the folder's name is the class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stspec.data.lists.columns import VIDEO_SUFFIXES
from stspec.data.lists.entry import Entry, Parsed
from stspec.diagnostics import Diagnostic, SpecError, display_path


def class_folders(folder: Path) -> list[Path]:
    """Return the folders within a folder, in the order of their names; hidden ones left out.

    Raises:
        SpecError: if it cannot be read.
    """
    try:
        return sorted(
            item for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot read {display_path(folder)}: {reason}"
        raise SpecError(Diagnostic("no-list", message, help="name a list or a folder")) from error


def parse_folders(folder: Path, kind: str | None, template: str | None) -> Parsed:
    """Read a folder of classes, each with video files or with folders of frames.

    Raises:
        SpecError: if there is no class, or no sample.
    """
    classes = class_folders(folder)
    pictures = kind in ("frames", "flow") or (kind is None and template is not None)
    entries = []
    for part in classes:
        names = sorted(_videos(part)) if not pictures else []
        if not names and kind != "video":
            names = [item.name for item in class_folders(part)]
        entries += [Entry(f"{part.name}/{name}", (part.name,)) for name in names]
    if not entries:
        message = f"{display_path(folder)} holds no list and no folders of videos"
        help = "a list called train.csv or val.txt, or a folder of videos for each class"
        raise SpecError(Diagnostic("no-list", message, help=help))
    notes = [f"a folder per class: {len(classes)} {'class' if len(classes) == 1 else 'classes'}"]
    return Parsed(entries, "folders", notes, tuple(part.name for part in classes))


def _videos(folder: Path) -> Iterator[str]:
    """Yield the video files below a folder, relative to it."""
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in files:
            if name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith("."):
                yield (Path(base) / name).relative_to(folder).as_posix()
