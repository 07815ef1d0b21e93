"""Where results are: a store, or a published table. Imports torch where a run is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.evaluate.predictions import read_predictions
from stspec.study.findings import BASELINE
from stspec.study.plan import stored_plan
from stspec.study.published import PREFIX, published
from stspec.study.records import Facets, Result
from stspec.study.store import open_store

FACETS = tuple(each.name for each in fields(Facets))
_SHORTEST = 4
"""Digits of a key that may stand for all of it."""


def results_of(
    source: str, study: str | None = None, say: Callable[[str], None] | None = None
) -> list[Result]:
    """Return the results of a store's folder, or of `published:NAME`.

    Args:
        source: the store's folder, or ``published:NAME``.
        study: of this study of the store alone, in its order; all by default, by their names.
        say: is told, in one line, why a result of the store is passed over.

    Raises:
        SpecError: if there is no such store, table or study.
    """
    if source.startswith(PREFIX):
        return published(source.removeprefix(PREFIX))
    store = open_store(Path(source))
    if study is not None:
        return store.results(stored_plan(store.root, study).runs, say)
    return sorted(store.results(say=say), key=_by_name)


def _by_name(result: Result) -> list[tuple[int, str]]:
    """Order names as people do: f8 before f16."""
    parts = re.split(r"(\d+)", result.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def check_baseline(results: Sequence[Result], baseline: str) -> None:
    """Refuse a baseline that no result has, unless it is the one by default.

    Raises:
        SpecError: `unknown-choice`, with the nearest policy.
    """
    policies = list(dict.fromkeys(each.facets.policy for each in results))
    if results and baseline != BASELINE and baseline not in policies:
        message = f"no model here has the policy `{baseline}`, so it is no baseline"
        help = did_you_mean(baseline, policies)
        raise SpecError(Diagnostic("unknown-choice", message, help=help))


def select(results: Sequence[Result], text: str) -> list[Result]:
    """Return the results that a text names.

    Args:
        results: of a store, or published.
        text: a run's name, or its key (or the beginning of one), or facets:
            ``policy=tam,frames=8``.

    Raises:
        SpecError: `unknown-run`, with the nearest name; `unknown-facet`.
    """
    if "=" in text:
        return _by_facets(results, text)
    named = [each for each in results if each.name == text]
    if not named and len(text) >= _SHORTEST:
        named = [each for each in results if each.key.startswith(text)]
    if len(named) == 1:
        return named
    if named:
        keys = ", ".join(f"`{each.key}`" for each in named[:4])
        message = f"{len(named)} runs are called `{text}`"
        raise SpecError(Diagnostic("unknown-run", message, help=f"name one by its key: {keys}"))
    raise SpecError(
        Diagnostic(
            "unknown-run",
            f"there is no run `{text}`",
            help=did_you_mean(text, [each.name for each in results])
            or "the store holds no results",
        )
    )


def facets_of(text: str) -> dict[str, str]:
    """Return facets that a text names, each with the text of its value.

    Raises:
        SpecError: `unknown-facet`, with the nearest name.
    """
    found = {}
    for part in text.split(","):
        name, equals, value = (each.strip() for each in part.partition("="))
        if name not in FACETS or not equals:
            message = f"results have no facet `{name}`" if equals else f"`{part}` has no value"
            help = did_you_mean(name, FACETS)
            raise SpecError(Diagnostic("unknown-facet", message, help=help))
        if name in found:
            message = f"`{text}` says {name} twice"
            raise SpecError(Diagnostic("unknown-facet", message, help="say it once"))
        found[name] = value
    return found


def _by_facets(results: Sequence[Result], text: str) -> list[Result]:
    kept = list(results)
    for name, wanted in facets_of(text).items():
        values = [facet_text(each.facets, name) for each in kept]
        left = [each for each, value in zip(kept, values, strict=True) if value == wanted]
        if not left:
            message = f"no result has {name} {wanted}"
            help = did_you_mean(wanted, sorted(set(values))) or None
            raise SpecError(Diagnostic("unknown-run", message, help=help))
        kept = left
    return kept


def facet_text(facets: Facets, name: str) -> str:
    """Return the value of a facet as it is written: `true` and `false` as in YAML."""
    value = getattr(facets, name)
    return str(value).lower() if isinstance(value, bool) else str(value)


def file_result(path: Path) -> Result | None:
    """Return what is known of a run's folder, or of a file of predictions; None of other paths.

    Raises:
        SpecError: if it is damaged, or the run was not evaluated.
    """
    from stspec.runs.directory import is_run, open_run

    if path.suffix == ".npz":
        return _result(path.stem, path)
    if not is_run(path):
        return None
    network = open_run(path).network()
    found = _result(path.name, _own_predictions(path))
    macs = sum(network.facts.macs().values())
    return replace(found, params=network.facts.params, macs=macs, folder=path)


def _own_predictions(folder: Path) -> Path:
    """Return the predictions of a run: the store's file, or the one that `stspec eval` wrote."""
    stored = folder / "predictions.npz"
    if stored.is_file():
        return stored
    there = sorted((folder / "predictions").glob("*.npz"))
    if len(there) == 1:
        return there[0]
    message = f"{display_path(folder)} has no predictions"
    help = f"stspec eval {display_path(folder)}"
    if there:
        message = f"{display_path(folder)} has {len(there)} files of predictions"
        help = f"name one of them, such as {display_path(there[0])}"
    raise SpecError(Diagnostic("no-predictions", message, help=help))


def _result(name: str, path: Path) -> Result:
    found = read_predictions(path)
    metrics = found.metrics()
    facets = Facets(str(found.about.get("data", "")), "", name, False, 0)
    return Result(
        key=str(path.resolve()),
        name=name,
        facets=facets,
        settings={},
        top1=metrics.top1,
        top5=metrics.top5,
        mean_class=metrics.mean_class,
        params=0,
        macs=0,
        extra={"predictions": str(path)},
    )
