"""The forms of lists, and which one a file has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stspec.data.lists.columns import parse_columns
from stspec.data.lists.entry import Parsed
from stspec.data.lists.named import parse_kinetics, parse_names, parse_something, parse_table
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean

FORMS: Mapping[str, str] = {
    "video": "path label: mmaction2, SlowFast, UniFormer, UCF101",
    "labels": "path label label ...: mmaction2, several labels",
    "frames": "path frames label: TSN, TSM, TRN, VideoMAE",
    "frames_labels": "path frames label label ...: mmaction2, several labels",
    "start_end": "path start end label: IBM's action-recognition-pytorch",
    "offset": "path offset frames label ...: mmaction2 with offsets",
    "paths": "path: no labels",
    "names": "id;name of the class: Something-Something V1, Jester",
    "something": "JSON of Something-Something V2, with its file of labels",
    "kinetics": "CSV with youtube_id, time_start, time_end, label",
    "table": "CSV with a heading: path, label and, if known, frames, first, last, rate, id",
}
"""Every form with what its lines hold."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the user said about a list; None is to be recognised."""

    form: str | None = None
    separator: str | None = None
    exists: Callable[[str], bool] = lambda path: False
    """Whether a path of the list is there."""


def parse_list(path: Path, given: Given) -> Parsed:
    """Read a list in the form given or recognised; `notes` tells which.

    Raises:
        SpecError: if the list cannot be read, the form is unknown, or lines do not fit it.
    """
    form = given.form
    if form is not None and form not in FORMS:
        help = did_you_mean(form, FORMS)
        raise SpecError(Diagnostic("unknown-form", f"no form of lists is called {form}", help=help))
    if form == "something" or (form is None and path.suffix.lower() == ".json"):
        return parse_something(path)
    heading = _heading(path)
    if form == "kinetics" or (form is None and "youtube_id" in heading):
        return parse_kinetics(path)
    if form == "table" or (form is None and "path" in heading):
        return parse_table(path, given.separator)
    if form == "names" or (form is None and not given.separator and _looks_named(path)):
        return parse_names(path, given.separator or ";")
    return parse_columns(path, form, given.separator, given.exists)


def _heading(path: Path) -> set[str]:
    """Return the words of the first line, if it may be a heading."""
    from stspec.data.lists.entry import read_lines

    first = read_lines(path)[0].text.lower()
    for separator in (",", "\t", ";"):
        if separator in first:
            return {word.strip().strip('"') for word in first.split(separator)}
    return {first.strip()}


def _looks_named(path: Path) -> bool:
    """Tell whether every line is an id, a semicolon, and words."""
    from stspec.data.lists.entry import read_lines

    def named(text: str) -> bool:
        key, mark, name = text.partition(";")
        return bool(mark and key.strip() and not name.strip().isdigit() and ";" not in name)

    return all(named(line.text) for line in read_lines(path)[:200])
