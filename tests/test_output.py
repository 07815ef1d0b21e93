"""What a write leaves behind: the whole file, and nothing in the place of a device or a link."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from stspec.diagnostics import SpecError
from stspec.output import write_bytes, write_output, write_text


def refused(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        write_output(path, "x")
    (found,) = caught.value.diagnostics
    assert found.code == "cannot-write"
    return found.message


@pytest.mark.parametrize("size", [10, 1 << 20])  # a pipe holds 64 KiB
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path, size: int) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    while True:  # until the reader has opened it
        try:
            write_output(pipe, "x" * size)
            break
        except SpecError:
            assert reader.is_alive()
    reader.join()
    assert read == ["x" * size]
    assert pipe.is_fifo()


def test_a_pipe_without_a_reader_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "nobody reads from this pipe" in refused(tmp_path / "pipe")


def test_a_device_is_written_to(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to(os.devnull)
    write_text(link, "x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert link.is_symlink()
    link.unlink()
    link.symlink_to("/dev/full")
    assert "no space left" in refused(link)


@pytest.mark.parametrize("there", [True, False])
def test_the_target_of_a_link_is_written(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "target"
    if there:
        target.write_text("before")
    (tmp_path / "link").symlink_to("target")
    write_bytes(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert target.read_text() == "after"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "target"]


def test_modes_are_the_files_own_or_the_users(tmp_path: Path) -> None:
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        write_text(path, "x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o755)
        write_text(path, "y")
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
    finally:
        os.umask(mask)


def test_places_that_cannot_be_written_say_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    assert "is a folder" in refused(tmp_path)
    assert "file` is not a folder" in refused(tmp_path / "file" / "x" / "y.py")
    assert "file name too long" in refused(tmp_path / ("x" * 300))
    assert (tmp_path / "file").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    write_output(tmp_path / ("x" * 250), "as long as names may be")


@pytest.mark.parametrize("text", ["stspec: 1\n", "# mine\nstspec: 1\n", "\ufeffstspec: 1\n"])
def test_a_spec_is_not_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    (tmp_path / "link").symlink_to("mine.yaml")
    for name in ("mine.yaml", "link"):
        assert "it is a spec, which would be lost" in refused(tmp_path / name)
    assert path.read_text() == text


def test_a_dash_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no file's name" in refused(Path("-"))
    assert not Path("-").exists()
