"""The command line as a whole: exit statuses, messages, what is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import stspec
from stspec.cli import main as entry
from stspec.cli.main import COMMANDS, main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stspec {stspec.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: stspec {name}")
    assert max(map(len, out.splitlines())) <= 80


def test_overview_has_whole_sentences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["check"],
        ["check", "nope"],
        ["check", "-"],
        ["check", "specs/"],
        ["check", "/no/such/file.yaml"],
        ["check", "tam", "--set", "clip.frames=lots"],
        ["check", "tam", "--set", "clip.frames"],
        ["check", "--frob"],
        ["cost", "tam", "--per", "fortnight"],
        ["cost", "tam", "--count", "thop"],
        ["build"],
        ["build", "tam", "--all"],
        ["build", "--all", "--set", "classes=3"],
        ["build", "tam", "tsn"],
        ["diff", "tam"],
        ["diff", "tam", "nope"],
        ["draw", "tam", "--svg", "/"],
        ["list", "spoons"],
        ["lock", "--check", "-o", "/no/such/lock.json"],
        ["schema", "spoon"],
        ["schema", "model", "--check"],
        ["schema", "model", "-o", "folder"],
        ["eject", "tam", "-o", "-"],
        ["draw", "tam", "--svg", "-"],
        ["show", "tam:nope"],
        ["eject", "tam", "-o", "/proc/nope/model.py"],
    ],
    ids=" ".join,
)
def test_a_users_mistake_is_answered_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip()
    assert "Traceback" not in err
    assert "internal-error" not in err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cost tam --count fvcoer", "'--count': there is no `fvcoer`; did you mean `fvcore`?"),
        ("cost tam --per \x1b", "there is no `␛`; choose from `node`, `stage`, `total`"),
        ("list bakcbones", "'[KIND]': there is no `bakcbones`; did you mean `backbones`?"),
        ("schema modle", "KIND: there is no `modle`; did you mean `model`?"),
        ("study export here --format latx", "there is no `latx`; did you mean `latex`?"),
        ("bench tam --batch some", "'--batch': "),
    ],
)
def test_a_value_of_a_few_is_answered_with_the_nearest(
    command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split(" ")) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_our_own_mistake_is_confessed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(entry, "app", fail)
    assert main([]) == 2
    err = capsys.readouterr().err
    assert "error[internal-error]: ZeroDivisionError: by zero" in err
    assert "Traceback" not in err
    monkeypatch.setenv("STSPEC_TRACEBACK", "1")
    assert main([]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_ends_quietly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "app", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_mistakes_are_coloured_where_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    main(["check", "nope"])
    assert "\x1b[" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    main(["check", "nope"])
    assert "\x1b[" not in capsys.readouterr().err


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(stspec.__file__).parent.parent,
        check=False,
    )


HEAVY = ("torch", "jinja2", "rich", "networkx", "numpy", "safetensors")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "tam"], ["cost", "tam"], ["show", "tam"]]
)
def test_quick_commands_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys, json; from stspec.cli.main import main; "
        f"code = main({arguments!r}); "
        f"sys.stderr.write(json.dumps([code, [m for m in {HEAVY!r} if m in sys.modules]]))"
    )
    done = process("-c", script)
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]


def test_importing_stspec_imports_nothing() -> None:
    script = (
        "import sys, stspec; print([m for m in ('torch', 'pydantic', 'yaml') if m in sys.modules])"
    )
    assert process("-c", script).stdout == "[]\n"


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m stspec.cli show tam --ir | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False,
        cwd=Path(stspec.__file__).parent.parent,
    )  # fmt: skip
    assert done.stdout.startswith("model(")
    assert done.stderr == ""


def shell(command: str) -> subprocess.CompletedProcess[str]:
    script = command.replace("stspec", f"{sys.executable} -m stspec.cli", 1)
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False,
        cwd=Path(stspec.__file__).parent.parent,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("stspec show tam >&-", 0),
        ("stspec diff tam tsm >&-", 1),
        ("stspec check nope 2>&-", 2),
        ("stspec check nope >&- 2>&-", 2),
        ("stspec check nope 2>/dev/full", 2),
        ("stspec show tam >/dev/full", 2),
        ("stspec list models >&- 2>/dev/full", 0),
        ("stspec list policies | sleep 0", 141),
    ],
)
def test_streams_that_take_nothing_change_no_status(command: str, status: int) -> None:
    done = shell(f"set -o pipefail; {command}" if "|" in command else command)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "internal-error" not in done.stderr


def test_a_terminal_without_unicode_shows_question_marks() -> None:
    done = process("-m", "stspec.cli", "draw", "tam", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert done.returncode == 0
    assert "bottleneck ? 3" in done.stdout


def test_waiting_threads_leave_cores_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kept in (("GOMP_SPINCOUNT", "5"), ("OMP_WAIT_POLICY", None)):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        monkeypatch.setenv(name, "5")
        entry.share_cores()
        assert os.environ.get("GOMP_SPINCOUNT") == kept
    monkeypatch.delenv("OMP_WAIT_POLICY")
    entry.share_cores()
    assert int(os.environ["GOMP_SPINCOUNT"]) < 10_000
    monkeypatch.delenv("GOMP_SPINCOUNT")
