"""Sizes and names that a stranger chose: a model or a diagnosis, soon, and only where it was asked.

Each spec is built in a process of its own, which is ended after a minute.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

from stspec.cli.main import main
from tests.forking import ask

PLAIN = "{op: conv2d, width: 8, kernel: 3}"
MINUTE = 60


def spec(
    layers: str = f"    conv1: {PLAIN}\n", policy: str = "  spatial: {}\n", **keys: str
) -> str:
    keys = {"clip": "{frames: 4, size: 32}", "classes": "5"} | keys
    top = "".join(f"{key}: {value}\n" for key, value in keys.items())
    return f"stspec: 1\n{top}backbone:\n  layers:\n{layers}policy:\n{policy}"


def many(template: str, count: int) -> str:
    return "".join("    " + template.replace("#", str(i)) + "\n" for i in range(count))


def alias_bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return "\n".join(lines) + "\n"


BRANCH = "[" + ", ".join(["8"] * 16) + "]"
STAGE = f"{{block: inception, repeat: 250, branch1: 8, branch2: {BRANCH}, branch3: {BRANCH}}}"
LAYERS = many(f"c#: {PLAIN}", 1990)

REFUSED: dict[str, Callable[[], str]] = {
    "aliases": alias_bomb,
    "10 MB": lambda: spec() + "#" * 10_000_000,
    "10 MB of keys": lambda: spec(layers=many(f"c#: {PLAIN}", 200_000)),
    "10,000 deep": lambda: "stspec: 1\nabout: " + "[" * 10_000 + "]" * 10_000 + "\n",
    "10,000 mappings deep": lambda: "a: " + "{a: " * 10_000 + "1" + "}" * 10_000 + "\n",
    "a layer too many": lambda: spec(layers=many(f"c#: {PLAIN}", 2001)),
    "blocks without end": lambda: spec("    s: {block: basic, width: 8, repeat: 10000000}\n"),
    "stages of stages": lambda: spec(many("s#: {block: bottleneck, width: 8, repeat: 1000}", 1000)),
    "rules that double": lambda: spec(
        LAYERS, "  spatial:\n" + many("r#: {where: {op: conv}, to: conv2plus1d}", 5)
    ),
    "blocks at every layer": lambda: spec(
        LAYERS, "  temporal:\n" + many("r#: {insert: non_local, at: {op: conv}}", 3)
    ),
    "rules without end": lambda: spec(
        policy="  temporal:\n" + many("r#: {insert: relu, at: {op: conv}}", 5000)
    ),
    "pooled without end": lambda: spec(
        policy=f"  pooling: {{beside: [{', '.join(['3'] * 50_000)}]}}\n"
    ),
    "a selector without end": lambda: spec(
        policy="  temporal:\n    t: {insert: tam, at: {slot: ["
        + ", ".join(["conv1"] * 50_000)
        + "]}}\n"
    ),
    "values without end": lambda: spec(
        policy="  temporal:\n    t: {insert: tam, at: {slot: conv1}, kernel: {each: ["
        + ", ".join(["3"] * 100_000)
        + "]}}\n"
    ),
    "frames": lambda: spec(clip="{frames: 99999999999999, size: 32}"),
    "size": lambda: spec(clip="{frames: 4, size: [999999999, 999999999]}"),
    "the largest clip": lambda: spec(clip="{frames: 4096, size: 16384, channels: 1024}"),
    "classes": lambda: spec(classes="99999999999999999999"),
    "digits": lambda: spec(classes="9" * 100_000),
    "a name that leads out": lambda: spec(name="../../evil"),
    "a backbone that leads out": lambda: spec().replace(
        "backbone:\n", "backbone:\n  extends: ../../../../etc/passwd\n"
    ),
    "a layer that leads out": lambda: spec(layers=f"    ../evil: {PLAIN}\n"),
    "a layer of code": lambda: spec(layers=f"    'x = 1); import os; (': {PLAIN}\n"),
    "a rule of code": lambda: spec(
        policy="  temporal:\n    'x\\nimport os': {insert: tam, at: {slot: conv1}}\n"
    ),
}
ACCEPTED: dict[str, Callable[[], str]] = {
    "as many layers as may be": lambda: spec(layers=LAYERS),
    "wide modules": lambda: spec(layers=f"    s: {STAGE}\n"),
    "a kernel over everything": lambda: spec(
        layers="    c: {op: conv2d, width: 999, kernel: 9999, padding: 4999}\n"
    ),
    "a large clip": lambda: spec(clip="{frames: 4096, size: 4096}"),
    "a frame": lambda: spec(clip="{frames: 1, size: 1}", classes="1"),
}


def build(folder: Path, text: str) -> tuple[int, str]:
    """Return the status of `stspec build`, and what it says."""
    (folder / "hostile.yaml").write_text(text, encoding="utf-8")
    status, said = ask(build_in, folder, seconds=MINUTE)
    return int(status), str(said)


def build_in(folder: Path, told: SimpleQueue[tuple[int, str]]) -> None:
    os.chdir(folder)
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        status = main(["build", "hostile.yaml", "--no-instantiate", "-o", "out.py"])
    told.put((status, said.getvalue()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "outer" / "inner"
    made.mkdir(parents=True)
    return made


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_a_diagnosis(name: str, folder: Path) -> None:
    status, said = build(folder, REFUSED[name]())
    assert status == 2, said[-2000:]
    assert "error[" in said and "Traceback" not in said
    assert len(said) < 20_000
    assert [path.name for path in folder.parent.rglob("*") if path.is_file()] == ["hostile.yaml"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_is_built_where_it_was_asked(name: str, folder: Path) -> None:
    status, said = build(folder, ACCEPTED[name]())
    assert status == 0, said[-2000:]
    assert {path.name for path in folder.parent.rglob("*") if path.is_file()} == {
        "hostile.yaml",
        "out.py",
    }
    compile((folder / "out.py").read_text(encoding="utf-8"), "out.py", "exec")
