"""Manifests from lists and folders, as their owners have them. Imports no torch.

What was recognised (form, separator, root, template, classes) stands in `Manifest.notes`, and every
guess can be overridden.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from stspec.data.lists.classes import (
    Classes,
    bad_labels,
    find_classes,
    gather_classes,
    named,
    read_classes,
    unknown_labels,
)
from stspec.data.lists.columns import VIDEO_SUFFIXES, is_number
from stspec.data.lists.entry import Entry, Parsed
from stspec.data.lists.folders import parse_folders
from stspec.data.lists.forms import Given, parse_list
from stspec.data.lists.holdout import hold_out
from stspec.data.lists.places import Places, find_places, picture_template
from stspec.data.lists.saved import is_saved, read_saved, write_saved
from stspec.data.lists.splits import Split, other_list, part_of, split_source, undivided
from stspec.data.sample import Kind, Manifest, Sample
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path

ClassNames = Path | str | Sequence[str]
"""A file of class names, or the names themselves."""


def load_manifest(
    path: Path | str,
    *,
    root: Path | str | None = None,
    classes: ClassNames | None = None,
    kind: Kind | None = None,
    template: str | None = None,
    form: str | None = None,
    separator: str | None = None,
    start: int | None = None,
) -> Manifest:
    """Read a list, a saved manifest, or a folder with a folder per class.

    Args:
        path: the list or folder.
        root: where the list's paths start; the list's folder unless they are found elsewhere.
        classes: a file of class names or the names; a file beside the list unless given.
        kind: video files, folders of frames, or folders of flow.
        template: name of a frame's file, such as ``img_{:05d}.jpg``.
        form: one of `stspec.data.lists.FORMS`.
        separator: space, comma, tab, semicolon, or the character itself.
        start: number of the first frame's file.

    Raises:
        SpecError: if it cannot be read or understood, or labels have no class.
    """
    path = Path(path)
    _check_given(kind, template)
    if path.is_file() and is_saved(path):
        saved = read_saved(path)
        return replace(saved, root=Path(root)) if root is not None else saved
    given = _Given(root, kind, template, form, separator, start)
    parsed, places = _parse(path, given)
    known = _classes(classes, path, parsed)
    return _manifest(path, parsed, places, known or gather_classes(parsed.entries), given)


def load_split(
    data: Path | str,
    split: Split,
    *,
    root: Path | str | None = None,
    classes: ClassNames | None = None,
    kind: Kind | None = None,
    template: str | None = None,
    form: str | None = None,
    separator: str | None = None,
    start: int | None = None,
    val_share: float | None = None,
) -> Manifest:
    """Read the part of a data set that is learnt from (train) or measured on (val, test).

    `data` is a list (the others are found by their names beside it), or a folder with lists called
    after their part (``train.csv``, ``kinetics_val_list.txt``) or with folders ``train`` and
    ``val`` of classes. Classes that only training data name count for all parts.

    With `val_share`, data that come in one part, such as a bare folder per class, are divided:
    see `hold_out`.

    Raises:
        SpecError: as `load_manifest`; if the part is not there, or could be several files, or
            classes of the parts do not agree.
    """
    data = Path(data)
    if val_share is not None:
        whole = load_manifest(
            undivided(data), root=root, classes=classes, kind=kind, template=template, form=form,
            separator=separator, start=start,
        )  # fmt: skip
        return hold_out(whole, split, val_share)
    source = split_source(data, split)
    _check_given(kind, template)
    given = _Given(root, kind, template, form, separator, start)
    if source.is_file() and is_saved(source):
        found = load_manifest(source, root=root)
        return found if split == "train" else _same_classes(found, data, given)
    parsed, places = _parse(source, given)
    known = _classes(classes, source, replace(parsed, classes=()))
    if known is None:
        known = _shared_classes(data, source, parsed, given)
    part = part_of(source.name)
    if split != "train" and part not in (split, None):
        parsed.notes.append(f"there is no {split} part: {display_path(source)} stands in for it")
    return _manifest(source, parsed, places, known, given)


def save_manifest(manifest: Manifest, path: Path | str) -> None:
    """Write a manifest as JSON lines: what holds for all, then a sample a line.

    Raises:
        SpecError: if it cannot be written.
    """
    write_saved(manifest, Path(path))


def missing_files(manifest: Manifest) -> list[str]:
    """Return the paths that are not there, each once, in order. Looks into each folder once."""
    folders: dict[Path, set[str] | None] = {}
    found: dict[str, None] = {}
    for sample in manifest:
        path = manifest.path(sample)
        if path.parent not in folders:
            try:
                with os.scandir(path.parent) as entries:
                    folders[path.parent] = {entry.name for entry in entries}
            except OSError:
                folders[path.parent] = None
        names = folders[path.parent]
        if names is None or (path.name not in names and not path.exists()):
            found[sample.path] = None
    return list(found)


def require_files(manifest: Manifest) -> None:
    """Make sure that everything on the list is there.

    Raises:
        SpecError: naming each file that is missing, once.
    """
    missing = missing_files(manifest)
    if not missing:
        return
    several = f"{len(missing)} files are" if len(missing) > 1 else "a file is"
    message = f"{several} missing of {display_path(manifest.source or manifest.root)}"
    help = "mend the list or `root`; `stspec data index --broken skip` leaves them out"
    names = [display_path(manifest.root / name) for name in missing]
    told = [Diagnostic("missing-file", name) for name in names]
    raise SpecError(Diagnostic("missing-files", message, help=help), *told)


class _Given:
    """What the user said, for parsers."""

    def __init__(
        self, root: Path | str | None, kind: Kind | None, template: str | None, form: str | None,
        separator: str | None, start: int | None,
    ) -> None:  # fmt: skip
        self.root = None if root is None else Path(root)
        self.kind, self.template, self.form = kind, template, form
        self.separator, self.start = separator, start


def _check_given(kind: str | None, template: str | None) -> None:
    if kind is not None and kind not in get_args(Kind):
        help = did_you_mean(kind, get_args(Kind))
        raise SpecError(Diagnostic("unknown-kind", f"no kind of data is called {kind}", help=help))
    if template is None:
        return
    try:
        one, two = template.format(1, axis="x"), template.format(2, axis="x")
    except (ValueError, LookupError, AttributeError):
        one = two = ""
    if one == two:
        message = f"`{template}` is no template of a frame's file"
        help = "write the frame's number as {:05d}, flow's axis as {axis}: flow_{axis}_{:05d}.jpg"
        raise SpecError(Diagnostic("bad-template", message, help=help))


def _parse(path: Path, given: _Given) -> tuple[Parsed, Places]:
    """Read a list or folder, and find where its files lie."""
    if path.is_dir():
        named = {"root": given.root, "form": given.form, "separator": given.separator}
        for name, value in named.items():
            if value is not None:
                message = f"{display_path(path)} is read as a folder per class"
                help = f"leave `{name}` out, which is for lists; or name the list itself"
                raise SpecError(Diagnostic("not-a-list", message, help=help))
        return parse_folders(path, given.kind, given.template), Places(path)
    places = find_places(path, given.root)
    parsed = parse_list(path, Given(given.form, given.separator, places.exists))
    return parsed, places


def _classes(given: ClassNames | None, path: Path, parsed: Parsed) -> Classes | None:
    """Return the classes that a user, a file or the list itself names."""
    if isinstance(given, Path | str):
        return read_classes(Path(given))
    if given is not None:
        return named(given)
    if parsed.classes:
        return named(parsed.classes)
    beside = find_classes(path if path.is_dir() else path.parent)
    return read_classes(beside) if beside else None


def _shared_classes(data: Path, source: Path, parsed: Parsed, given: _Given) -> Classes:
    """Return the classes of a data set whose parts name them in passing.

    Raises:
        SpecError: if a part has classes by name that the training data lack.
    """
    others = [other_list(data, source, part) for part in ("train", "val", "test")]
    parts = [_parse(other, given)[0] if other else None for other in others]
    train = parts[0] or parsed
    if train.classes:
        return named(train.classes)
    first = gather_classes(train.entries)
    if not all(is_number(name) for name in first.names):
        return first  # a name that training never sees is told as a label without a class
    every = [parsed, *(part for part in parts if part is not None)]
    return gather_classes(entry for part in every for entry in part.entries)


def _same_classes(found: Manifest, data: Path, given: _Given) -> Manifest:
    train = split_source(data, "train", needed=False)
    if train is None or not is_saved(train):
        return found
    wanted = read_saved(train).classes
    if wanted != found.classes:
        message = f"{display_path(found.source)} has other classes than {display_path(train)}"
        help = (
            f"{len(found.classes)} classes against {len(wanted)}: index both with one file of them"
        )
        raise SpecError(Diagnostic("other-classes", message, help=help))
    return found


def _manifest(
    path: Path, parsed: Parsed, places: Places, classes: Classes, given: _Given
) -> Manifest:
    wrong = unknown_labels(parsed.entries, classes)
    if wrong:
        raise bad_labels(display_path(path), wrong, classes)
    notes = list(parsed.notes)
    entries = parsed.entries
    root, entries = places.settle(entries, notes)
    kind = given.kind or _kind(root, entries, given.template)
    if kind == "video":
        entries = places.with_suffix(root, entries, notes)
    template, start = _pictures(kind, root, entries, given, notes)
    if classes.source:
        notes.append(f"classes: {len(classes.names)}, from {classes.source}")
    samples = _samples(entries, classes, _base(entries, start, notes))
    several = parsed.form in ("labels", "frames_labels") or any(len(s.labels) > 1 for s in samples)
    return Manifest(
        root, samples, classes.names, kind, template, start, several, str(path), tuple(notes)
    )


def _kind(root: Path, entries: Sequence[Entry], template: str | None) -> Kind:
    """Return what samples are made of: by their names, else by what is there."""
    if template is not None:
        return "flow" if "{axis" in template else "frames"
    some = entries[:20]
    if any(entry.path.lower().endswith(VIDEO_SUFFIXES) for entry in some):
        return "video"
    if any((root / entry.path).is_dir() for entry in some):
        return "frames"
    counted = all(e.frames is not None or e.first is not None for e in some)
    return "frames" if counted else "video"


def _pictures(
    kind: Kind, root: Path, entries: Sequence[Entry], given: _Given, notes: list[str]
) -> tuple[str, int]:
    """Return template and first number of frames' files, looked up in the first folder there is."""
    default = ("flow_{axis}_{:05d}.jpg" if kind == "flow" else "img_{:05d}.jpg", 1)
    if kind == "video":
        return given.template or default[0], 1 if given.start is None else given.start
    seen = picture_template(root, entries, kind == "flow", given.template)
    template = given.template or (seen[0] if seen else default[0])
    start = given.start if given.start is not None else (seen[1] if seen else default[1])
    said = "" if seen else " (none was found to look at)"
    notes.append(f"{kind}: files {template}, the first is number {start}{said}")
    return template, start


