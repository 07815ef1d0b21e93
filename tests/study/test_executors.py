"""What executors say before they start anything: options that are wrong, programs that lack."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from stspec.cli.main import main
from stspec.diagnostics import SpecError
from stspec.study.executor import Launch, open_executor
from stspec.study.store import create_store
from tests.study.standin import planned


def refused(name: str, options: dict[str, str], store: Path | None = None) -> str:
    """What is said of an executor's options, or where it is launched on a store."""
    with pytest.raises(SpecError) as caught:
        chosen = open_executor(name, options)
        assert store is not None
        chosen.launch(Launch(create_store(store).root, "made", planned(2)), print)
    found = caught.value.diagnostics[0]
    return f"{found.message}; {found.help}"


def test_wrong_options() -> None:
    for name, options, words in (
        ("local", {"slot": "1"}, "did you mean `slots`?"),
        ("local", {"slots": "0"}, "slots is `0`, not a number from 1"),
        ("slurm", {"patition": "main"}, "did you mean `partition`?"),
        ("slurm", {"time": "soon"}, "time is `soon`, no time limit of Slurm"),
        ("slurm", {"time": "1", "grace": "60"}, "nothing would be left"),
        ("slurm", {"workers": "none"}, "workers is `none`, not a number from 1"),
        ("ray", {"adress": "auto"}, "did you mean `address`?"),
        ("ray", {"gpus": "-1"}, "gpus is `-1`, not a number from 0"),
        ("slurn", {}, "did you mean `slurm`?"),
    ):
        assert words in refused(name, options)


def test_time_limits_are_read_as_slurm_does() -> None:
    from stspec.study.slurm import Slurm, executor

    for text, minutes in (
        ("90", 90), ("90:01", 91), ("12:00:00", 720), ("2-0", 2880), ("1-2:30", 1590),
        ("0:30", 1),
    ):  # fmt: skip
        found = executor({"time": text, "grace": "20"})
        assert isinstance(found, Slurm) and found.wish.minutes == minutes, text


def test_what_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert "pip install 'stspec[slurm]'" in refused("slurm", {}, tmp_path / "store")
    monkeypatch.setitem(sys.modules, "submitit", ModuleType("submitit"))
    assert "this machine has no `sbatch`" in refused("slurm", {}, tmp_path / "store")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'stspec[ray]'" in refused("ray", {}, tmp_path / "store")


def test_an_option_without_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "run", "quick", "--executor", "slurm", "--option", "workers"]) == 2
    assert "`workers` is not KEY=VALUE" in capsys.readouterr().err
