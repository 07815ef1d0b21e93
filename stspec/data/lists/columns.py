"""Lists of a path and numbers, separated by spaces, commas, tabs or semicolons."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stspec.data.lists.entry import Entry, Line, Parsed, read_lines, wrong_lines

SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon", " ": "space"}
NAMES = {name: mark for mark, name in SEPARATORS.items()}
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".webm", ".mkv", ".mov", ".m4v", ".flv", ".wmv", ".mpg", ".mpeg", ".ts",
    ".3gp", ".ogv",
)  # fmt: skip

_NUMBERS = {"frames": 2, "start_end": 3, "video": 1, "paths": 0}
"""Columns after the path, in forms that have a fixed number."""
_LEAST = {"labels": 1, "frames_labels": 2, "offset": 3}
_FIELDS = {
    "video": "path, label",
    "labels": "path, labels",
    "frames": "path, frames, label",
    "frames_labels": "path, frames, labels",
    "start_end": "path, start, end, label",
    "offset": "path, offset, frames, label",
    "paths": "path",
}


def parse_columns(
    path: Path, form: str | None, separator: str | None, exists: Callable[[str], bool]
) -> Parsed:
    """Read a list of paths and numbers.

    Raises:
        SpecError: if it cannot be read, or lines do not fit the form.
    """
    lines = read_lines(path)
    mark = NAMES.get(separator, separator) if separator else _separator(lines)
    named = "" if form else _named_labels(lines, mark)
    if named:
        return _with_names(path, lines, mark)
    trailing = [_trailing(line, mark) for line in lines]
    found = form or _recognise(lines, mark, trailing, exists)
    entries, wrong = [], []
    for line in lines:
        try:
            entries.append(_entry(line, mark, found, exists))
        except ValueError as error:
            wrong.append((line, str(error)))
    if wrong:
        help = f"read as `{found}` ({_FIELDS[found]}), separated by {SEPARATORS.get(mark, mark)}"
        raise wrong_lines(path, wrong, f"{help}; name another form or separator if that is wrong")
    said = SEPARATORS.get(mark, repr(mark))
    notes = [f"columns: {_FIELDS[found]} (form `{found}`), separator: {said}"]
    return Parsed(entries, found, notes)


def split(text: str, mark: str, limit: int = -1) -> list[str]:
    """Return a line's fields from the right, so that the path may hold the separator."""
    text = text.strip()
    if text.startswith('"') and mark in text:
        quoted = next(csv.reader([text], delimiter=mark))
        return [field.strip() for field in quoted if field.strip() or mark != " "]
    return [field.strip() for field in text.rsplit(None if mark == " " else mark, limit)]


def _trailing(line: Line, mark: str) -> int:
    """Return how many fields at the end are numbers; the first one is the path."""
    count = 0
    for field in reversed(split(line.text, mark)[1:]):
        if not is_number(field):
            break
        count += 1
    return count


def is_number(text: str) -> bool:
    """Tell whether a field is a number of a class or frame."""
    return text.isascii() and text.isdigit() and len(text) < 12


def _separator(lines: list[Line]) -> str:
    """Return what separates the columns: what leaves a number at the end of every line."""
    some = lines[:500]
    for mark in SEPARATORS:
        if all(_trailing(line, mark) for line in some):
            return mark
    for mark in ("\t", ",", ";"):
        counts = Counter(line.text.count(mark) for line in some)
        if len(counts) == 1 and 0 not in counts:
            return mark
    return " "


def _named_labels(lines: list[Line], mark: str) -> str:
    """Return the form's name where classes stand as words after a tab or comma."""
    if mark == " ":
        return ""
    named = [not is_number(split(line.text, mark, 1)[-1]) for line in lines[:500]]
    return "video" if all(mark in line.text for line in lines[:500]) and any(named) else ""


