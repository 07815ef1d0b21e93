"""What each command prints, writes and answers."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from stspec.cli.main import main
from stspec.compose import find, index, names
from stspec.compose.locate import Kind
from stspec.network import load

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    """Run a command line; return status, output and remarks."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_check_tells_size_and_cost(capsys: Capture) -> None:
    code, out, err = run(capsys, "check", "tam_resnet50", "tsn_resnet18", "--set", "classes=11")
    assert code == 0
    assert out.splitlines()[0] == ("ok  tam_resnet50    23.57 M   32.83 GMACs  3x8x224x224 to 11")
    assert err == "2 specs are right\n"


def test_check_tells_all_mistakes_of_all_targets(capsys: Capture, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("stspec: 1\nextends: tam\nclases: 3\nclip: {frames: 0}\n")
    code, out, err = run(capsys, "check", bad, "nope", "tam")
    assert code == 2
    assert out.startswith("ok  tam")
    assert "clases" in err
    assert "clip.frames" in err
    assert "`nope`" in err


def test_check_tells_mistakes_of_a_files_variants(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "rows.yaml"
    path.write_text(
        "stspec: 1\nextends: tam\nvariants:\n"
        "  short: {clip.frames: 4}\n  none: {clip.frames: 0}\n  other: {clip.frame: 4}\n"
    )
    code, out, err = run(capsys, "check", path)
    assert code == 2
    assert [line.split()[1] for line in out.splitlines()] == [str(path), f"{path}:short"]
    assert "`clip.frames` must be at least 1" in err and "no key `frame`" in err
    assert run(capsys, "check", f"{path}:short")[0] == 0


def test_check_for_programs(capsys: Capture) -> None:
    code, out, err = run(capsys, "check", "tam", "nope", "--format", "json")
    assert (code, err) == (2, "")
    assert [each["code"] for each in json.loads(out)] == ["unknown-spec"]
    assert json.loads(run(capsys, "check", "tam", "--format", "json")[1]) == []
    code, out, _ = run(capsys, "check", "nope", "--format", "github")
    assert code == 2
    assert out.startswith("::error")


def test_check_all(capsys: Capture) -> None:
    code, out, _ = run(capsys, "check", "--all")
    assert code == 0
    assert len(out.splitlines()) == len(index())
    assert widest(out) <= 80


def test_show_is_a_spec_again(capsys: Capture, tmp_path: Path) -> None:
    _, out, _ = run(capsys, "show", "tam_resnet50_tp", "--set", "clip.frames=16")
    assert widest(out) <= 90
    assert re.search(r"frames: 16 +# --set", out)
    path = tmp_path / "again.yaml"
    path.write_text(out)
    again, first = load(path), load("tam_resnet50_tp", ["clip.frames=16"])
    assert again.hashes.math == first.hashes.math


def test_show_graph_and_owners(capsys: Capture) -> None:
    _, graph, _ = run(capsys, "show", "tam", "--ir")
    assert re.search(r"tam = tam\(x\) +64x8x56x56 +<- temporal.tam", graph)
    assert widest(graph) <= 80
    _, tree, _ = run(capsys, "show", "tam", "--tree")
    assert "1-2  bottleneck x2" in tree
    assert widest(tree) <= 80


def test_cost_as_a_table(capsys: Capture) -> None:
    code, out, _ = run(capsys, "cost", "i3d_inceptionv1_tp")
    assert code == 0
    assert widest(out) <= 80
    assert re.search(r"total +400 +12\.70 +21\.41 ", out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("cost", "two_stream_fused_diff_resnet18"),
        ("build", "tdn", "--no-instantiate", "-o", "model.py"),
    ],
)
@pytest.mark.parametrize("colour", ["", "1"])
def test_headings_are_wrapped(
    arguments: tuple[str, ...], colour: str, capsys: Capture, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "" if colour else "1")
    monkeypatch.setenv("FORCE_COLOR", colour)
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    plain = re.sub("\x1b\\[[0-9]*m", "", out)
    assert widest(plain) <= 80
    assert ("\x1b" in out) == bool(colour)


def test_cost_for_programs(capsys: Capture) -> None:
    network = load("tam")
    _, out, _ = run(capsys, "cost", "tam", "--per", "node", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert sum(int(row["params"]) for row in rows[:-1]) == int(rows[-1]["params"])
    assert int(rows[-1]["macs"]) == sum(network.facts.macs().values())
    _, out, _ = run(capsys, "cost", "tam", "--count", "conv", "--format", "json", "--per", "total")
    value = json.loads(out)
    assert value["count"] == "conv"
    assert value["total"]["macs"] == network.facts.macs()["convolution"]


@pytest.mark.parametrize("kind", ["models", "policies", "backbones", "ops", "blocks", "heads"])
def test_list_has_a_line_for_everything(kind: str, capsys: Capture) -> None:
    code, out, _ = run(capsys, "list", kind)
    assert code == 0
    assert widest(out) <= 80
    folders: dict[str, Kind] = {"policies": "policy", "backbones": "backbone"}
    if kind in folders:
        assert len(out.splitlines()) == 2 + len(names(folders[kind]))


def test_models_are_listed_by_family(capsys: Capture) -> None:
    _, out, _ = run(capsys, "list", "models")
    for name in names("model"):
        if find("model", name).parent.name != "families":
            assert f"\n{name} " in out
    code, out, _ = run(capsys, "list", "models", "slowfast", "tsm")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "Feichtenhofer" in out
    assert "64x224x224" in lines["slowfast_r101_16x8"]
    assert {"slowfast_nln_r50_4x16", "tsm_resnet50_tp"} < lines.keys()
    code, _, err = run(capsys, "list", "models", "slowfats")
    assert (code, "did you mean" in err or "slowfast" in err) == (2, True)
    assert run(capsys, "list", "ops", "tam")[0] == 2
    # No file names this family's own model: the family does.
    rows = run(capsys, "list", "models", "eco_full")[1].splitlines()
    assert next(line.split()[0] for line in rows if "GMACs" in line) == "eco_full"


def test_list_shows_fields_where_there_is_room(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert "kernel, reduce, depthwise" in run(capsys, "list", "ops")[1]


def test_diff_answers_by_its_status(capsys: Capture) -> None:
    assert run(capsys, "diff", "tam", "tam")[0] == 0
    assert run(capsys, "diff", "tam", "tam", "--set", "clip.frames=16")[0] == 0
    code, out, _ = run(capsys, "diff", "tam", "tam", "--set-b", "clip.frames=16")
    assert code == 1
    assert "16 frames" in out
    assert widest(out) <= 80
    code, out, _ = run(capsys, "diff", "i3d", "tam", "--backbone", "resnet18")
    assert code == 1
    assert "ResNet18" in out


def test_draw(capsys: Capture, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "draw", "tam")
    assert code == 0
    assert widest(out) <= 80
    path = tmp_path / "tam.svg"
    assert run(capsys, "draw", "tam", "--svg", path)[0] == 0
    assert path.read_text().startswith("<svg")


def test_eject_ends_the_contract(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    assert run(capsys, "eject", "tam", "-o", path)[0] == 0
    text = path.read_text()
    assert "Written by stspec" not in text
    assert "Ejected from the spec 'tam'" in text
    assert run(capsys, "eject", "tam")[1] == text
    path.write_text("changed")
    code, _, err = run(capsys, "eject", "tam", "-o", path)
    assert code == 2
    assert "file-exists" in err
    assert path.read_text() == "changed"
    assert run(capsys, "eject", "tam", "-o", path, "--force")[0] == 0
    assert path.read_text() == text


def test_schema_files_are_up_to_date(capsys: Capture, tmp_path: Path) -> None:
    code, out, err = run(capsys, "schema", "--check")
    assert (code, out) == (0, ""), "run `stspec schema`"
    assert err == "the schema files are up to date\n"
    assert run(capsys, "schema", "--check", "-o", tmp_path)[0] == 1
    assert run(capsys, "schema", "-o", tmp_path)[0] == 0
    assert json.loads(run(capsys, "schema", "policy")[1])["title"] == "stspec policy"
    assert run(capsys, "schema", "--check", "-o", tmp_path)[0] == 0


def test_diff_for_programs_and_as_a_page(capsys: Capture, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "diff", "i3d", "tam", "--json")
    assert code == 1
    assert json.loads(out)
    path = tmp_path / "diff.html"
    code, out, err = run(capsys, "diff", "i3d", "tam", "--format", "html", "-o", path)
    assert (code, out) == (1, "")
    assert err.startswith("wrote ")
    assert path.read_text().lower().startswith("<!doctype html>")
