"""The data sets of a study: found, made, or lacking some of their classes. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stspec.analysis.hashes import digest
from stspec.data.lists.splits import split_source
from stspec.data.manifest import load_split, save_manifest
from stspec.data.sample import Manifest
from stspec.diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean, display_path
from stspec.source import Mapping as Tree
from stspec.source import Node, Scalar
from stspec.study.plan import DataSet
from stspec.study.schema import DataSetKeys

PARTS = ("train", "val")


def find_data(
    keys: Mapping[str, DataSetKeys | str], tree: Node | None, used: Collection[str]
) -> dict[str, DataSet]:
    """Return data sets by name, those that are used.

    Args:
        keys: what the study says of them.
        tree: the nodes that say it, for messages.
        used: names.

    Raises:
        SpecError: if one that has a path is not there, or its lists cannot be read.
    """
    found: dict[str, DataSet] = {}
    errors: list[Diagnostic] = []
    full = {n: DataSetKeys(path=k) if isinstance(k, str) else k for n, k in keys.items()}
    for name in keys:
        if name not in used:
            continue
        try:
            found[name] = _data_set(name, full, tree if isinstance(tree, Tree) else None)
        except SpecError as error:
            node = tree.get(name) if isinstance(tree, Tree) else None
            errors.extend(_placed(each, node) for each in error.diagnostics)
    if errors:
        raise SpecError(*dict.fromkeys(errors))
    return found


def said_at(tree: Node, *keys: str) -> tuple[Label, ...]:
    """Return a label where a study says something; none where the command line does."""
    node: Node | None = tree
    for key in keys:
        node = node.get(key) if isinstance(node, Tree) else None
    if node is None or "--data" in node.origin:
        return ()
    return (Label(node.span, "said here"),)


def _placed(diagnostic: Diagnostic, node: Node | None) -> Diagnostic:
    """Return what is wrong with a data set's files, with where the study names them."""
    lacks = diagnostic.code in ("unknown-class", "no-classes")
    if diagnostic.labels or node is None:
        return diagnostic
    keys = () if isinstance(node, Scalar) else ("without" if lacks else "path",)
    return replace(diagnostic, labels=said_at(node, *keys))


def _data_set(name: str, all_keys: Mapping[str, DataSetKeys], tree: Tree | None) -> DataSet:
    keys = all_keys[name]
    node = tree.get(name) if tree is not None else None
    if keys.of is not None:
        return _part(name, keys, all_keys, tree)
    if keys.motions is not None:
        return _motions(name, keys)
    lists = _lists(keys, node)
    without = _without(keys, node)
    if keys.path is None:
        about = [name, keys.classes, keys.clips, list(without)]
        classes = None if keys.classes is None else keys.classes - len(without)
        return DataSet(name, digest(["absent", about]), classes, keys.clips, lists=lists,
                       without=without)  # fmt: skip
    path = _place(keys.path, node, "path")
    manifests = _read(path, lists)
    if without:
        manifests = {part: without_classes(m, without, name) for part, m in manifests.items()}
    train, val = manifests["train"], manifests.get("val")
    if keys.classes not in (None, len(train.classes)):
        raise _other_classes(name, keys, len(train.classes), node)
    return DataSet(
        name,
        digest([m.digest for m in manifests.values()]),
        len(train.classes),
        len(train),
        None if val is None else len(val),
        str(path),
        lists,
        None,
        without,
    )


def _part(
    name: str, keys: DataSetKeys, all_keys: Mapping[str, DataSetKeys], tree: Tree | None
) -> DataSet:
    """Return a data set that is another one without some of its classes."""
    node = tree.get(name) if tree is not None else None
    whole = all_keys.get(str(keys.of))
    if whole is None or whole.of is not None:
        others = [n for n, k in all_keys.items() if k.of is None]
        message = f"the data set `{name}` is of `{keys.of}`, which is no whole data set"
        label = _label(node, "of", "not one of them")
        raise SpecError(
            Diagnostic("unknown-data", message, label, did_you_mean(str(keys.of), others) or None)
        )
    parent = _data_set(str(keys.of), all_keys, tree)
    without = _without(keys, node)
    # Which classes go may follow from runs that are yet to be done.
    if (parent.path is None and parent.made is None) or (keys.classes and not without):
        classes = None if parent.classes is None else parent.classes - len(without)
        about = ["absent", parent.digest, sorted(without), keys.classes, keys.clips]
        of = None if without else parent.name
        return DataSet(name, digest(about), keys.classes or classes, keys.clips or parent.train,
                       lists=parent.lists, without=without, of=of)  # fmt: skip
    if parent.made is not None:
        return _part_of_motions(name, parent, without)
    path = Path(str(parent.path))
    parts = {p: without_classes(m, without, name) for p, m in _read(path, parent.lists).items()}
    val = parts.get("val")
    return DataSet(
        name, digest([m.digest for m in parts.values()]), len(parts["train"].classes),
        len(parts["train"]), None if val is None else len(val), str(path), parent.lists, None,
        without,
    )  # fmt: skip


def _motions(name: str, keys: DataSetKeys) -> DataSet:
    from stspec.data.motions import CLASSES

    assert keys.motions is not None
    made = keys.motions.model_dump()
    about = digest(["motions", made])
    return DataSet(name, about, len(CLASSES), made["train"], made["val"], made=made)


def _part_of_motions(name: str, parent: DataSet, without: tuple[str, ...]) -> DataSet:
    from stspec.data.motions import CLASSES

    _check_classes(without, CLASSES, name)
    kept = len(CLASSES) - len(set(without))
    made = dict(parent.made or {})
    train, val = (_of_classes(int(str(made[part])), CLASSES, without) for part in PARTS)
    about = digest([parent.digest, sorted(without)])
    return DataSet(name, about, kept, train, val, made=made, without=without)


