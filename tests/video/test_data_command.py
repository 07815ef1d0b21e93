"""`stspec data` and `stspec doctor`, as a shell runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stspec.cli.main import main
from stspec.data.inspect import Finding, write_index
from stspec.data.manifest import load_manifest
from stspec.data.open import open_sample
from stspec.doctor import conv3d_faults, cudnn_name, pyav, shared_memory, version_numbers
from tests.video.films import make_film, numbers

Out = pytest.CaptureFixture[str]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A list of three films, one of them no video, and one that is not there."""
    make_film(tmp_path / "a b.mp4", 12)
    make_film(tmp_path / "c.avi", 9, "mpeg4")
    (tmp_path / "words.mp4").write_text("no video")
    text = "a b.mp4 0\nc.avi 1\nwords.mp4 1\ngone.mp4 0\n"
    (tmp_path / "train.txt").write_text(text)
    return tmp_path / "train.txt"


def saved(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def test_check_names_what_is_broken(videos: Path, capsys: Out) -> None:
    assert main(["data", "check", str(videos), "--every-frame"]) == 1
    said = capsys.readouterr().out
    assert "separator: space" in said
    assert "gone.mp4: no such file or directory" in said
    assert said.count("words.mp4") == 1
    assert "2 of 4 can be read: 21 frames" in said


def test_bare_videos_need_no_list(videos: Path, tmp_path: Path, capsys: Out) -> None:
    videos.unlink()
    assert main(["data", "check", str(tmp_path)]) == 1
    assert "2 of 3 can be read: 21 frames" in capsys.readouterr().out
    assert main(["data", "index", str(tmp_path / "c.avi")]) == 0
    assert [row["frames"] for row in saved(tmp_path / "c.jsonl")] == [9]


def test_index_says_what_is_there(videos: Path, capsys: Out) -> None:
    assert main(["data", "index", str(videos)]) == 0
    rows = saved(videos.with_suffix(".jsonl"))
    assert [row.get("frames") for row in rows] == [12, 9, None, None]
    assert [row["readable"] for row in rows] == [True, True, False, False]
    assert rows[0]["rate"] == 25
    assert len(str(rows[0]["hash"])) == 32
    assert rows[3]["fault"] == "no such file or directory"
    assert [s.labels for s in load_manifest(videos.with_suffix(".jsonl"))] == [
        (0,),
        (1,),
        (1,),
        (0,),
    ]


def test_index_treats_the_broken_as_told(videos: Path, capsys: Out) -> None:
    out = videos.parent / "good.jsonl"
    assert main(["data", "index", str(videos), "-o", str(out), "--broken", "skip"]) == 0
    assert [row["path"] for row in saved(out)] == ["a b.mp4", "c.avi"]
    assert "2 left out" in capsys.readouterr().out
    assert main(["data", "index", str(videos), "--broken", "error"]) == 2
    assert "2 of 4 samples cannot be read" in capsys.readouterr().err


def test_index_goes_on_where_it_was(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = videos.parent / "whole.jsonl", videos.parent / "stopped.jsonl"
    manifest = load_manifest(videos)
    list(write_index(manifest, whole))
    run = write_index(manifest, stopped)
    assert isinstance(next(run), Finding)
    run.close()  # type: ignore[attr-defined]
    assert not stopped.exists()
    with (videos.parent / "stopped.jsonl.part").open("a") as part:
        part.write('{"id": "c.avi", "pa')  # the line that was being written
    looked: list[str] = []
    plain = open_sample

    def watch(found, sample, decoder):  # type: ignore[no-untyped-def]
        looked.append(sample.path)
        return plain(found, sample, decoder)

    monkeypatch.setattr("stspec.data.inspect.open_sample", watch)
    list(write_index(manifest, stopped))
    assert looked == ["c.avi", "words.mp4", "gone.mp4"]
    assert stopped.read_text() == whole.read_text()
    assert not (videos.parent / "stopped.jsonl.part").exists()


def test_a_stale_count_is_told(tmp_path: Path, capsys: Out) -> None:
    make_film(tmp_path / "a.mp4", 12)
    (tmp_path / "list.txt").write_text("a.mp4 10 0\n")
    assert main(["data", "check", str(tmp_path / "list.txt")]) == 0
    assert "the list promises 10 frames, 12 are there" in capsys.readouterr().out
    (tmp_path / "list.txt").write_text("a.mp4 14 0\n")
    assert main(["data", "check", str(tmp_path / "list.txt")]) == 1


def test_extract_writes_frames_and_their_list(videos: Path, capsys: Out) -> None:
    out = videos.parent / "out"
    arguments = ["data", "extract", str(videos), "-o", str(out), "--short-side", "96"]
    assert main(arguments) == 1
    found = load_manifest(out / "train.jsonl")
    assert [(s.path, s.frames, s.labels) for s in found] == [("a b", 12, (0,)), ("c", 9, (1,))]
    with open_sample(found, found.samples[0]) as video:
        frames = video.read([11, 3])
    assert frames.shape == (2, 96, 160, 3)
    assert numbers(frames[:, ::2, ::2]) == [11, 3]
    assert "2 broken" in capsys.readouterr().out
    before = (out / "a b" / "img_00001.jpg").stat().st_mtime_ns
    (out / "c" / "img_00009.jpg").unlink()
    assert main(arguments) == 1
    assert "1 were there" in capsys.readouterr().out
    assert (out / "a b" / "img_00001.jpg").stat().st_mtime_ns == before
    assert (out / "c" / "img_00009.jpg").exists()
    assert sorted(path.name for path in out.iterdir()) == ["a b", "c", "train.jsonl"]


def test_make_writes_the_built_in_set(tmp_path: Path, capsys: Out) -> None:
    sizes = ["--train", "12", "--val", "12", "--frames", "4", "--size", "16"]
    assert main(["data", "make", str(tmp_path / "set"), *sizes]) == 0
    assert main(["data", "check", str(tmp_path / "set" / "train.csv")]) == 0
    assert "12 of 12 can be read: 48 frames" in capsys.readouterr().out


def test_what_is_not_there_is_told(tmp_path: Path, capsys: Out) -> None:
    assert main(["data", "check", str(tmp_path / "absent.txt")]) == 2
    assert "no such file" in " ".join(capsys.readouterr().err.split())
    assert main(["data", "check", str(tmp_path)]) == 2


def test_parts_are_not_taken_for_classes(tmp_path: Path, capsys: Out) -> None:
    for part in ("train", "val"):
        (tmp_path / part / "jump").mkdir(parents=True)
        make_film(tmp_path / part / "jump" / "a.mp4", 4)
    assert main(["data", "check", str(tmp_path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "parts of a data set" in said and "name one part" in said
    assert main(["data", "check", str(tmp_path / "train")]) == 0
    said = capsys.readouterr().out
    assert "1 sample, 1 class\n" in said and "1 of 1 can be read" in said


def test_doctor_looks_at_everything(capsys: Out) -> None:
    main(["doctor"])
    said = capsys.readouterr().out
    for name in ("Python", "torch", "PyAV", "FFmpeg", "torchcodec", "shared memory", "GPU"):
        assert name in said


@pytest.mark.parametrize(
    ("torch", "cudnn", "words"),
    [
        ("2.13.0+cpu", None, ""),
        ("2.9.0+cu128", 91002, "runs without cuDNN"),
        ("2.9.0+cu128", 91600, "runs without cuDNN"),
        ("2.9.1+cu130", 91300, "runs without cuDNN"),
        ("2.9.1+cu130", 91501, ""),
        ("2.8.0+cu129", 91002, "wrong results"),
        ("2.8.0", 90800, "wrong results"),
        ("2.7.1", 90701, ""),
        ("2.10.0", 91501, ""),
        ("2.6.0", 8902, ""),
    ],
)
def test_known_faults_of_conv3d(torch: str, cudnn: int | None, words: str) -> None:
    found = list(conv3d_faults(torch, cudnn))
    assert len(found) == bool(words)
    assert all(words in finding.text and finding.help for finding in found)


def test_versions_are_read() -> None:
    assert version_numbers("2.9.0+cu128") == (2, 9, 0)
    assert version_numbers("2.10.0a0+git1") == (2, 10, 0)
    assert version_numbers("2.9") == (2, 9, 0)
    assert cudnn_name(91002) == "cuDNN 9.10.2"
    assert cudnn_name(8902) == "cuDNN 8.9.2"


def test_what_is_missing_is_told_with_what_to_install() -> None:
    assert shared_memory(64 << 20).status == "fault"
    assert "--shm-size" in shared_memory(64 << 20).help
    assert shared_memory(8 << 30).status == "ok"
    assert shared_memory(None).status == "note"
    assert "stspec[video]" in pyav(None, "", ()).help
    assert pyav("18.1", "8.1", ("h264",)).status == "note"
