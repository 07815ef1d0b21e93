"""A user's folder: the operator's two files beside a spec, or installed as a distribution."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ("leaky_memory.py", "leaky_memory_module.py")
BY_PATH = "./leaky_memory.py:LeakyMemory"

SPEC = """\
stspec: 1
extends: families/tsn
about: TSN that remembers
backbone: resnet18
clip: {{frames: 4, size: 32}}
classes: 10
policy:
  temporal:
    memory:
      insert: {}
      at: {{role: residual_start, stages: 3}}
      mix: true
      half_life: 3.0
"""

SITES = {"layer2.0": (64, 8), "layer2.1": (128, 4)}
"""Where ResNet-18 on clips of 32 x 32 has the two sites: channels, height and width."""

COMMANDS = """\
import contextlib, io, json, sys
from stspec.cli.main import main
for line in json.loads(sys.stdin.read()):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(line)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), file=sys.__stdout__)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


def write_spec(folder: Path, operator: str, name: str = "mine.yaml") -> Path:
    """Write the spec that names the operator."""
    path = folder / name
    path.write_text(SPEC.format(operator), encoding="utf-8")
    return path


def copy_files(folder: Path) -> None:
    """Put declaration and template into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(HERE / name, folder / name)


def install(site: Path, points: dict[str, str], name: str = "memories") -> None:
    """Lay out a distribution as an installer does: a package, and what is known of it."""
    copy_files(site / name)
    (site / name / "__init__.py").write_text("", encoding="utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    lines = [f"{point} = {target}" for point, target in points.items()]
    text = "\n".join(["[stspec.ops]", *lines, ""])
    (info / "entry_points.txt").write_text(text, encoding="utf-8")


def stspec(folder: Path, *lines: list[str], site: Path | None = None) -> list[Answer]:
    """Run command lines, one after another, in one process that sees a site's distributions."""
    path = os.pathsep.join(str(each) for each in (site, ROOT) if each is not None)
    environment = os.environ | {"PYTHONPATH": path, "COLUMNS": "110", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(lines), cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Answer(*json.loads(line)) for line in done.stdout.splitlines()]


def remembered(
    clip: Tensor, half_life: float, gain: Tensor, mixing: Tensor | None, start: str = "zero"
) -> Tensor:
    """The operator in closed form, in double precision: clip (N, T, C, H, W), same back.

    With d the share that one frame leaves, m[t] is the sum of (1 - d) d^(t - s) x[s] over s <= t,
    and d^(t + 1) x[0] more where memory starts with the first frame.
    """
    kept = 0.5 ** (1 / half_life)
    times = torch.arange(clip.shape[1], dtype=torch.float64)
    lag = times[:, None] - times[None, :]
    weights = torch.where(lag >= 0, (1 - kept) * kept ** lag.clamp(min=0), 0.0)
    if start == "first":
        weights[:, 0] += kept ** (times + 1)
    memory = torch.einsum("ts,nschw->ntchw", weights, clip.double())
    if mixing is not None:
        memory = torch.einsum("oi,ntihw->ntohw", mixing.double(), memory)
    return clip.double() + gain.double()[:, None, None] * memory