def _of_classes(count: int, classes: Collection[str], without: Collection[str]) -> int:
    """Return how many of so many clips, the classes in turn, are of classes that stay."""
    return sum(
        len(range(index, count, len(classes)))
        for index, name in enumerate(classes)
        if name not in without
    )


def _read(path: Path, lists: Mapping[str, Any]) -> dict[str, Manifest]:
    """Return the manifests of a data set: train, and val where there is one."""
    how = dict(lists)
    found = {"train": load_split(path, "train", **how)}
    if "val_share" in how or split_source(path, "val", needed=False) is not None:
        found["val"] = load_split(path, "val", **how)
    return found


def without_classes(manifest: Manifest, without: Collection[str], name: str = "") -> Manifest:
    """Return a manifest without the samples of some classes, the others numbered anew.

    Args:
        manifest: what is to be learnt from or measured on.
        without: names of classes.
        name: of the data set, for messages.

    Raises:
        SpecError: if one of the names is no class.
    """
    _check_classes(without, manifest.classes, name)
    kept = [index for index, one in enumerate(manifest.classes) if one not in set(without)]
    numbers = {old: new for new, old in enumerate(kept)}
    samples = tuple(
        replace(sample, labels=tuple(numbers[label] for label in sample.labels if label in numbers))
        for sample in manifest.samples
        if not sample.labels or any(label in numbers for label in sample.labels)
    )
    classes = tuple(manifest.classes[index] for index in kept)
    return replace(manifest, samples=samples, classes=classes)


def _check_classes(without: Collection[str], classes: Collection[str], name: str) -> None:
    unknown = [one for one in without if one not in set(classes)]
    if unknown:
        where = f"the data set `{name}`" if name else "the manifest"
        message = f"{where} has no class `{unknown[0]}`"
        more = f" (and {len(unknown) - 1} others of `without` neither)" if len(unknown) > 1 else ""
        help = did_you_mean(unknown[0], sorted(classes)) or None
        raise SpecError(Diagnostic("unknown-class", message + more, help=help))
    if len(set(without)) >= len(classes):
        message = f"nothing is left of the data set `{name}`: all its classes are left out"
        raise SpecError(Diagnostic("no-classes", message))


def make_data(one: DataSet, folder: Path) -> DataSet:
    """Return a data set as workers find it: made, or its classes left out, under a folder.

    Args:
        one: as it was planned.
        folder: where data sets of a store lie; one of its own is made for each.

    Raises:
        SpecError: if it lies nowhere, or cannot be written.
    """
    if one.made is not None:
        from stspec.data.motions import make_motions

        made = {name: int(str(value)) for name, value in one.made.items()}
        whole = folder / f"motions-{digest(['motions', dict(one.made)])}"
        make_motions(whole, **made)
        if not one.without:
            return replace(one, path=str(whole.resolve()))
        return _save_part(one, whole, folder)
    if one.path is None:
        message = f"it is not said where the data set `{one.name}` lies"
        help = f"--data {one.name}=DIR, a folder with train and val lists"
        if one.of is not None:
            message = f"it is not said which classes of {one.of} the data set `{one.name}` lacks"
            help = f"--set data.{one.name}.without=FILE, a file of their names, one a line"
        raise SpecError(Diagnostic("no-data", message, help=help))
    return _save_part(one, Path(one.path), folder) if one.without else one


def _save_part(one: DataSet, whole: Path, folder: Path) -> DataSet:
    """Write manifests without the classes that are left out."""
    place = folder / f"{one.name}-{one.digest}"
    for part, manifest in _read(whole, one.lists).items():
        file = place / f"{part}.jsonl"
        if not file.is_file():
            save_manifest(without_classes(manifest, one.without, one.name), file)
    return replace(one, path=str(place.resolve()), lists={})


def _lists(keys: DataSetKeys, node: Node | None) -> dict[str, str | int | float]:
    given = keys.lists.model_dump(exclude_none=True)
    inner = node.get("lists") if isinstance(node, Tree) else None
    for name in ("root", "classes"):
        if name in given:
            given[name] = str(_place(given[name], inner, name))
    return given


def _without(keys: DataSetKeys, node: Node | None) -> tuple[str, ...]:
    """Return the classes to leave out: those listed, or the lines of a file."""
    if keys.without is None:
        return ()
    if not isinstance(keys.without, str):
        return tuple(dict.fromkeys(keys.without))
    path = _place(keys.without, node, "without")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"cannot read the classes in {display_path(path)}: {why.lower()}"
        label = _label(node, "without", "said here")
        raise SpecError(Diagnostic("unreadable-file", message, label)) from None
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _place(name: str, node: Node | None, key: str) -> Path:
    value = node.get(key) if isinstance(node, Tree) else node
    return placed(value) if isinstance(value, Scalar) else Path(name).expanduser().resolve()


def placed(value: Scalar) -> Path:
    """Return a path that a study names, in full: in a file it starts from the file's folder."""
    file = value.span.file
    folder = Path() if file.startswith("<") else Path(file).parent
    return (folder / Path(str(value.value)).expanduser()).resolve()


def _label(node: Node | None, key: str, text: str) -> tuple[Label, ...]:
    span: Span | None = None
    if isinstance(node, Tree):
        value = node.get(key)
        span = value.span if value is not None else node.span
    return (Label(span, text),) if span is not None else ()


def _other_classes(name: str, keys: DataSetKeys, found: int, node: Node | None) -> SpecError:
    message = f"the data set `{name}` has {found} classes, and the study says {keys.classes}"
    help = f"--set data.{name}.classes={found}, or name the other data"
    label = _label(node, "classes", f"not the {found} of the data")
    return SpecError(Diagnostic("wrong-classes", message, label, help))
