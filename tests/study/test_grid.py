"""Expansion of a study's axes: every combination once, in order, each known by one name."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stspec.study.grid import Row, label
from stspec.study.study import load_study

PATHS = ("clip.frames", "clip.size", "head.dropout", "seed", "recipe.epochs", "recipe.batch")
VALUES = st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True)


def rows(folder: Path, **keys: Any) -> list[Row]:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({"stspec": 1, "base": "tsn_motions", **keys}, sort_keys=False))
    return load_study(file).rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


axes = st.lists(st.sampled_from(PATHS), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries(dict.fromkeys(names, VALUES))
)
quickly = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quickly
@given(grid=axes)
def test_a_grid_is_the_product_of_its_axes_the_last_fastest(
    folder: Path, grid: dict[str, list[int]]
) -> None:
    found = rows(folder, grid=grid)
    assert [tuple(row.settings.values()) for row in found] == list(product(*grid.values()))
    assert all(list(row.settings) == list(grid) for row in found)
    assert len({row.name for row in found}) == len(found)


@quickly
@given(grid=axes, length=st.integers(1, 4), data=st.data())
def test_zipped_axes_go_in_step(
    folder: Path, grid: dict[str, list[int]], length: int, data: st.DataObject
) -> None:
    free = [path for path in PATHS if path not in grid][:2]
    group = {
        path: data.draw(st.lists(st.integers(1, 99), min_size=length, max_size=length, unique=True))
        for path in free
    }
    found = rows(folder, grid=grid, zip=[group])
    assert len(found) == prod(map(len, grid.values())) * length
    steps = set(zip(*group.values(), strict=True))
    assert {tuple(row.settings[path] for path in free) for row in found} == steps


@quickly
@given(grid=axes, data=st.data())
def test_what_is_excluded_is_left_out_and_what_is_included_follows(
    folder: Path, grid: dict[str, list[int]], data: st.DataObject
) -> None:
    picked = {path: data.draw(st.sampled_from(values)) for path, values in grid.items()}
    whole = rows(folder, grid=grid)
    left = rows(folder, grid=grid, exclude=[picked])
    assert [dict(row.settings) for row in left] == [
        dict(row.settings) for row in whole if dict(row.settings) != picked
    ]
    # What the grid has already is no second run.
    assert rows(folder, grid=grid, include=[picked]) == whole
    more = {**picked, "clip.channels": 5}
    assert rows(folder, grid=grid, include=[more])[-1].settings == more


@quickly
@given(
    frames=st.lists(st.integers(1, 64), min_size=1, max_size=5, unique=True),
    seeds=VALUES,
    first=st.booleans(),
    gap=st.integers(0, 4),
)
def test_each_length_starts_from_the_one_before(
    folder: Path, frames: list[int], seeds: list[int], first: bool, gap: int
) -> None:
    grid = (
        {"clip.frames": frames, "seed": seeds} if first else {"seed": seeds, "clip.frames": frames}
    )
    gone = frames[gap] if gap < len(frames) and len(frames) > 1 else None
    exclude = [{"clip.frames": gone}] if gone is not None else []
    found = rows(folder, grid=grid, after={"clip.frames": "previous"}, exclude=exclude)
    kept = [value for value in frames if value != gone]
    for number, row in enumerate(found):
        at = kept.index(int(str(row.settings["clip.frames"])))
        if at == 0:
            assert row.after is None
            continue
        assert row.after is not None and row.after < number
        before = found[row.after].settings
        assert before == {**row.settings, "clip.frames": kept[at - 1]}


def test_all_can_start_from_one_value(folder: Path) -> None:
    data = {name: {"classes": 12} for name in ("large", "small", "tiny")}
    found = rows(
        folder, data=data, after={"data": "large"},
        grid={"data": ["small", "large", "tiny"], "policy": ["tsn", "tam"]},
    )  # fmt: skip
    names = {row.name: None if row.after is None else found[row.after].name for row in found}
    assert names == {
        "large-tsn": None, "small-tsn": "large-tsn", "large-tam": None, "small-tam": "large-tam",
        "tiny-tsn": "large-tsn", "tiny-tam": "large-tam",
    }  # fmt: skip


def test_what_goes_in_step_with_the_chained_axis_does_not_break_the_chain(folder: Path) -> None:
    found = rows(
        folder, grid={"seed": [0, 1]}, zip=[{"clip.frames": [8, 16], "recipe.batch": [32, 16]}],
        after={"clip.frames": "previous"},
    )  # fmt: skip
    assert [row.after for row in found] == [None, 0, None, 2]


def test_named_settings_conditions_and_the_whole_before_its_parts(folder: Path) -> None:
    found = rows(
        folder,
        grid={
            "pooling": {"none": {}, "tp": {"policy.pooling": {"beside": [3, 4, 5]}}},
            "policy": ["tam", "i3d"],
        },
        adjust=[
            {"when": {"policy": "i3d"}, "set": {"policy": "i3d_inception"}},
            {
                "when": {"policy": ["i3d"], "pooling": "tp"},
                "set": {"policy.pooling.realise": "joint"},
            },
        ],
    )
    last = found[-1]
    assert last.settings == {"pooling": "tp", "policy": "i3d"}
    assert [path for path in last.sets if path.startswith("policy")] == [
        "policy", "policy.pooling", "policy.pooling.realise",
    ]  # fmt: skip
    assert getattr(last.sets["policy"].value, "value", None) == "i3d_inception"


@pytest.mark.parametrize(
    ("axis", "value", "told"),
    [
        ("policy", "tam", "tam"), ("clip.frames", 8, "frames8"), ("seed", 0, "seed0"),
        ("policy", "./mine/my_tam.yaml", "my_tam"), ("recipe.ema", None, "emanone"),
        ("head.dropout", 0.5, "dropout0.5"), ("recipe.compile", True, "compiletrue"),
        ("policy", "a/../b c;rm", "b_c_rm"),
    ],
)  # fmt: skip
def test_labels_are_readable_and_safe(axis: str, value: Any, told: str) -> None:
    assert label(axis, value, named=False) == told
