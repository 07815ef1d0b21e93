"""Lists that name their columns or classes: CSV with a heading, Kinetics, Something-Something."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from stspec.data.lists.columns import NAMES, SEPARATORS
from stspec.data.lists.entry import Entry, Line, Parsed, read_lines, read_text, wrong_lines
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path

_COLUMNS = {
    "path": ("path", "file", "filename", "video", "video_path", "frame_dir"),
    "label": ("label", "labels", "class", "class_id", "label_id"),
    "frames": ("frames", "num_frames", "total_frames", "nframes"),
    "first": ("first", "first_frame"),
    "last": ("last", "last_frame"),
    "rate": ("rate", "fps"),
    "id": ("id", "video_id"),
}
"""Columns of a table, and the names that people give them."""


def _rows(path: Path, separator: str | None) -> tuple[list[dict[str, str]], list[Line], str]:
    """Return the rows of a CSV by the names of its heading, the lines, and the separator."""
    lines = read_lines(path)
    given = NAMES.get(separator, separator) if separator else None
    marks = [mark for mark in ("\t", ",", ";") if mark in lines[0].text]
    mark = given or (marks[0] if marks else ",")
    cells = csv.reader((line.text for line in lines), delimiter=mark, skipinitialspace=True)
    try:
        table = [[cell.strip() for cell in row] for row in cells]
    except csv.Error as error:
        raise SpecError(Diagnostic("bad-list", f"{display_path(path)}: {error}")) from error
    names = [name.lower() for name in table[0]]
    wrong = [
        (line, f"{len(row)} columns, the heading has {len(names)}")
        for line, row in zip(lines, table, strict=False)
        if len(row) != len(names)
    ]
    if wrong or len(table) != len(lines):
        raise wrong_lines(path, wrong or [(lines[-1], "an open quote")], "quote what holds commas")
    return [dict(zip(names, row, strict=True)) for row in table[1:]], lines[1:], mark


def parse_table(path: Path, separator: str | None) -> Parsed:
    """Read a CSV with a heading: path, label and others; several labels are parted by ``|``.

    Raises:
        SpecError: if it cannot be read, lacks a path, or a number is none.
    """
    rows, lines, mark = _rows(path, separator)
    heading = list(rows[0]) if rows else []
    names = {
        column: next((name for name in known if name in heading), "")
        for column, known in _COLUMNS.items()
    }
    if rows and not names["path"]:
        help = did_you_mean("path", heading)
        message = f"{display_path(path)} has no column `path`"
        raise SpecError(Diagnostic("bad-list", message, help=help))
    entries, wrong = [], []
    for row, line in zip(rows, lines, strict=True):
        try:
            entries.append(_table_entry({c: row.get(n, "") for c, n in names.items()}, line.number))
        except ValueError as error:
            wrong.append((line, str(error)))
    if wrong:
        raise wrong_lines(path, wrong, "first, last and frames are whole numbers from 0")
    said = ", ".join(name for name in names.values() if name)
    ignored = [name for name in heading if name not in names.values()]
    notes = [f"columns by their heading: {said}, separator: {SEPARATORS.get(mark, repr(mark))}"]
    if ignored:
        notes.append(f"columns that are not used: {', '.join(ignored)}")
    return Parsed(entries, "table", notes)


def _table_entry(row: dict[str, str], line: int) -> Entry:
    """Return what a row says; frames are numbered from 0 here.

    Raises:
        ValueError: if a number is none.
    """
    if not row["path"]:
        raise ValueError("there is no path")

    def number(column: str) -> int | None:
        text = row[column]
        if text and not text.isdigit():
            raise ValueError(f"`{text}` is no number of frames ({column})")
        return int(text) if text else None

    try:
        rate = float(row["rate"]) if row["rate"] else None
    except ValueError:
        raise ValueError(f"`{row['rate']}` is no rate") from None
    first, last, frames = number("first"), number("last"), number("frames")
    if last is not None and last < (first or 0):
        raise ValueError(f"it ends at {last}, before it starts at {first or 0}")
    if last is not None:
        frames = last - (first or 0) + 1
    labels = tuple(label.strip() for label in row["label"].split("|") if label.strip())
    return Entry(
        row["path"], labels, frames=frames, offset=first, rate=rate, id=row["id"], line=line
    )


def parse_kinetics(path: Path) -> Parsed:
    """Read Kinetics' CSV: label, youtube_id, time_start, time_end, split.

    Raises:
        SpecError: if it cannot be read or lacks a column.
    """
    rows, lines, _ = _rows(path, ",")
    needed = ("youtube_id", "time_start", "time_end")
    lacking = [name for name in needed if rows and name not in rows[0]]
    if lacking:
        message = f"{display_path(path)} has no column `{lacking[0]}`"
        help = did_you_mean(lacking[0], rows[0])
        raise SpecError(Diagnostic("bad-list", message, help=help))
    entries, wrong = [], []
    for row, line in zip(rows, lines, strict=True):
        try:
            start, end = (int(float(row[name])) for name in needed[1:])
        except (ValueError, OverflowError):
            wrong.append((line, "time_start and time_end are seconds"))
            continue
        label, key = row.get("label", ""), row["youtube_id"]
        timed = f"{key}_{start:06d}_{end:06d}"
        folders = ["", f"{label}/", f"{label.replace(' ', '_')}/"] if label else [""]
        if part := row.get("split", ""):
            folders += [f"{part}/{folder}" for folder in folders]
        places = [f"{folder}{name}" for name in (timed, key) for folder in folders]
        labels = (label,) if label else ()
        entries.append(Entry(places[0], labels, id=timed, line=line.number, choices=(*places[1:],)))
    if wrong:
        raise wrong_lines(path, wrong, "label, youtube_id, time_start, time_end, split")
    notes = ["Kinetics' CSV: files are called youtube_id_start_end or youtube_id"]
    return Parsed(entries, "kinetics", notes)


def parse_names(path: Path, separator: str) -> Parsed:
    """Read lines of an id and the name of a class (Something-Something V1, Jester).

    Raises:
        SpecError: if it cannot be read.
    """
    mark = NAMES.get(separator, separator)
    entries, wrong = [], []
    for line in read_lines(path):
        key, found, name = line.text.partition(mark)
        if not key.strip() or not found:
            wrong.append((line, f"no {SEPARATORS.get(mark, mark)} after the id"))
        entries.append(
            Entry(key.strip(), (name.strip(),) if name.strip() else (), line=line.number)
        )
    if wrong:
        raise wrong_lines(path, wrong, "an id, a separator, the name of a class")
    said = SEPARATORS.get(mark, mark)
    return Parsed(entries, "names", [f"columns: id, name of the class, separator: {said}"])


def parse_something(path: Path) -> Parsed:
    """Read Something-Something V2's JSON: ids with templates, and their placeholders.

    Raises:
        SpecError: if it is no such JSON.
    """
    shown = display_path(path)
    try:
        found: Any = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        words = str(error) or "too deeply nested"
        raise SpecError(Diagnostic("bad-list", f"{shown} is no JSON: {words}")) from error
    if not isinstance(found, list):
        message = f"{shown} is no list of samples"
        help = "Something-Something's JSON is a list of objects with `id` and `template`"
        raise SpecError(Diagnostic("bad-list", message, help=help))
    entries, wrong = [], []
    for number, item in enumerate(found):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str | int):
            wrong.append(number)
            continue
        name = item.get("template") or item.get("label") or ""
        name = str(name).replace("[", "").replace("]", "")
        key = str(item["id"])
        entries.append(Entry(key, (name,) if name else (), id=key, line=number + 1))
    if wrong:
        message = f"{shown}: item {wrong[0]} has no `id` ({len(wrong)} such)"
        raise SpecError(Diagnostic("bad-list", message, help="objects with `id` and `template`"))
    if not entries:
        raise SpecError(Diagnostic("empty-list", f"{shown} lists nothing"))
    return Parsed(entries, "something", ["Something-Something's JSON: class = template"])
