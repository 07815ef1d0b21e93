"""What `stspec bench` says: turns, medians, memory; no times of this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stspec.bench import Case, Measured, Subject, machine, measure, of_network, of_user, peak_memory
from stspec.cli.main import main
from stspec.diagnostics import SpecError
from tests.networks import CONV, model

TINY = """
stspec: 1
backbone: {layers: {conv1: {op: conv2d, width: 8, kernel: 3}}}
clip: {frames: 4, size: 16}
policy: {}
classes: 5
"""

USERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 5)
    def forward(self, clip):
        return self.fc(clip.mean((2, 3, 4)))

def factory():
    return Net()

def nothing():
    return 3

class Fails(Net):
    def forward(self, clip):
        raise RuntimeError("I take frames")
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "mine.py").write_text(USERS)
    return str(tmp_path / "tiny.yaml")


class Recorded(nn.Module):
    """Notes that it ran."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self.name, self.notes = name, notes

    def forward(self, clip: Tensor) -> Tensor:
        self.notes.append(self.name)
        return clip.sum()


def recorded(name: str, notes: list[str]) -> Subject:
    return Subject(name, lambda _: Recorded(name, notes), lambda _: (3, 2, 4, 4))


def ticks(*seconds: float) -> Iterator[float]:
    now = 0.0
    for each in seconds:
        yield now
        now += each
        yield now


def test_subjects_take_turns_and_figures_follow_from_times() -> None:
    notes: list[str] = []
    # Rounds are a b, b a, a b: a takes 2, 4, 3 seconds and b 4, 4, 9.
    clock = ticks(2.0, 4.0, 4.0, 4.0, 3.0, 9.0)
    subjects = [recorded("a", notes), recorded("b", notes)]
    (rows,) = measure(subjects, [Case(batch=6)], rounds=3, warmup=1, clock=lambda: next(clock))
    assert notes[:2] == ["a", "b"] and notes[2:4] == ["a", "b"], "prepared, then warmed up"
    assert notes[4:10] == ["a", "b", "b", "a", "a", "b"]
    a, b = rows
    assert (a.latency_min, a.latency_median, a.throughput) == (2.0, 3.0, 2.0)
    assert (b.latency_min, b.latency_median, b.throughput) == (4.0, 4.0, 1.5)
    assert a.ratio is None and b.ratio == 2.0, "the median of 4/2, 4/4 and 9/3"
    assert a.params == 0 and a.rounds == 3


def test_memory_is_weights_clips_and_what_lives_at_once() -> None:
    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1000))

        def forward(self, x: Tensor) -> Tensor:
            y = x + 1  # 4,000 bytes
            z = torch.cat([y, y])  # 8,000 more
            del y
            return z.sum()

    chain, x = Chain(), torch.zeros(1000)
    found = peak_memory(chain, lambda: void(chain(x)), x)
    assert found is not None
    assert 4000 + 4000 + 12000 <= found < 20000 + 500


def void(_: object) -> None:
    """Let go of a value."""


def test_cases_change_what_runs() -> None:
    network = model({"conv1": CONV})
    spec = of_network(network)
    seen: list[tuple[torch.dtype, bool, tuple[int, ...]]] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(3, 4, 3)

        def forward(self, clip: Tensor) -> Tensor:
            last = clip.is_contiguous(memory_format=torch.channels_last_3d)
            out: Tensor = self.conv(clip)
            seen.append((out.dtype, last, tuple(clip.shape)))
            return out

    watching = Subject("watching", lambda _: Watching(), spec.size)
    cases = [Case(2), Case(3, 6, "bfloat16", "channels_last")]
    tables = list(measure([watching, spec], cases, rounds=1, warmup=0))
    assert seen[0] == (torch.float32, False, (2, 3, 4, 32, 32))
    assert seen[-1] == (torch.bfloat16, True, (3, 3, 6, 32, 32))
    assert [rows[1].clip for rows in tables] == [(3, 4, 32, 32), (3, 6, 32, 32)]
    assert tables[0][1].params == tables[1][1].params > 0


def test_a_compiled_case_runs_what_the_compiler_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    other = Recorded("compiled", notes)
    monkeypatch.setattr(torch, "compile", lambda module: other)
    cases = [Case(), Case(compiled=True)]
    list(measure([recorded("plain", notes)], cases, rounds=1, warmup=0))
    half = len(notes) // 2
    assert set(notes[:half]) == {"plain"} and set(notes[half:]) == {"compiled"}


def test_the_machine_is_stated() -> None:
    told = machine()
    assert told["threads"] == torch.get_num_threads() and told["torch"] == torch.__version__
    assert told["cpu"] and told["cores"] >= 1
    json.dumps(Measured(told, ()).to_json())


def test_users_modules_are_run(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    mine = str(Path(tiny).with_name("mine.py"))
    options = ["--rounds", "2", "--warmup", "0", "--batch", "1", "--batch", "2", "--json"]
    both = ["--against", f"{mine}:Net", "--against", f"{mine}:factory"]
    assert main(["bench", tiny, *both, *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["rows"]] == ["tiny", "Net", "factory"] * 2
    assert [row["case"]["batch"] for row in told["rows"]] == [1] * 3 + [2] * 3
    assert told["rows"][1]["params"] == 20 and told["rows"][1]["ratio"] > 0
    assert told["machine"]["threads"] >= 1
    assert "stspec_bench_mine" in sys.modules


def test_the_table_names_settings_and_machine(
    tiny: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    more = ["--frames", "4", "--frames", "8", "--layout", "channels_last", "-o"]
    file = tmp_path / "out" / "bench.json"
    assert main(["bench", tiny, "--rounds", "1", *more, str(file)]) == 0
    out, err = capfd.readouterr()
    assert "1x4x16x16" in out and "1x8x16x16" in out and "f32 last" in out
    assert "threads" in out and torch.__version__ in out
    assert not err, "what the profiler writes is kept away"
    assert len(json.loads(file.read_text())["rows"]) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mine.py:Ne", "no class or function `Ne`"),
        ("mine.py:nothing", "gives int, which is no nn.Module"),
        ("mine.py:Fails", "RuntimeError: I take frames"),
        ("absent.py:Net", "there is no"),
        ("broken.py:Net", "cannot be run: SyntaxError"),
    ],
)
def test_what_cannot_be_measured_is_told(
    text: str, words: str, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(tiny).parent
    (folder / "broken.py").write_text("class Net(:")
    assert main(["bench", tiny, "--against", str(folder / text)]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_device_that_is_not_there(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", tiny, "--device", "cuda:77"]) == 2
    assert "there is no device `cuda:77`" in " ".join(capsys.readouterr().err.split())


def test_the_first_file_of_a_user_is_needed(tiny: str) -> None:
    with pytest.raises(SpecError, match="write the file and the class"):
        of_user(":Net", of_network(tiny))
