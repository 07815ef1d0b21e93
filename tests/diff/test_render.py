"""A diff in the terminal, as JSON and as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from stspec.diff import Diff, diff, report
from stspec.diff.page import render_page
from stspec.diff.report import render_json
from stspec.diff.terminal import render_terminal
from stspec.network import load

Golden = Callable[[str, str], None]

PAIRS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "i3d_tam": ("i3d", "tam", ()),
    "tsn_tam": ("tsn", "tam", ()),
    "tam_tsm": ("tam", "tsm", ()),
    "s3d_i3d": ("s3d", "i3d", ()),
    "i3d_frames": ("i3d", "i3d", ("clip.frames=16",)),
    "tsn_resnet50_resnet18": ("tsn_resnet50", "tsn_resnet18", ()),
    "i3d_resnet50_inceptionv1": ("i3d_resnet50", "i3d_inceptionv1", ()),
    "nln_tsn": ("nln", "tsn", ()),
    "tam_inceptionv1_tp_s3d": ("tam_inceptionv1_tp", "s3d_inceptionv1", ()),
    "slowfast_slow": ("slowfast_r50_8x8", "slow_r50", ()),
    "csn_r3d": ("csn_r50", "r3d_r50", ()),
    "same": ("tam", "tam_resnet50", ()),
}


@cache
def found(name: str) -> Diff:
    a, b, overrides = PAIRS[name]
    return diff(load(a), load(b, overrides))


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("name", PAIRS)
def test_terminal(name: str, width: int, golden: Golden) -> None:
    text = render_terminal(found(name), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"diff/{name}_{width}", text)


def test_colour_changes_nothing_but_colour() -> None:
    plain = render_terminal(found("i3d_tam"))
    coloured = render_terminal(found("i3d_tam"), color=True)
    assert "\x1b[32m+\x1b[0m" in coloured
    bare = re.sub(r"\x1b\[\d+m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_ascii_where_nothing_else_can_be_shown() -> None:
    for name in PAIRS:
        assert render_terminal(found(name), unicode=False).isascii()


@pytest.mark.parametrize("name", PAIRS)
def test_json_keeps_its_schema(name: str) -> None:
    schema = Path(report.__file__).with_name("schema.json")
    value = json.loads(render_json(found(name)))
    jsonschema.validate(value, json.loads(schema.read_text(encoding="utf-8")))
    assert value["empty"] == (name == "same")


def test_page_stands_by_itself() -> None:
    page = render_page(found("tsn_resnet50_resnet18"))
    assert not re.search(r"(src|href)=|url\(|@import|https?:", page)
    assert "prefers-color-scheme: dark" in page
    assert "2 x basic block to 64" in page
    assert "No difference" in render_page(found("same"))


def test_page_escapes_every_text() -> None:
    evil = "<script>alert('x')</script>"
    told = found("i3d_tam")
    told = replace(
        told,
        a=replace(told.a, label=evil),
        policy=tuple(replace(facet, a=evil, title=evil) for facet in told.policy),
        groups=tuple(replace(group, after=evil, relation=evil) for group in told.groups),
    )
    page = render_page(told)
    assert "<script" not in page and "&lt;script&gt;" in page
