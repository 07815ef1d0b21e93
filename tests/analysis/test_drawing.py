"""Figures: what they show, where boxes stand, and that they are well-formed."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from stspec.analysis.draw import Figure, figure, svg, terminal
from stspec.analysis.draw.figure import INPUT
from stspec.analysis.draw.layout import lay_out
from stspec.compose import index, names
from stspec.network import load

# Every named model, and one family on every backbone.
NAMES = sorted({*names("model"), *(name for name in index() if name.startswith("tam_"))})


@cache
def drawing(name: str) -> Figure:
    return figure(load(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_model_can_be_drawn(name: str) -> None:
    drawn = drawing(name)
    root = ET.fromstring(svg(drawn))
    assert root.tag.endswith("svg")
    texts = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {stage.output for stage in drawn.stages} <= texts
    for width in (80, 120):
        assert max(map(len, terminal(drawn, width).splitlines())) <= width


FLAT = {"c3d", "mstcn", "two_stream", "two_stream_fused"}
"""Networks without blocks: there is no inside to draw."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FLAT])
def test_boxes_stand_apart_and_edges_pass_none(name: str) -> None:
    inside = drawing(name).inside
    assert inside is not None
    layout = lay_out(inside)
    places = list(layout.boxes.values())
    assert len(set(places)) == len(places)
    assert len(layout.edges) == len(inside.edges)
    for points in layout.edges:
        assert all(a.layer + 1 == b.layer for a, b in pairwise(points))
        assert not set(points[1:-1]) & set(places)


def test_pathways_stand_side_by_side() -> None:
    drawn = figure(load("slowfast_r50_8x8"))
    shown = drawn.pathways
    assert shown is not None and shown.columns == ("trunk", "fast")
    assert shown.starts == shown.ends == shown.columns
    assert [(link.source, link.target) for link in shown.links] == [
        ((stage, "fast"), (stage, "trunk")) for stage in "1234"
    ]
    assert {part.title for link in shown.links for part in link.parts} == {"temporal lateral"}
    # 8 frames beside 32, and in the fast pathway an eighth of the channels.
    assert shown.cells["5", "trunk"].output.split()[::2] == ["8", "7", "7", "2048"]
    assert shown.cells["5", "fast"].output.split()[::2] == ["32", "7", "7", "256"]
    text = terminal(drawn, 80)
    beside = next(line for line in text.splitlines() if "stage 3" in line)
    assert beside.count("stage 3") == 2 and text.count("to trunk: temporal lateral") == 4


def test_a_pathway_that_starts_late_and_one_that_ends_early() -> None:
    eco = figure(load("eco_full")).pathways
    assert eco is not None and eco.starts == ("trunk",) and eco.ends == ("trunk", "volume")
    assert ("6", "trunk") not in eco.cells and ("2", "volume") not in eco.cells
    there, back = eco.links
    assert there.source == back.target == ("3", "trunk") and not there.parts
    assert [part.title for part in back.parts] == ["conv 3x3, 96"]
    tdn = figure(load("tdn_resnet50")).pathways
    assert tdn is not None and tdn.ends == ("trunk",)
    assert figure(load("tam_resnet50")).pathways is None


def test_columns_do_not_meet_and_arrows_end_at_them() -> None:
    root = ET.fromstring(svg(figure(load("slowfast_r50_8x8"))))
    boxes = [e for e in root.iter() if e.tag.endswith("rect") and e.get("rx") == "6"]
    spans = {(float(e.get("x", 0)), float(e.get("width", 0))) for e in boxes[:10]}
    (left, wide), (right, _) = sorted(spans)
    assert left + wide + 100 < right
    laterals = [e for e in root.iter() if e.get("d", "").startswith(f"M{right:g} ")]
    assert len(laterals) == 4
    assert all(f"L{left + wide + 1:g} " in e.get("d", "") for e in laterals)


def test_what_the_policy_inserts_is_set_off() -> None:
    drawn = figure(load("tam_resnet50"))
    assert drawn.inside is not None
    assert drawn.inside.parts["tam"].emphasis == "inserted"
    assert drawn.inside.parts["conv1"].emphasis == "plain"
    assert drawn.inside.parts["conv1"].note == "BN, ReLU"
    levels = [stage.parts[0].emphasis for stage in drawn.stages]
    assert levels == ["plain", "inserted", "inserted", "inserted", "inserted", "plain"]
    assert (
        drawn.stages[1].output
        == "8 \N{MULTIPLICATION SIGN} 56 \N{MULTIPLICATION SIGN} 56 \N{MULTIPLICATION SIGN} 256"
    )


def test_what_the_policy_converts_is_set_off() -> None:
    inside = figure(load("i3d_inceptionv1")).inside
    assert inside is not None
    assert {part.emphasis for name, part in inside.parts.items() if name != "concat"} == {"changed"}
    assert lay_out(inside).lanes == 4


def test_the_longest_way_keeps_the_first_lane() -> None:
    inside = figure(load("s3d_resnet50_tp")).inside
    assert inside is not None
    boxes = lay_out(inside).boxes
    assert {boxes[name].lane for name in (INPUT, "conv1", "conv2", "conv3", "add")} == {0}
    assert boxes["downsample.0"].lane == 1


def test_texts_are_escaped() -> None:
    drawn = figure(load("tam", ["title=<&>"]))
    assert "&lt;&amp;&gt;" in svg(drawn)


@pytest.mark.needs_browser
def test_a_browser_shows_it(browser: Path, tmp_path: Path) -> None:
    source, shot = tmp_path / "tam.svg", tmp_path / "tam.png"
    source.write_text(svg(figure(load("tam"))), encoding="utf-8")
    subprocess.run(
        [str(browser), "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={shot}",
         "--window-size=1080,560", source.as_uri()],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert shot.read_bytes()[:4] == b"\x89PNG"
    assert shot.stat().st_size > 15_000