def _with_names(path: Path, lines: list[Line], mark: str) -> Parsed:
    wrong = [(line, "no label") for line in lines if mark not in line.text]
    if wrong:
        raise wrong_lines(path, wrong, f"a path, a {SEPARATORS.get(mark, mark)}, a class")
    entries = []
    for line in lines:
        fields = split(line.text, mark, 1)
        entries.append(Entry(fields[0], (fields[-1],), line=line.number))
    said = SEPARATORS.get(mark, repr(mark))
    return Parsed(entries, "video", [f"columns: path, name of the class, separator: {said}"])


def _recognise(
    lines: list[Line], mark: str, trailing: list[int], exists: Callable[[str], bool]
) -> str:
    """Return the form that fits all lines."""
    least, most = min(trailing), max(trailing)
    if least != most:
        # Paths may end in numbers: the files that are there decide.
        longest = [line for line, count in zip(lines, trailing, strict=True) if count == most]
        some = [*lines[:500:7], *longest[:50]]
        fits = [n for n in range(least, 0, -1) if all(_there(li, mark, n, exists) for li in some)]
        if fits:
            least = most = fits[0]
    if most == 0:
        return "paths"
    if least != most:
        return "frames_labels" if least > 1 and not _is_video(lines[0], mark) else "labels"
    if least == 1:
        return "video"
    if least == 2:
        return "frames"
    rows = [split(line.text, mark)[-least:] for line in lines]
    if least == 3:
        if all(int(row[0]) <= int(row[1]) for row in rows):
            return "start_end"
        # An offset is followed by a number of frames, which is never 0; a label may be.
        counted = all(int(row[1]) > 0 for row in rows)
        return "offset" if counted else "frames_labels"
    return "labels" if _is_video(lines[0], mark) else "frames_labels"


def _there(line: Line, mark: str, numbers: int, exists: Callable[[str], bool]) -> bool:
    fields = split(line.text, mark, numbers)
    return len(fields) > numbers and exists(fields[0])


def _is_video(line: Line, mark: str) -> bool:
    fields = split(line.text, mark)
    while len(fields) > 1 and is_number(fields[-1]):
        fields.pop()
    return fields[-1].lower().endswith(VIDEO_SUFFIXES)


def _entry(line: Line, mark: str, form: str, exists: Callable[[str], bool]) -> Entry:
    """Return what a line says.

    Raises:
        ValueError: if it does not fit; says why.
    """
    if form == "paths":
        return Entry(line.text.strip(), line=line.number)
    count = _NUMBERS.get(form)
    if count is None:
        count = _several(line, mark, _LEAST[form], exists)
    fields = split(line.text, mark, count)
    path, numbers = fields[0], fields[1:]
    if not path:
        raise ValueError("there is no path")
    if len(numbers) != count:
        raise ValueError(f"{len(fields)} columns, not {count + 1}")
    bad = [number for number in numbers if not is_number(number)]
    if bad:
        raise ValueError(f"`{bad[0]}` is no number")
    return _read(form, path, numbers, line.number)


def _several(line: Line, mark: str, least: int, exists: Callable[[str], bool]) -> int:
    """Return how many numbers a line with several labels has; a path may end in numbers too."""
    trailing = _trailing(line, mark)
    for count in range(trailing, least - 1, -1):
        if _there(line, mark, count, exists):
            return count
    return max(trailing, least)


def _read(form: str, path: str, numbers: list[str], line: int) -> Entry:
    if form in ("video", "labels"):
        return Entry(path, tuple(numbers), line=line)
    if form in ("frames", "frames_labels"):
        return Entry(path, tuple(numbers[1:]), frames=int(numbers[0]), line=line)
    first, second = int(numbers[0]), int(numbers[1])
    if form == "offset":
        return Entry(path, tuple(numbers[2:]), offset=first, frames=second, line=line)
    if second < first:
        raise ValueError(f"it ends at {second}, before it starts at {first}")
    return Entry(path, tuple(numbers[2:]), first=first, last=second, line=line)