def _base(entries: Iterable[Entry], start: int, notes: list[str]) -> int:
    """Return the number that a list gives the first frame; files' numbers unless it says 0."""
    firsts = [entry.first for entry in entries if entry.first is not None]
    if not firsts:
        return start
    base = 0 if min(firsts) == 0 else start
    notes.append(f"start and end count frames from {base}, end included")
    return base


def _samples(entries: Sequence[Entry], classes: Classes, base: int) -> tuple[Sample, ...]:
    found, uses = [], Counter(entry.id or entry.path for entry in entries)
    seen: Counter[str] = Counter()
    for entry in entries:
        first = entry.offset if entry.first is None else max(entry.first - base, 0)
        last = None if entry.last is None else entry.last - base
        if last is None and entry.offset is not None and entry.frames is not None:
            last = entry.offset + entry.frames - 1
        frames = entry.frames
        if first is not None and last is not None:
            frames = last - first + 1
        key = entry.id or entry.path
        if uses[key] > 1:  # pieces of a video, or one listed twice
            piece = f"{key}#{first}-{last}" if first is not None else key
            seen[piece] += 1
            key = piece if seen[piece] == 1 and piece != key else f"{piece}#{seen[piece]}"
        labels = tuple(
            number for label in entry.labels if (number := classes.of(label)) is not None
        )
        found.append(Sample(key, entry.path, labels, first, last, frames, entry.rate))
    return tuple(found)
