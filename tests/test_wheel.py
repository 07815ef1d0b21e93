"""What is installed stands alone: the wheel carries specs and templates, and works anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contents of a freshly built wheel, in a folder of their own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *arguments: str) -> str:
    """Run stspec from the root folder, where no checkout is near, and return what it prints."""
    env = os.environ | {"PYTHONPATH": str(installed), "STSPEC_CACHE": str(installed / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "stspec.cli", *arguments],
        cwd="/",
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def test_it_carries_every_spec_and_template(installed: Path) -> None:
    for folder in ("specs", "templates"):
        there = [p for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix != ".pyc"]
        missing = [
            path.relative_to(ROOT).as_posix()
            for path in there
            if not (installed / "stspec" / "_data" / path.relative_to(ROOT)).is_file()
        ]
        assert there and not missing


def test_it_carries_types_and_license(installed: Path) -> None:
    assert (installed / "stspec" / "py.typed").is_file()
    assert list(installed.glob("stspec-*.dist-info/licenses/LICENSE"))


def test_it_has_nothing_else(installed: Path) -> None:
    assert {path.name for path in installed.iterdir()} - {"cache"} == {
        "stspec",
        next(installed.glob("*.dist-info")).name,
    }


def test_it_works_from_any_folder(installed: Path, tmp_path: Path) -> None:
    assert run(installed, "check", "tam_resnet50").startswith("ok")
    source = tmp_path / "model.py"
    run(installed, "build", "tam_resnet50", "-o", str(source))
    committed = ROOT / "generated" / "tam_resnet50.py"
    assert source.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")
    own = ROOT / "examples" / "own_op" / "tsn_difference.yaml"
    assert run(installed, "check", str(own)).startswith("ok")
