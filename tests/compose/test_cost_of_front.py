"""The front end is quick: nothing heavy is imported, a file is read in milliseconds."""

import subprocess
import sys
import time

from stspec.source import read_text

HEAVY = ("torch", "numpy", "pydantic", "jinja2", "rich", "networkx", "typer")


def test_reading_specs_imports_nothing_heavy() -> None:
    code = "import sys, stspec.compose, stspec.diagnostics.render; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded.intersection(HEAVY)


def test_a_hundred_lines_are_read_in_ten_milliseconds() -> None:
    rule = "{where: {kernel: 3}, to: conv3d, k: [1, 3]}"
    text = "".join(f"rule{i}: {rule}\n" for i in range(100))
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        read_text(text, "<text>")
        best = min(best, time.perf_counter() - start)
    assert best < 0.010
