"""Names of classes, and how a list's labels refer to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stspec.data.lists.columns import is_number
from stspec.data.lists.entry import Entry, read_lines, read_text
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path

_BESIDE = (
    "classes.txt", "labels.txt", "category.txt", "categories.txt", "classInd.txt", "labels.json",
    "something-something-v2-labels.json", "something-something-v1-labels.csv", "label_map.txt",
    "jester-v1-labels.csv",
)  # fmt: skip
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Classes:
    """Class names, and the number that a list gives each one."""

    names: tuple[str, ...]
    numbers: Mapping[str, int]
    """From what a list may write (a number, a name) to a class."""
    source: str = ""

    def of(self, label: str) -> int | None:
        """Return the class that a label means, or None."""
        found = self.numbers.get(label)
        return self.numbers.get(label.casefold()) if found is None else found


def read_classes(path: Path) -> Classes:
    """Read class names: one a line (``3 name`` too, where all have numbers), or a JSON object.

    Raises:
        SpecError: if there are none, or two are equal.
    """
    if path.suffix.lower() == ".json":
        return _from_json(path)
    texts = [line.text.strip() for line in read_lines(path)]
    if texts and {part.strip().lower() for part in texts[0].split(",")} <= {"id", "name", "label"}:
        texts = texts[1:]  # a heading
    numbered = [re.fullmatch(r"(\d+)[ ,;\t]+(\S.*)", text) for text in texts]
    backwards = [re.fullmatch(r"(\S.*?)[ ,;\t]+(\d+)", text) for text in texts]
    for matches, number, name in ((numbered, 1, 2), (backwards, 2, 1)):
        found = {int(match[number]): match[name] for match in matches if match}
        first = min(found, default=-1)
        complete = len(found) == len(texts) and first in (0, 1)
        if complete and sorted(found) == list(range(first, first + len(found))):
            return _numbered(path, found)
    return named(texts, display_path(path))


def _from_json(path: Path) -> Classes:
    shown = display_path(path)
    try:
        found = json.loads(read_text(path))
        if isinstance(found, dict):
            pairs = {str(name): int(number) for name, number in found.items()}
            return _numbered(path, {number: name for name, number in pairs.items()})
        if isinstance(found, list) and all(isinstance(name, str) for name in found):
            return named(found, shown)
    except (ValueError, TypeError, RecursionError):
        pass
    help = "a list of names, or an object from names to numbers"
    raise SpecError(Diagnostic("bad-classes", f"{shown} holds no class names", help=help))


def _numbered(path: Path, found: Mapping[int, str]) -> Classes:
    """Return classes by number; the numbers may count from 0 or 1."""
    names = [found[number] for number in sorted(found)]
    plain = named(names, display_path(path))
    numbers = {name: i for name, i in plain.numbers.items() if not is_number(name)}
    numbers |= {str(number): i for i, number in enumerate(sorted(found))}
    return Classes(plain.names, numbers, plain.source)


def named(names: Iterable[str], source: str = "") -> Classes:
    """Return classes in the order of their names; a list may write a name or its number from 0.

    Raises:
        SpecError: if there are none, or two are equal.
    """
    cleaned = tuple(name.strip() for name in names)
    twice = sorted({name for name in cleaned if cleaned.count(name) > 1}) if cleaned else []
    if twice or not cleaned:
        what = f"names `{twice[0]}` twice" if twice else "names no classes"
        raise SpecError(Diagnostic("bad-classes", f"{source or 'the list of classes'} {what}"))
    numbers = {name.casefold(): i for i, name in enumerate(cleaned)}
    numbers |= {name: i for i, name in enumerate(cleaned)}
    numbers |= {str(i): i for i in range(len(cleaned)) if str(i) not in numbers}
    return Classes(cleaned, numbers, source)


def find_classes(folder: Path) -> Path | None:
    """Return the file of class names that lies beside a list, if there is one."""
    return next((folder / name for name in _BESIDE if (folder / name).is_file()), None)


def gather_classes(entries: Iterable[Entry]) -> Classes:
    """Return the classes that lists mention: numbers up to the largest, or names in order."""
    labels = {label for entry in entries for label in entry.labels}
    if all(is_number(label) for label in labels):
        count = max((int(label) for label in labels), default=-1) + 1
        if count > _MOST:
            message = f"a label is {count - 1}: that is no number of a class"
            help = "is a column of frames taken for labels? name the form of the list"
            raise SpecError(Diagnostic("bad-label", message, help=help))
        names = tuple(str(i) for i in range(count))
        return Classes(names, {name: i for i, name in enumerate(names)})
    return named(sorted(labels))


def unknown_labels(entries: Sequence[Entry], classes: Classes) -> list[tuple[Entry, str]]:
    """Return the labels that no class has, each once, with the first entry that has it."""
    found: dict[str, Entry] = {}
    for entry in entries:
        for label in entry.labels:
            if classes.of(label) is None:
                found.setdefault(label, entry)
    return [(entry, label) for label, entry in found.items()]


def bad_labels(shown: str, wrong: Sequence[tuple[Entry, str]], classes: Classes) -> SpecError:
    """Return the error that tells of labels without a class."""
    entry, label = wrong[0]
    count = len(classes.names)
    where = f" in {classes.source}" if classes.source else ""
    message = f"line {entry.line} of {shown}: label `{label}` is none of the {count} classes{where}"
    if len(wrong) > 1:
        message += f" (and {len(wrong) - 1} more labels)"
    if is_number(label):
        help = f"labels go from {min(classes.numbers.get('0', 1), 1)} to {count - 1}"
        if "0" not in classes.numbers:
            help = f"labels go from 1 to {count}"
        help += "; name the list's form if a column of frames was taken for labels"
    else:
        help = did_you_mean(label, classes.names)
    return SpecError(Diagnostic("bad-label", message, help=help))
