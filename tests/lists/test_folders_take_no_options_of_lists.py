"""A folder per class has no form, separator or root: whoever names one means a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from stspec.data.manifest import load_manifest
from stspec.diagnostics import SpecError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("jump", "run"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(b"")
    return tmp_path


def test_without_them_it_is_read(folder: Path) -> None:
    assert load_manifest(folder).classes == ("jump", "run")


def test_with_one_it_is_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="leave `form` out"):
        load_manifest(folder, form="video")
    with pytest.raises(SpecError, match="leave `separator` out"):
        load_manifest(folder, separator="tab")
    with pytest.raises(SpecError, match="leave `root` out"):
        load_manifest(folder, root=folder)
