"""`stspec study report`: a study as one page that opens anywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.options import Output
from stspec.cli.study.export import Baseline, Definition, Lists, lines_of
from stspec.cli.study.options import STORE, StoreOption

if TYPE_CHECKING:
    from stspec.study.report import Subject

SUFFIXES = (".yaml", ".yml")


def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A study that the store has a plan of: its name or its YAML file; or "
            "published:NAME: what a paper prints.",
            show_default=False,
        ),
    ],
    store: StoreOption = STORE,
    output: Output = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            "--published", metavar="NAME", show_default=False,
            help="Show all of a published table as well, such as study2021. Repeatable.",
        ),
    ] = None,
    baseline: Baseline = "tsn",
    definition: Annotated[
        Definition, typer.Option("--definition", help="Of Φ and Ψ.")
    ] = Definition.TABLE,
    given: Lists = None,
) -> None:  # fmt: skip
    """Write all there is to know of a study as one HTML page, which opens offline.

    What was compared and how, what is missing, a table that sorts and filters, accuracy against
    cost, gains with intervals, classes, and each run in full. Where a paper prints the accuracy of
    a model it stands beside yours. Without -o the page is STUDY.html.
    """
    from stspec.cli.screen import remark, size
    from stspec.diagnostics import display_path
    from stspec.output import write_output
    from stspec.study.published import PREFIX
    from stspec.study.report import render
    from stspec.study.sources import check_baseline

    tables = list(dict.fromkeys(name.removeprefix(PREFIX) for name in published or ()))
    name = Path(study).stem if study.endswith(SUFFIXES) else study.removeprefix(PREFIX)
    if study.startswith(PREFIX):
        found = _of_papers(list(dict.fromkeys([name, *tables])))
    else:
        found = _of_store(name, store, tables)
    check_baseline(found.args[1], baseline)
    lists = {path.stem: lines_of(path) for path in given or ()}
    subject = found(baseline=baseline, definition=definition.value, given=lists)
    page = render(subject)
    path = output or Path(f"{name}.html")
    write_output(path, page)
    bytes = len(page.encode("utf-8"))
    remark(f"wrote {display_path(path)}: {_told(subject)}, {size(bytes)}")


def _told(subject: Subject) -> str:
    from stspec.diff.figures import plural

    yours = sum(each.source == "yours" for each in subject.results)
    printed = len(subject.results) - yours
    parts = [plural(yours, "run")] if yours or not printed else []
    if len(subject.plan) > yours:
        parts = [f"{yours} of {plural(len(subject.plan), 'run')}"]
    return ", ".join([*parts, *([plural(printed, "published result")] if printed else [])])


def _of_papers(names: list[str]) -> partial[Subject]:
    from stspec.study.published import open_published
    from stspec.study.report import collect

    found = [open_published(name) for name in names]
    results = [result for each in found for result in each.results]
    about = f"As published: {found[0].about}"
    return partial(collect, ", ".join(names), results, about=about, notes=_sources(names))


def _of_store(name: str, folder: Path, tables: list[str]) -> partial[Subject]:
    from stspec.cli.screen import remark
    from stspec.study.plan import stored_plan
    from stspec.study.published import published
    from stspec.study.report import collect
    from stspec.study.standing import Watch
    from stspec.study.store import open_store

    there = open_store(folder)
    plan = stored_plan(there.root, name)
    results = there.results(plan.runs, remark)
    for table in tables:
        results += published(table)
    papers = [f"The study is of {plan.paper}."] if plan.paper else []
    return partial(
        collect, plan.name, results, plan=Watch(there, plan.runs).look().rows,
        about=plan.about or "", notes=[*papers, *_sources(tables)], say=remark,
    )  # fmt: skip


def _sources(tables: list[str]) -> list[str]:
    """Return where published figures are from."""
    from stspec.study.published import open_published

    found = [open_published(name) for name in tables]
    return [
        f"Published figures of {each.name}: {each.paper}; {each.source}. {' '.join(each.notes)}"
        for each in found
    ]
