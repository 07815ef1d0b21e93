"""Predictions as files: read back equal, damage told, metrics from the file alone."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.evaluate.predictions import (
    Predictions,
    index_path,
    read_predictions,
    write_predictions,
)
from stspec.evaluate.views import Views


def made(**changes: object) -> Predictions:
    rng = np.random.default_rng(3)
    values: dict[str, object] = {
        "ids": ("a", "ü b/c", "d"),
        "labels": ((1,), (0, 3), ()),
        "logits": rng.normal(size=(3, 6, 4)).astype(np.float32),
        "classes": ("up", "down", "left, right", "ö"),
        "views": Views(2, 3),
        "fuse": "logits",
        "by": "max",
        "multi_label": True,
        "faults": {"e": "moov atom not found"},
        "about": {"spec": "tam", "weights": "f3"},
    }
    return Predictions(**{**values, **changes})  # type: ignore[arg-type]


def test_predictions_are_read_back(tmp_path: Path) -> None:
    path, before = tmp_path / "new" / "val.npz", made()
    write_predictions(path, before)
    after = read_predictions(path)
    assert after.logits.tobytes() == before.logits.tobytes()
    for name in Predictions.__dataclass_fields__:
        if name != "logits":
            assert getattr(after, name) == getattr(before, name), name
    assert after.metrics().to_json() == before.metrics().to_json()
    assert sorted(each.name for each in path.parent.iterdir()) == ["val.npz", "val.npz.json"]


def test_the_file_needs_numpy_alone(tmp_path: Path) -> None:
    write_predictions(tmp_path / "val.npz", made())
    with np.load(tmp_path / "val.npz", allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == ["a", "ü b/c", "d"]
        assert arrays["labels"].tolist() == [1, 0, 3]
        assert arrays["label_offsets"].tolist() == [0, 1, 3, 3]
        assert arrays["fused"].shape == (3, 4) and arrays["logits"].shape == (3, 6, 4)


def test_predictions_are_told_not_to_be_scores(tmp_path: Path) -> None:
    rows = made().logits.copy()
    rows[1, 2, 0] = np.nan
    with pytest.raises(SpecError, match=r"(?s)1 of 3 videos are not\s+finite, `ü b/c` first"):
        made(logits=rows).metrics()
    with pytest.raises(SpecError, match="`d` has no label"):
        made(multi_label=False).metrics()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"(?s)there is no.*val\.npz"):
        read_predictions(tmp_path / "val.npz")
    write_predictions(tmp_path / "val.npz", made())
    index_path(tmp_path / "val.npz").unlink()
    with pytest.raises(SpecError, match=r"(?s)there is no.*val\.npz\.json"):
        read_predictions(tmp_path / "val.npz")


def test_damage_is_a_diagnosis_never_a_wrong_result(tmp_path: Path) -> None:
    path, before = tmp_path / "val.npz", made()
    write_predictions(path, before)
    rng = Random(5)
    good = {each: each.read_bytes() for each in (path, index_path(path))}
    wrong = 0
    for trial in range(200):
        victim = rng.choice(list(good))
        data = bytearray(good[victim])
        if trial % 3:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            del data[rng.randrange(len(data)) :]
        victim.write_bytes(data)
        try:
            after = read_predictions(path)
        except SpecError:
            wrong += 1
        else:
            assert after.logits.tobytes() == before.logits.tobytes()
            assert after.classes == before.classes and after.labels == before.labels
            assert after.metrics().to_json() == before.metrics().to_json()
        victim.write_bytes(good[victim])
    assert wrong > 190


def test_an_index_of_other_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "val.npz"
    write_predictions(path, made())
    index = json.loads(index_path(path).read_text())
    for key, value in {"classes": ["a"], "views": "1x1", "form": 2, "check": None}.items():
        index_path(path).write_text(json.dumps({**index, key: value}))
        with pytest.raises(SpecError, match=r"(?s)holds\s+no\s+predictions"):
            read_predictions(path)


@pytest.mark.parametrize("text", ["10x3", " 10 x 3 "])
def test_views_are_clips_by_crops(text: str) -> None:
    views = Views.parse(text)
    assert (views.clips, views.crops, views.count, views.level) == (10, 3, 30, "video")
    assert Views.parse(str(views)) == views and Views.parse("1x3").level == "clip"


@pytest.mark.parametrize("text", ["", "10", "0x3", "10x", "x3", "-1x1", "10x3x1", "ten x 3"])
def test_what_is_no_views_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="no number of views"):
        Views.parse(text)
