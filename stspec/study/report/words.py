"""Models and recipes of a page in the field's words, as `stspec diff` tells models apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stspec.diagnostics import SpecError
from stspec.diff.facets import TITLES, Reading, Told, told
from stspec.source import Mapping as Tree
from stspec.source import Scalar, read_text, to_plain
from stspec.study.pricing import Compiler, shape_text
from stspec.study.recipe_words import recipe_words

CLASSES = 100
"""Of all models when they are compiled: those that differ in classes alone are compiled once."""


def model_words(specs: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return, by its text, what each resolved spec says; nothing of those that do not compile.

    Models are compared with one another by these texts, whichever two are chosen.
    """
    trees = {text: tree for text in specs if (tree := _tree(text)) is not None}
    alike: dict[str, list[str]] = {}
    for text, tree in trees.items():
        alike.setdefault(_exact(_normal(tree)), []).append(text)
    found: dict[str, Told] = {}
    reader = _Reader()
    # Those that differ in frames alone stand together, and share what reading a graph takes.
    for texts in sorted(alike.values(), key=lambda texts: shape_text(_normal(trees[texts[0]]))):
        read = reader.read(_normal(trees[texts[0]]))
        if read is not None:
            found.update((text, _with_classes(read, trees[text])) for text in texts)
    return _apart(found)


def _tree(text: str) -> Tree | None:
    try:
        found = read_text(text, "<spec>")
    except SpecError:
        return None
    if not isinstance(found, Tree):
        return None
    name = Scalar("name", found.span), Scalar("run", found.span)
    return Tree((name, *found.without("name").entries), found.span, found.origin)


def _normal(tree: Tree) -> Tree:
    """Return a spec for a number of classes that all have."""
    key = tree.key("classes")
    return tree if key is None else tree.with_entry(key, Scalar(CLASSES, key.span, key.origin))


def _exact(tree: Tree) -> str:
    return repr(to_plain(tree))


class _Reader:
    """Reads one model after the other."""

    def __init__(self) -> None:
        self._compiler = Compiler()
        self._last: Reading | None = None

    def read(self, tree: Tree) -> Told | None:
        """Return what a spec says, or None where this stspec cannot compile it."""
        try:
            network = self._compiler.compile(tree)
            last = self._last
            shared = last is not None and last.network.graph is network.graph
            self._last = last.on(network) if last is not None and shared else Reading(network)
            return told(self._last)
        except SpecError:
            return None


def _with_classes(read: Told, tree: Tree) -> Told:
    classes = tree.get("classes")
    known = isinstance(classes, Scalar) and read.texts["classes"] == str(CLASSES)
    if not known or not isinstance(classes, Scalar):
        return read
    return Told({**read.texts, "classes": str(classes.value)}, read.file, read.trunk)


def _apart(found: dict[str, Told]) -> dict[str, dict[str, str]]:
    """Return texts that are equal where models are, and differ where they do."""
    trunks: list[tuple[Sequence[object], str]] = []
    names: dict[str, str] = {}
    for text, each in found.items():
        own = next((name for trunk, name in trunks if trunk == each.trunk), None)
        if own is None:
            own = each.texts["backbone"]
            if own in (name for _, name in trunks):
                own += f" ({each.file})"
            trunks.append((each.trunk, own))
        names[text] = own
    return {text: {**each.texts, "backbone": names[text]} for text, each in found.items()}


def words_block(specs: Sequence[str | None], recipes: Sequence[str | None]) -> dict[str, Any]:
    """Return for the page what each run's model and recipe say.

    Args:
        specs: the texts of the runs' resolved specs, None where there is none.
        recipes: the texts of their recipes.

    Returns:
        ``texts`` that others name by their numbers; ``told``: lists of pairs (title, text);
        ``runs``: of each run the numbers of its model's and its recipe's list, None where nothing
        is known.
    """
    texts: dict[str, int] = {}
    lists: dict[tuple[tuple[int, ...], ...], int] = {}

    def number(words: Mapping[str, str]) -> int:
        pairs = tuple(
            tuple(texts.setdefault(text, len(texts)) for text in pair) for pair in words.items()
        )
        return lists.setdefault(pairs, len(lists))

    models = {
        text: number({TITLES[key]: words[key] for key in TITLES})
        for text, words in model_words(dict.fromkeys(filter(None, specs))).items()
    }
    trained = {text: number(_recipe(text)) for text in dict.fromkeys(filter(None, recipes))}
    runs = [
        [models.get(spec or ""), trained.get(recipe or "")]
        for spec, recipe in zip(specs, recipes, strict=True)
    ]
    return {"texts": list(texts), "told": list(lists), "runs": runs}


def _recipe(text: str) -> dict[str, str]:
    try:
        found = to_plain(read_text(text, "<recipe>"))
    except SpecError:
        return {}
    return recipe_words(found) if isinstance(found, dict) else {}
