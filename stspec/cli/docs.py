"""The pages of docs/commands, written from the commands themselves: `python -m stspec.cli.docs`."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from stspec.cli import study
from stspec.cli.main import COMMANDS, main

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "check": ("check tam_resnet50 i3d_inceptionv1_tp --set clip.frames=16",),
    "cost": ("cost tam_resnet50", "cost tam_resnet50 --per total --count fvcore --format csv"),
    "diff": ("diff i3d tam",),
    "draw": ("draw tam_resnet50",),
    "list": ("list policies", "list blocks"),
    "study compare": ("study compare policy=tsn policy=tam --store published:study2021",),
    "study export": (
        "study export published:study2021",
        "study export published:study2021 --table table8 --format markdown",
    ),
    "study plan": ("study plan quick",),
    "show": ("show tsn_resnet18 --set clip.frames=16",),
}
"""Command lines that a page shows with what they print."""

_EDITED = "<!-- Written by `python -m stspec.cli.docs`; a test compares. -->"


EVERY: Mapping[str, Callable[..., None]] = {
    **COMMANDS, **{f"study {name}": command for name, command in study.COMMANDS.items()}
}  # fmt: skip
"""All commands by what one types."""


def pages() -> dict[str, str]:
    """Return the text of every page by file name."""
    found = {"README.md": _index()}
    for name in EVERY:
        found[_file(name)] = _page(name)
    return found


def _file(name: str) -> str:
    return f"{name.replace(' ', '_')}.md"


def _index() -> str:
    lines = ["# Commands", "", _EDITED, "", _fenced("stspec --help", _output("--help")), ""]
    lines += ["| command | what it does |", "|---|---|"]
    for name, command in EVERY.items():
        summary = (command.__doc__ or "").strip().splitlines()[0]
        lines.append(f"| [`stspec {name}`]({_file(name)}) | {summary} |")
    return "\n".join(lines) + "\n"


def _page(name: str) -> str:
    told = _output(*name.split(), "--help")
    parts = [f"# stspec {name}", _EDITED, _fenced(f"stspec {name} --help", told)]
    for line in EXAMPLES.get(name, ()):
        parts.append(_fenced(f"stspec {line}", _output(*line.split())))
    return "\n\n".join(parts) + "\n"


def _fenced(line: str, output: str) -> str:
    return f"```console\n$ {line}\n{output.rstrip()}\n```"


def _output(*arguments: str) -> str:
    """Return what a command line prints on 80 columns, remarks left out."""
    text = io.StringIO()
    with _plain_terminal(), redirect_stdout(text), redirect_stderr(io.StringIO()):
        main(arguments)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


@contextmanager
def _plain_terminal() -> Iterator[None]:
    """Make output independent of where it is made."""
    wanted = {"COLUMNS": "80", "LINES": "24", "NO_COLOR": "1", "TERM": "dumb"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def write_pages() -> None:
    """Write the pages into the checkout's docs/commands."""
    from stspec.compose import data_root
    from stspec.output import write_output

    for name, text in pages().items():
        write_output(data_root() / "docs" / "commands" / name, text)


if __name__ == "__main__":
    write_pages()
