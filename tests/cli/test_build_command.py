"""`stspec build`: the file that is written, and what its check says."""

from __future__ import annotations

from pathlib import Path

import pytest

from stspec.cli import shipped
from stspec.cli.main import main
from stspec.network import load

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let everything be written into a folder of the test's own."""
    monkeypatch.setattr(shipped, "generated_folder", lambda: tmp_path / "generated")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path / "generated"


def test_build_instantiates_and_writes(folder: Path, capsys: Capture) -> None:
    assert main(["build", "tsn_resnet18", "--set", "clip.size=32"]) == 0
    out = capsys.readouterr().out
    assert "11,381,712 parameters by torchinfo too" in out
    (path,) = folder.glob("tsn_resnet18__*.py")
    assert path.read_text() == load("tsn_resnet18", ["clip.size=32"]).emit().text


def test_build_again_leaves_the_file_alone(folder: Path, capsys: Capture) -> None:
    arguments = ["build", "tsn_resnet18", "--no-instantiate"]
    assert main(arguments) == 0
    assert "wrote" in capsys.readouterr().out
    before = (folder / "tsn_resnet18.py").stat().st_mtime_ns
    assert main(arguments) == 0
    assert "unchanged:" in capsys.readouterr().out
    assert (folder / "tsn_resnet18.py").stat().st_mtime_ns == before


def test_check_tells_drift_as_a_diff(folder: Path, capsys: Capture) -> None:
    assert main(["build", "tsn_resnet18", "--check"]) == 1
    assert "is missing" in capsys.readouterr().out
    main(["build", "tsn_resnet18", "--no-instantiate"])
    capsys.readouterr()
    assert main(["build", "tsn_resnet18", "--check"]) == 0
    path = folder / "tsn_resnet18.py"
    path.write_text(path.read_text().replace("nn.Conv2d(", "nn.Conv3d(", 1))
    capsys.readouterr()
    assert main(["build", "tsn_resnet18", "--check"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("--- ")
    assert "\n-" in out
    assert "nn.Conv3d(" in out
    assert main(["build", "nope", "--check"]) == 2


def test_build_writes_over_nobodys_file(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "mine.py"
    path.write_text("print('mine')\n")
    assert main(["build", "tsn_resnet18", "--no-instantiate", "-o", str(path)]) == 2
    assert "not-ours" in capsys.readouterr().err
    assert path.read_text() == "print('mine')\n"


def test_check_all_tells_files_whose_spec_is_gone(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "shipped", lambda: ["tsn_resnet18", "tam_resnet18"])
    assert main(["build", "--all", "--no-instantiate"]) == 0
    assert main(["build", "--all", "--check"]) == 0
    (folder / "tam_resnet18.py").rename(folder / "tan_resnet18.py")
    (folder / "notes.py").write_text("# mine\n")
    capsys.readouterr()
    assert main(["build", "--all", "--check"]) == 1
    out = capsys.readouterr().out
    assert "tam_resnet18.py is missing" in out
    assert "tan_resnet18.py belongs to no spec" in out
    assert "notes.py" not in out


def test_a_family_whose_model_has_a_name_has_no_second_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "shipped", lambda: ["tsn_resnet50", "lstm", "tsn"])
    assert main(["build", "--all", "--no-instantiate"]) == 0
    assert {path.name for path in folder.iterdir()} == {"tsn_resnet50.py", "lstm.py"}
    assert main(["build", "tsn", "--no-instantiate"]) == 0
    assert main(["build", "--all", "--check"]) == 1


def test_a_users_own_spec_is_written_where_the_user_is(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("stspec: 1\nextends: tsn_resnet18\nclasses: 3\n")
    assert main(["build", "mine.yaml", "--no-instantiate"]) == 0
    assert "wrote generated/mine.py" in capsys.readouterr().out
    assert shipped.folder_for("tam") != shipped.folder_for("./tam.yaml:wide") == Path("generated")


def test_outputs_that_cannot_be_files_are_refused_before_any_work(
    tmp_path: Path, capsys: Capture
) -> None:
    for place in (tmp_path, tmp_path / ("x" * 300)):
        for option in ("--no-instantiate", "--check"):
            assert main(["build", "tsn_resnet18", option, "-o", str(place)]) == 2
            told = capsys.readouterr()
            assert told.out == "" and "cannot be the output" in " ".join(told.err.split())
