"""Figures as files for papers: whole, the same anywhere, and of any names."""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

from stspec.diagnostics import SpecError
from stspec.study.drawing import Form, draw
from stspec.study.figures import make_figure
from stspec.study.published import published
from stspec.study.records import Result
from tests.study.made_runs import Made

HOSTILE = ("</svg><script>1</script>", "a -- b", "$x_{", "50 % & more", "bell\x07tab\t", "推す", "")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    made = Made(data=HOSTILE[:1], policies=("tsn", *HOSTILE[2:4]), classes=HOSTILE)
    return made.results(tmp_path_factory.mktemp("runs"))


def texts(svg: bytes) -> list[str]:
    """Return what is written in a drawing: its letters are outlines, each text a comment."""
    found: Iterable[str] = re.findall(r"<!-- (.*?) -->", svg.decode(), re.DOTALL)
    return list(found)


@pytest.mark.parametrize("name", ["fig1", "fig4", "fig5", "fig7", "fig8", "fig9"])
def test_figures_of_each_kind_are_drawn_whatever_things_are_called(
    name: str, results: list[Result], recwarn: pytest.WarningsRecorder
) -> None:
    figure = make_figure(name, results)
    svg = draw(figure, "svg")
    root = ElementTree.fromstring(svg)
    names = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert "path" in names and "script" not in names
    drawn = [html.unescape(text) for text in texts(svg)]
    for panel in figure.panels:
        assert any(text.startswith(panel[:20]) for text in drawn)
    assert not recwarn.list


def test_gains_of_the_paper_stand_on_the_arrows() -> None:
    own = [
        each for each in published("study2021")
        if each.facets.data == "mini_ssv2" and each.facets.backbone == "resnet50"
        and each.facets.frames == 8 and each.facets.policy in ("tsn", "tam")
    ]  # fmt: skip
    top1 = {(e.facets.policy, e.facets.temporal_pooling): 100 * (e.top1 or 0.0) for e in own}
    gains = [
        top1["tam", False] - top1["tsn", False], top1["tam", True] - top1["tsn", True],
        top1["tsn", True] - top1["tsn", False], top1["tam", True] - top1["tam", False],
    ]  # fmt: skip
    expected = {f"{gain:+.1f}".replace("-", "\N{MINUS SIGN}") for gain in gains}
    assert expected <= set(texts(draw(make_figure("fig7", own), "svg")))


def test_the_same_figure_is_the_same_file_anywhere(tmp_path: Path) -> None:
    # In another process, whose user has settings of their own for matplotlib.
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: none\n", encoding="utf-8")
    code = (
        "import hashlib; from stspec.study.drawing import draw;"
        "from stspec.study.figures import make_figure;"
        "from stspec.study.published import published;"
        "figure = make_figure('fig6', published('study2021')[:8]);"
        "print([hashlib.sha256(draw(figure, form)).hexdigest() for form in ('svg', 'pdf')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=tmp_path, text=True,
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[2]),
             "MPLCONFIGDIR": str(tmp_path)},
    )  # fmt: skip
    figure = make_figure("fig6", published("study2021")[:8])
    here = [hashlib.sha256(draw(figure, form)).hexdigest() for form in get_args(Form)]
    assert run.stdout.strip() == str(here)


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SpecError, match=r"drawing needs matplotlib") as caught:
        draw(make_figure("fig3", published("study2021")), "pdf")
    assert caught.value.diagnostics[0].help == "pip install 'stspec[study]'"


def test_a_drawing_is_asked_for_by_a_files_suffix(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from stspec.cli.main import app

    def run(*more: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["study", "export", "published:study2021", *more])
        return found.exit_code, found.output + str(found.exception or "")

    path = tmp_path / "fig6.pdf"
    told = run("--table", "fig6", "--where", "data=mini_mit,frames=8", "-o", str(path))
    assert told[0] == 0 and "1 panel" in told[1]
    assert path.read_bytes().startswith(b"%PDF-") and b"%%EOF" in path.read_bytes()[-16:]
    for form, message in (
        (("--table", "table8", "--format", "svg"), "a table, and is not drawn"),
        (("--table", "fig8", "--format", "svg"), "nothing to draw"),
        (("--table", "fig3", "--format", "pdf"), "PDF is for files"),
        (("--table", "fig3", "--where", "frames=9"), "no result has frames 9"),
    ):
        code, text = run(*form)
        assert code != 0 and message in text
