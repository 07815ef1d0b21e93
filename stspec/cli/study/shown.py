"""How a study stands, for people: a few lines for five runs, a screen for ten thousand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stspec.cli.screen import RIGHT, Column, Paint, paragraph, shorten, table

if TYPE_CHECKING:
    from stspec.study.standing import Row, Standing
    from stspec.study.store import Store

FEW = 12
"""Runs of a kind that are named; of more, so many."""
BAR = 24

_WORDS = {
    "finished": "finished", "running": "running", "ready": "to do", "waiting": "waiting",
    "failed": "failed", "blocked": "blocked",
}  # fmt: skip
_STYLES = {"finished": ("green",), "running": ("cyan",), "failed": ("red", "bold"),
           "blocked": ("yellow",)}  # fmt: skip


def standing_text(
    name: str, standing: Standing, store: Store, room: int, ink: Paint, rows: int = FEW
) -> str:
    """Return how a study stands, at most `room` columns wide.

    Args:
        name: of the study.
        standing: how it stands.
        store: where.
        room: columns.
        ink: colours.
        rows: of each kind of runs, how many are named.
    """
    parts = [_head(name, standing, room, ink)]
    if running := standing.of("running"):
        parts.append(_running(running, room, ink, rows))
    if failed := standing.of("failed"):
        parts.append(_failed(failed, standing, store, room, ink, rows))
    troubled = [r for r in standing.of("ready", "waiting") if r.failure and r.failure.attempts]
    if troubled:
        parts.append(_troubled(troubled, room, ink, rows))
    finished = standing.of("finished")
    if finished and len(standing.rows) <= FEW:
        parts.append(_finished(finished, room, ink))
    return "\n\n".join(parts)


def _head(name: str, standing: Standing, room: int, ink: Paint) -> str:
    total, counts = len(standing.rows), standing.counts
    done = counts["finished"] / total if total else 1.0
    full = int(BAR * done)
    plural = "s" if total != 1 else ""
    first, used = f"{ink(name, 'bold')}: {total} run{plural}:", len(f"{name}: {total} run{plural}:")
    for state, count in counts.items():
        if count or state == "finished":
            told = f"{count} {_WORDS[state]}"
            before = "" if first.endswith(":") else ","
            breaks = used + len(f"{before} {told},") > room
            used = len(told) + 2 if breaks else used + len(f"{before} {told}")
            first += before + ("\n  " if breaks else " ") + ink(told, *_STYLES.get(state, ()))
    bar = ink("█" * full, "green") + ink("░" * (BAR - full), "dim")
    return f"{first}\n{bar} {_percent(done)}{_rest(standing)}"


def _percent(done: float) -> str:
    return f"{int(1000 * done) / 10:.1f} %"  # never 100 before the end


def _rest(standing: Standing) -> str:
    if standing.is_over:
        return ""
    if not standing.of("running"):
        return "  no worker is at it"
    if standing.seconds is None:
        return "  no run has told yet how long one takes"
    return f"  about {duration(standing.seconds)} left"


def _running(rows: Sequence[Row], room: int, ink: Paint, most: int) -> str:
    columns = [
        Column("running", shrinks=True), Column("step", RIGHT), Column("for", RIGHT),
        Column("where", shrinks=True),
    ]  # fmt: skip
    now = time.time()
    shown = [
        (
            row.run.name,
            "" if row.step is None else str(row.step),
            duration(max(0.0, now - row.holder.since)) if row.holder else "",
            _where(row),
        )
        for row in rows[:most]
    ]
    return table(columns, shown, room, ink) + _more(rows, most)


def _where(row: Row) -> str:
    if row.holder is None:
        return "unknown"
    return f"{row.holder.host} {row.holder.place or f'process {row.holder.pid}'}"


def _failed(
    rows: Sequence[Row], standing: Standing, store: Store, room: int, ink: Paint, most: int
) -> str:
    """Return what failed, one reason after the other, with the places of logs."""
    behind: dict[str, int] = {}
    for row in standing.of("blocked"):
        behind[str(row.behind)] = behind.get(str(row.behind), 0) + 1
    reasons: dict[str, list[Row]] = {}
    for row in rows:
        reasons.setdefault(row.failure.reason if row.failure else "", []).append(row)
    lines = [ink("failed", "bold"), ink("─" * min(room, 60), "dim")]
    for reason, alike in list(reasons.items())[:most]:
        first = alike[0]
        others = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        count = len(first.failure.attempts) if first.failure else 0
        held = sum(behind.get(row.run.key, 0) for row in alike)
        blocks = f", {held} behind it" if held else ""
        tries = f"{count} attempt{'s' if count != 1 else ''}"
        title = shorten(f"{first.run.name}{others}: {tries}{blocks}", room)
        lines += [ink(title, "red"), _indented(reason, room)]
        lines.append(_indented(f"log: {_path(store.log(first.run.key))}", room))
    if len(reasons) > most:
        lines.append(f"and {len(reasons) - most} other reasons: --json has all")
    return "\n".join(lines)


def _troubled(rows: Sequence[Row], room: int, ink: Paint, most: int) -> str:
    lines = [ink("to be tried again", "bold")]
    for row in rows[:most]:
        reason = row.failure.reason if row.failure else ""
        lines.append(shorten(f"{row.run.name}: {reason}", room))
    return "\n".join(lines) + _more(rows, most)


def _finished(rows: Sequence[Row], room: int, ink: Paint) -> str:
    columns = [
        Column("finished", shrinks=True), Column("top-1", RIGHT), Column("top-5", RIGHT),
        Column("took", RIGHT),
    ]  # fmt: skip
    shown = []
    for row in rows:
        result = row.result
        assert result is not None
        seconds = result.extra.get("seconds")
        took = duration(float(seconds)) if isinstance(seconds, int | float) else ""
        shown.append((row.run.name, _share(result.top1), _share(result.top5), took))
    return table(columns, shown, room, ink)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"  # noqa: RUF001 (a dash for nothing)


def _more(rows: Sequence[Row], most: int) -> str:
    return f"\nand {len(rows) - most} more: --json has all" if len(rows) > most else ""


def _indented(text: str, room: int) -> str:
    return "\n".join(f"  {line}" for line in paragraph(text, room - 2).splitlines())


def _path(path: Path) -> str:
    from stspec.diagnostics import display_path

    return display_path(path)


def duration(seconds: float) -> str:
    """Return a duration as people say it: 42 s, 3 min 10 s, 2 h 05 min, 12 days 3 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 72 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def changes(before: Standing | None, now: Standing) -> Iterator[str]:
    """Yield a line for each run that has become finished, failed or started since."""
    was = {row.run.key: row.state for row in before.rows} if before is not None else {}
    total, done = len(now.rows), now.counts["finished"]
    for row in now.rows:
        old = was.get(row.run.key)
        if before is None or row.state == old:
            continue
        if row.state == "finished" and row.result is not None:
            yield f"{done}/{total}  {row.run.name}: finished, top-1 {_share(row.result.top1)}"
        elif row.state == "running":
            yield f"{done}/{total}  {row.run.name}: on {_where(row)}"
        elif row.state == "failed" and row.failure is not None:
            yield f"{done}/{total}  {row.run.name}: failed: {row.failure.reason}"


def standing_json(name: str, standing: Standing, store: Store) -> dict[str, Any]:
    """Return how a study stands, as plain values: every run, its state, place, reason, result."""
    return {
        "study": name,
        "store": str(store.root),
        "runs": len(standing.rows),
        "counts": dict(standing.counts),
        "seconds_left": standing.seconds,
        "rows": [_row_json(row, store) for row in standing.rows],
    }


def _row_json(row: Row, store: Store) -> dict[str, Any]:
    found: dict[str, Any] = {"key": row.run.key, "name": row.run.name, "state": row.state}
    if row.holder is not None:
        holder = row.holder
        found |= {"host": holder.host, "process": holder.pid, "place": holder.place,
                  "since": holder.since, "step": row.step}  # fmt: skip
    if row.failure is not None:
        found["attempts"] = [
            {"reason": each.reason, "where": each.where, "when": each.when}
            for each in row.failure.attempts
        ]
        found["log"] = str(store.log(row.run.key))
    if row.behind is not None:
        found["behind"] = row.behind
    if row.result is not None:
        result = row.result
        found |= {"top1": result.top1, "top5": result.top5, "mean_class": result.mean_class,
                  "folder": str(result.folder), "seconds": result.extra.get("seconds")}  # fmt: skip
    return found
