"""Damage done to the folder of a run ends in a diagnosis, or in the very result of the whole run.

STSPEC_CORRUPTIONS says how many are tried; the suite takes a sample.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
import yaml

from stspec.cli.main import main
from stspec.data.motions import make_motions
from stspec.train.step import Stepper
from tests.train.killing import result
from tests.train.tiny import spec

COUNT = int(os.environ.get("STSPEC_CORRUPTIONS", "150"))
COMMANDS = ("resume", "resume", "end", "eval", "predict", "read")
TEXTS = (b"\n", b"{", b"null", b"- [", b"\xff\xfe", b"\t: x", b"0", b"[[[[", b'"', b"nan")


@dataclass(frozen=True)
class Material:
    """Runs to damage, and what comes of them when they are whole."""

    data: Path
    video: Path
    halfway: Path
    complete: Path
    outcome: dict[str, Any]
    told: dict[str, str]


def call(*arguments: str) -> tuple[int, str, str]:
    """Return exit status and what was said: to standard output, to standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def material(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Material:
    base = tmp_path_factory.mktemp("runs")
    make_motions(base / "data", train=16, val=12, frames=6, size=32, seed=0, workers=0)
    whole = {key: value for key, value in spec().items() if key not in ("name", "classes")}
    (base / "tiny.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    arguments = [
        "train", str(base / "tiny.yaml"), "--data", str(base / "data"), "--recipe", "motions",
        "--set", "batch=8", "--set", "epochs=2", "--workers", "0", "--save-every", "1", "--run",
    ]  # fmt: skip
    assert call(*arguments, str(base / "complete"))[0] == 0
    own, steps = Stepper.step, 0

    def ending(*given: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return own(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "step", ending)
        assert call(*arguments, str(base / "halfway"))[0] == 130
    video = sorted((base / "data").rglob("*.mp4"))[0]
    told = {}
    for command in ("eval", "predict", "read"):
        status, told[command], said = call(*line(command, base / "complete", video))
        assert status == 0, said
    return Material(
        base / "data", video, base / "halfway", base / "complete",
        result(base / "complete"), told,
    )  # fmt: skip


def line(command: str, run: Path, video: Path) -> list[str]:
    """Return the command line of one of COMMANDS."""
    predictions = run / "predictions" / "val-1x1-uniform.npz"
    return {
        "resume": ["train", "--resume", str(run), "--workers", "0", "--save-every", "1"],
        "end": ["train", "--resume", str(run), "--workers", "0", "--save-every", "1"],
        "eval": ["eval", str(run), "--workers", "0", "--json"],
        "predict": ["predict", str(video), "-m", str(run), "--json"],
        "read": ["eval", str(predictions), "--json"],
    }[command]


def flip(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(len(data)) :]


def insert(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.choice(TEXTS)


def garbage(data: bytearray, rng: Random) -> None:
    data[:] = b"".join(rng.choices(TEXTS, k=rng.randrange(6)))


def blank(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    end = min(len(data), at + 512)
    data[at:end] = bytes(end - at)


def other_digit(data: bytearray, rng: Random) -> None:
    """A number becomes another one, which still reads well."""
    places = [place for place, byte in enumerate(data) if chr(byte).isdigit()]
    if places:
        data[rng.choice(places)] = ord(rng.choice("123456789"))


def lost_line(data: bytearray, rng: Random) -> None:
    lines = bytes(data).split(b"\n")
    del lines[rng.randrange(len(lines))]
    data[:] = b"\n".join(lines)


CHANGES: tuple[Callable[[bytearray, Random], None], ...] = (
    flip, flip, flip, cut, insert, garbage, blank, other_digit, other_digit, lost_line,
)  # fmt: skip


def damage(run: Path, rng: Random) -> str:
    """Damage one file of a run, or two; return what was done."""
    files = sorted(path for path in run.rglob("*") if path.is_file())
    # Small files and texts would else be hit seldom.
    victim = rng.choice(files)
    name = victim.relative_to(run).as_posix()
    kind = rng.random()
    if kind < 0.1:
        victim.unlink()
        return f"{name} deleted"
    if kind < 0.2:
        other = rng.choice([path for path in files if path != victim])
        first, second = victim.read_bytes(), other.read_bytes()
        victim.write_bytes(second)
        other.write_bytes(first)
        return f"{name} and {other.relative_to(run).as_posix()} exchanged"
    if kind < 0.23:
        victim.unlink()
        victim.mkdir()
        return f"{name} is a folder"
    data = bytearray(victim.read_bytes())
    change = rng.choice(CHANGES)
    if data:
        change(data, rng)
    victim.write_bytes(data)
    return f"{name}: {change.__name__}"


def wrong(material: Material, command: str, run: Path) -> tuple[str, str]:
    """Return how it ended, and what is wrong about that."""
    status, out, said = call(*line(command, run, material.video))
    if "internal-error" in said or "Traceback" in said:
        return "failed", said
    if status != 0:
        good = status == 2 and "error[" in said
        return "diagnosed", "" if good else f"status {status}: {said}"
    if command in ("resume", "end"):
        now = result(run)
        differ = [key for key, value in material.outcome.items() if now[key] != value]
        return "same", f"other {differ}" if differ else ""
    same = json.loads(out) == json.loads(material.told[command])
    return "same", "" if same else "another result"


def test_damage_is_diagnosed_or_harmless(material: Material, tmp_path: Path) -> None:
    found: list[str] = []
    ends: set[tuple[str, str]] = set()
    for number in range(COUNT):
        rng = Random(f"damage {number}")
        command = COMMANDS[number % len(COMMANDS)]
        run = tmp_path / "run"
        shutil.copytree(material.halfway if command == "resume" else material.complete, run)
        what = damage(run, rng)
        end, problem = wrong(material, command, run)
        ends.add((command, end))
        if problem:
            found.append(f"{number} {command}, {what}: {problem}")
        shutil.rmtree(run)
    assert not found, f"{len(found)} of {COUNT}:\n" + "\n".join(found)
    both = {"diagnosed", "same"}
    assert ends == {(command, end) for command in COMMANDS for end in both}
