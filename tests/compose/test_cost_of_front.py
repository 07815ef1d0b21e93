"""The front end is quick: nothing heavy is imported, a file is read in milliseconds."""

import subprocess
import sys

from stspec.source import read_text

HEAVY = ("torch", "numpy", "pydantic", "jinja2", "rich", "networkx", "typer")


def test_reading_specs_imports_nothing_heavy() -> None:
    code = "import sys, stspec.compose, stspec.diagnostics.render; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded.intersection(HEAVY)


def calls(lines: int) -> int:
    """Return how many Python functions are called to read so many lines."""
    rule = "{where: {kernel: 3}, to: conv3d, k: [1, 3]}"
    text = "".join(f"rule{i}: {rule}\n" for i in range(lines))
    count = 0

    def counting(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counting)
    try:
        read_text(text, "<text>")
    finally:
        sys.setprofile(None)
    return count


def test_the_work_of_reading_grows_with_the_lines() -> None:
    assert calls(400) < 4.4 * calls(100)
