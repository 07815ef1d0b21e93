"""`stspec study plan`: what a study would run, and what it would cost."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.screen import (
    RIGHT,
    Column,
    Paint,
    heading,
    paint,
    paragraph,
    short,
    shorten,
    size,
    table,
    width,
    write,
)
from stspec.cli.study.options import STORE, Data, Set, StoreOption, StudyTarget, by_name

if TYPE_CHECKING:
    from stspec.source.nodes import Plain
    from stspec.study.outline import Difference, Group
    from stspec.study.plan import Plan
    from stspec.study.records import PlannedRun
    from stspec.study.study import Study

MOST_ROWS = 24
"""Runs that are told one by one; more are told in groups."""
MOST_DIFFERENCES = 40


def plan(
    study: StudyTarget,
    sets: Set = None,
    data: Data = None,
    store: StoreOption = STORE,
    runs: Annotated[
        bool, typer.Option("--runs", help="Tell every run by itself, however many.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The whole plan, specs and recipes included.")
    ] = False,
) -> None:
    """Tell what a study would run: models, costs, order, and what a store has already.

    Nothing is trained and nothing written.
    """
    from stspec.study.outline import finished_keys
    from stspec.study.planning import make_plan
    from stspec.study.study import load_study

    asked = load_study(study, sets or (), by_name(data))
    found = make_plan(asked)
    finished = finished_keys(store)
    if as_json:
        done = sorted(run.key for run in found.runs if run.key in finished)
        write(json.dumps({**found.to_json(), "finished": done}, ensure_ascii=False, indent=1))
        return
    write("\n".join(_lines(asked, found, finished, runs, store)))


def _lines(
    study: Study, plan: Plan, finished: Collection[str], every: bool, store: Path
) -> list[str]:
    from stspec.diff.figures import plural
    from stspec.study.outline import differences, groups

    ink, room = paint(), width()
    about = f": {plan.about}" if plan.about else ""
    lines = [heading(plan.name, about, room, ink), ""]
    lines += _axes(study, ink, room)
    few = every or len(plan.runs) <= MOST_ROWS
    shown = _runs(plan, finished, ink, room) if few else ""
    lines += [shown or _groups(plan, groups(plan, MOST_ROWS), finished, ink, room), ""]
    space = study.space
    values = sum(len(a.choices) for group in (*space.grid, *space.include) for a in group)
    if values <= MOST_DIFFERENCES:
        lines += _differences(study, differences(study), ink, room)
    lines += [paragraph(text, room) for text in _notes(plan, finished, store)]
    lines += [paragraph(f"note: {note}", room) for note in plan.notes[:8]]
    if len(plan.notes) > 8:
        lines.append(f"and {plural(len(plan.notes) - 8, 'other note')}: --json has them all")
    return lines


def _axes(study: Study, ink: Paint, room: int) -> list[str]:
    """Return the axes with their values, and which go in step."""
    found = []
    for group in study.space.grid:
        for axis in group:
            step = [other.name for other in group if other is not axis]
            values = ", ".join(_text(choice.value) for choice in axis.choices)
            step_told = f" (in step with {', '.join(step)})" if step else ""
            found.append((axis.name, values + step_told))
    if not found:
        return []
    wide = max(len(name) for name, _ in found)
    lines = [f"{ink(f'{n:{wide}}', 'bold')}  {shorten(v, room - wide - 2)}" for n, v in found]
    more = len(study.space.include)
    if more:
        lines.append(f"and {more} of `include`" if more > 1 else "and one of `include`")
    return [*lines, ""]


def _runs(plan: Plan, finished: Collection[str], ink: Paint, room: int) -> str:
    names = {run.key: run.name for run in plan.runs}
    columns = [
        Column("run", shrinks=True), Column("params", RIGHT), Column("MACs", RIGHT),
        Column("steps", RIGHT), Column("memory", RIGHT), Column("starts from", shrinks=True),
        *([Column("")] if finished else []),
    ]  # fmt: skip
    rows = [
        [
            run.name,
            short(run.params),
            short(run.macs),
            _count(plan.efforts[run.key].steps),
            size(plan.efforts[run.key].memory),
            _start(run, names),
            *(["finished" if run.key in finished else ""] if finished else []),
        ]
        for run in plan.runs
    ]
    return table(columns, rows, room, ink)


def _start(run: PlannedRun, names: dict[str, str]) -> str:
    if run.after is not None:
        return names[run.after]
    return Path(run.weights).name if run.weights else "scratch"


def _groups(
    plan: Plan, found: Sequence[Group], finished: Collection[str], ink: Paint, room: int
) -> str:
    columns = [
        Column("runs of", shrinks=True), Column("runs", RIGHT), Column("params", RIGHT),
        Column("MACs", RIGHT), Column("steps", RIGHT), Column("memory", RIGHT),
        *([Column("finished", RIGHT)] if finished else []),
    ]  # fmt: skip
    rows = [_group(plan, one, finished) for one in found]
    most = max((effort.memory for effort in plan.efforts.values()), default=0)
    total = [
        "all", str(len(plan.runs)), "", "", _steps(plan, plan.runs), size(most),
        *([str(sum(run.key in finished for run in plan.runs))] if finished else []),
    ]  # fmt: skip
    return table(columns, rows, room, ink, total)


def _group(plan: Plan, one: Group, finished: Collection[str]) -> list[str]:
    efforts = [plan.efforts[run.key] for run in one.runs]
    return [
        " ".join(_text(value) for value in one.values.values() if value is not None) or "all",
        str(len(one.runs)),
        _range(*one.range_of("params")),
        _range(*one.range_of("macs")),
        _steps(plan, one.runs),
        size(max(effort.memory for effort in efforts)),
        *([str(sum(run.key in finished for run in one.runs))] if finished else []),
    ]


def _steps(plan: Plan, runs: Sequence[PlannedRun]) -> str:
    """Return the steps of runs together; ? where one is not known."""
    total = 0
    for run in runs:
        steps = plan.efforts[run.key].steps
        if steps is None:
            return _count(None)
        total += steps
    return _count(total)


def _differences(study: Study, found: Sequence[Difference], ink: Paint, room: int) -> list[str]:
    if not found:
        return []
    lines = [ink(f"against {study.keys.base}, each value by itself:", "bold")]
    axis = ""
    for one in found:
        if one.axis != axis:
            axis = one.axis
            lines.append(f"  {axis}")
        lines.append(f"    {ink(', '.join(map(_text, one.values)), 'bold')}")
        for what, a, b in one.told:
            text = paragraph(f"{what}: {a} becomes {b}", room - 6)
            lines += [f"      {line}" for line in text.splitlines()]
    return [*lines, ""]


def _notes(plan: Plan, finished: Collection[str], store: Path) -> list[str]:
    from stspec.diagnostics import display_path
    from stspec.diff.figures import plural
    from stspec.study.outline import waves

    models = plural(len(plan.specs), "model")
    told = [f"{plural(len(plan.runs), 'run')} of {models} by {plural(len(plan.recipes), 'recipe')}"]
    steps = waves(plan)
    if len(steps) > 1:
        counts = ", then ".join(map(str, steps))
        told[0] += f"; those that start from others wait for them: {counts}"
    pairs = ((plan.efforts[run.key].clips, run.macs) for run in plan.runs)
    work = [clips * macs for clips, macs in pairs if clips is not None]
    if work:
        told.append(
            f"forwards over all clips: {short(sum(work), 'MACs')}; backwards about twice that"
        )
    if finished:
        done = sum(run.key in finished for run in plan.runs)
        told.append(f"{done} of {len(plan.runs)} are finished in {display_path(store)}")
    told.append(
        "MACs are of one clip; memory is an estimate, of one process that computes a whole batch"
    )
    return told


def _range(least: int, most: int) -> str:
    """Return two numbers in three digits each, in the unit of the greater: 5.69-23.7 M."""
    if least == most:
        return short(least)
    units = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
    factor, unit = next((f, u) for f, u in units if most >= f or f == 1)
    return f"{least / factor:.3g}-{most / factor:.3g} {unit}".rstrip()


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}".replace(",", " ")


def _text(value: Plain) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
