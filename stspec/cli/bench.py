"""`stspec bench`: latency, throughput and memory, side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.options import Set, Target

if TYPE_CHECKING:
    from stspec.bench import Case, Row, Subject


class Precision(StrEnum):
    """In what numbers a network computes."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Layout(StrEnum):
    """How clips and weights lie in memory."""

    CONTIGUOUS = "contiguous"
    CHANNELS_LAST = "channels_last"


def bench(
    target: Target,
    sets: Set = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="OTHER",
            help="Another spec, or a module of yours: path.py:Class. Repeatable.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", min=1, help="Clips at once. Repeatable.", show_default="1"),
    ] = None,
    frames: Annotated[
        list[int] | None,
        typer.Option("--frames", min=1, help="Frames of a clip. Repeatable.", show_default="spec"),
    ] = None,
    precision: Annotated[
        list[Precision] | None,
        typer.Option("--precision", help="Repeatable.", show_default="float32"),
    ] = None,
    layout: Annotated[
        list[Layout] | None,
        typer.Option("--layout", help="Repeatable.", show_default="contiguous"),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Measure torch.compile as well.")
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Timed runs of each.")] = 10,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="Runs before them.")] = 2,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Threads of torch.", show_default="torch's"),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1.")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write JSON to this file."),
    ] = None,
) -> None:
    """Measure latency, throughput and peak memory of models.

    Every combination of the settings is measured. What is compared takes turns, round by round.
    Ratios are the medians over rounds of a latency by the first model's. Weights are fresh, and
    clips random: neither changes the speed.
    """
    from stspec.bench import check_device, machine, measure, set_threads, to_json
    from stspec.output import write_output

    check_device(device)
    if threads is not None:
        set_threads(threads)
    subjects = _subjects(target, sets or [], against or [])
    cases = _cases(batch or [1], frames or [None], precision, layout, compiled)
    where = machine(device)
    rows: list[Row] = []
    for found in measure(subjects, cases, rounds=rounds, warmup=warmup, device=device):
        rows.extend(found)
    _tell(rows, where, json)
    if output is not None:
        write_output(output, _text(to_json(rows, where)))


def _subjects(target: str, sets: list[str], against: list[str]) -> list[Subject]:
    from stspec.bench import is_users, of_network, of_user

    first = of_network(target, sets)
    others = [of_user(o, first) if is_users(o) else of_network(o, sets) for o in against]
    return [first, *others]


def _cases(
    batches: list[int], frames: list[int] | list[None], precisions: list[Precision] | None,
    layouts: list[Layout] | None, compiled: bool,
) -> list[Case]:  # fmt: skip
    from itertools import product

    from stspec.bench import Case

    numbers = precisions or [Precision.FLOAT32]
    memory = layouts or [Layout.CONTIGUOUS]
    modes = [False, True] if compiled else [False]
    return [
        Case(b, f, p.value, m.value, c)
        for f, b, p, m, c in product(frames, batches, numbers, memory, modes)
    ]


def _text(value: dict[str, Any]) -> str:
    from json import dumps

    return dumps(value, indent=1) + "\n"


def _tell(rows: list[Row], where: dict[str, Any], json: bool) -> None:
    from stspec.bench import to_json
    from stspec.cli.screen import RIGHT, Column, paint, paragraph, size, table, width, write

    if json:
        write(_text(to_json(rows, where)))
        return
    columns = [
        Column("model", shrinks=True), Column("clips", RIGHT), Column("how"), Column("min", RIGHT),
        Column("median", RIGHT), Column("clips/s", RIGHT), Column("memory", RIGHT),
        Column("ratio", RIGHT),
    ]  # fmt: skip
    cells = [
        (
            row.name,
            f"{row.case.batch}x{row.clip[1]}x{row.clip[2]}x{row.clip[3]}",
            _how(row.case),
            _time(row.latency_min),
            _time(row.latency_median),
            _rate(row.throughput),
            size(row.memory) if row.memory is not None else "",
            f"{row.ratio:.3f} x" if row.ratio is not None else "",
        )
        for row in rows
    ]
    ink = paint()
    about = ", ".join(f"{name} {value}" for name, value in where.items() if value is not None)
    note = f"{rows[0].rounds} rounds in turns; ratio: median latency over rounds, by {rows[0].name}"
    notes = "\n".join(ink(paragraph(text, width()), "dim") for text in (note, about))
    write(f"{table(columns, cells, width(), ink)}\n\n{notes}")


def _how(case: Case) -> str:
    parts = [case.precision.replace("float", "f")]
    parts += ["last"] if case.layout == "channels_last" else []
    return " ".join([*parts, *(["compiled"] if case.compiled else [])])


def _rate(clips: float) -> str:
    return f"{clips:,.0f}" if clips >= 1000 else f"{clips:.4g}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.4g} ms"
