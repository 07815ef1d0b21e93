"""`stspec bench`: latency, throughput and memory, side by side."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.options import Set, Target

if TYPE_CHECKING:
    from stspec.bench import Case, Measured


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
    from stspec.api.speed import bench as measure
    from stspec.output import write_output

    found = measure(
        target, against=tuple(against or ()), overrides=sets or (), batch=batch or 1,
        frames=frames, precision=[p.value for p in precision or [Precision.FLOAT32]],
        layout=[m.value for m in layout or [Layout.CONTIGUOUS]],
        compiled=[False, True] if compiled else False, rounds=rounds, warmup=warmup,
        threads=threads, device=device,
    )  # fmt: skip
    _tell(found, json)
    if output is not None:
        write_output(output, _text(found.to_json()))


def _text(value: dict[str, Any]) -> str:
    from json import dumps

    return dumps(value, indent=1) + "\n"


def _tell(found: Measured, json: bool) -> None:
    from stspec.cli.screen import RIGHT, Column, paint, paragraph, size, table, width, write

    if json:
        write(_text(found.to_json()))
        return
    rows = found.rows
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
    about = ", ".join(
        f"{name} {value}" for name, value in found.machine.items() if value is not None
    )
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
