"""Every form of lists, as people have them, with what the samples must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stspec.data.manifest import (
    load_manifest,
    load_split,
    missing_files,
    require_files,
    save_manifest,
)
from stspec.data.sample import Sample
from stspec.diagnostics import SpecError

Row = tuple[str, tuple[int, ...], int | None, int | None, int | None]


def rows(path: Path, **options: Any) -> list[Row]:
    """Path, labels, first, last and frames of every sample."""
    found = load_manifest(path, **options)
    return [(s.path, s.labels, s.first, s.last, s.frames) for s in found]


@contextmanager
def refused(words: str) -> Iterator[list[str]]:
    """Expect a mistake to be told in these words; gives all that is told, unwrapped."""
    said: list[str] = []
    with pytest.raises(SpecError) as told:
        yield said
    said += [f"{found.message} {found.help}" for found in told.value.diagnostics]
    assert words in " ".join(said)


def written(tmp_path: Path, text: str, name: str = "train.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


LISTS: dict[str, tuple[str, str, list[Row]]] = {
    "tsn": (
        "some/dir 120 3\nother dir 60 0\n", "form `frames`",
        [("some/dir", (3,), None, None, 120), ("other dir", (0,), None, None, 60)],
    ),
    "ibm": (
        "a/b 1 120 3\nc 11 60 0\n", "form `start_end`",
        [("a/b", (3,), 0, 119, 120), ("c", (0,), 10, 59, 50)],
    ),
    "ibm from 0": (
        "a/b 0 119 3\nc 10 59 0\n", "form `start_end`",
        [("a/b", (3,), 0, 119, 120), ("c", (0,), 10, 59, 50)],
    ),
    "ibm, semicolons": ("a b;1;8;1\n", "separator: semicolon", [("a b", (1,), 0, 7, 8)]),
    "mmaction2 video": (
        "some/a b.mp4 1\nb.mp4 0\n", "separator: space",
        [("some/a b.mp4", (1,), None, None, None), ("b.mp4", (0,), None, None, None)],
    ),
    "mmaction2 offset": (
        "a 20 10 1\nb 0 90 0\n", "form `offset`",
        [("a", (1,), 20, 29, 10), ("b", (0,), 0, 89, 90)],
    ),
    "mmaction2 labels": (
        "a.mp4 1 3\nb.mp4 0 1 2\n", "form `labels`",
        [("a.mp4", (1, 3), None, None, None), ("b.mp4", (0, 1, 2), None, None, None)],
    ),
    "mmaction2 frames and labels": (
        "a 90 1 3\nb 60 0\n", "form `frames_labels`",
        [("a", (1, 3), None, None, 90), ("b", (0,), None, None, 60)],
    ),
    "mmaction2 frames and two labels": (
        "a 90 1 3\nb 60 2 0\nc 50 0 1\n", "form `frames_labels`",
        [("a", (1, 3), None, None, 90), ("b", (2, 0), None, None, 60),
         ("c", (0, 1), None, None, 50)],
    ),
    "slowfast": (
        "/data/x y.mp4 4\n/data/z.mp4 0\n", "separator: space",
        [("/data/x y.mp4", (4,), None, None, None), ("/data/z.mp4", (0,), None, None, None)],
    ),
    "uniformer": (
        "x y.mp4,4\nz, w.mp4,0\n", "separator: comma",
        [("x y.mp4", (4,), None, None, None), ("z, w.mp4", (0,), None, None, None)],
    ),
    "comma within a path": (
        "z, w.mp4 1\na, b.mp4 0\n", "separator: space",
        [("z, w.mp4", (1,), None, None, None), ("a, b.mp4", (0,), None, None, None)],
    ),
    "tabs, windows": (
        "\ufeffx y.mp4\t1\r\n\r\nz.mp4\t0\r\n", "separator: tab",
        [("x y.mp4", (1,), None, None, None), ("z.mp4", (0,), None, None, None)],
    ),
    "names after commas": (
        "a.mp4,moving up\nb.mp4,moving down\n", "name of the class",
        [("a.mp4", (1,), None, None, None), ("b.mp4", (0,), None, None, None)],
    ),
    "paths alone": ("a b.mp4\nc.mp4\n", "form `paths`",
        [("a b.mp4", (), None, None, None), ("c.mp4", (), None, None, None)]),
    "table": (
        'path,label,frames,rate\n"a, b.mp4",up,40,25\nc.mp4,down,50,\n', "by their heading",
        [("a, b.mp4", (1,), None, None, 40), ("c.mp4", (0,), None, None, 50)],
    ),
    "table of pieces": (
        "path,label,first,last\na.mp4,0,5,9\na.mp4,1|0,10,19\n", "by their heading",
        [("a.mp4", (0,), 5, 9, 5), ("a.mp4", (1, 0), 10, 19, 10)],
    ),
    "jester": (
        "34870;Drumming Fingers\n56557;Sliding Two Fingers Right\n", "separator: semicolon",
        [("34870", (0,), None, None, None), ("56557", (1,), None, None, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_forms_are_recognised_and_told(tmp_path: Path, name: str) -> None:
    text, note, expected = LISTS[name]
    path = written(tmp_path, text)
    assert rows(path) == expected
    notes = " ".join(load_manifest(path).notes)
    assert note in notes


def test_a_wrong_guess_is_overridden(tmp_path: Path) -> None:
    path = written(tmp_path, "a 1 5 3\nb 2 9 0\n")
    assert rows(path)[0] == ("a", (3,), 0, 4, 5)
    assert rows(path, form="offset")[0] == ("a", (3,), 1, 5, 5)
    assert rows(path, form="frames_labels")[0] == ("a", (5, 3), None, None, 1)
    assert rows(path, form="labels", classes=[str(i) for i in range(10)])[0][1] == (1, 5, 3)
    assert rows(path, form="video")[0][0] == "a 1 5"
    with refused("did you mean `offset`"):
        rows(path, form="ofset")


def test_a_separator_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a|b.mp4|1\nc.mp4|0\n")
    expected = [("a|b.mp4", (1,), None, None, None), ("c.mp4", (0,), None, None, None)]
    assert rows(path, separator="|") == expected
    path = written(tmp_path, "a b.mp4,1\n")
    assert rows(path, separator="comma")[0][0] == "a b.mp4"


def test_files_tell_numbers_in_paths_from_columns(tmp_path: Path) -> None:
    (tmp_path / "clip 7").mkdir()
    (tmp_path / "clip").mkdir()
    path = written(tmp_path, "clip 7 30 1\nclip 20 0\n")
    assert [(row[0], row[4]) for row in rows(path)] == [("clip 7", 30), ("clip", 20)]


def test_ids_are_unique(tmp_path: Path) -> None:
    path = written(tmp_path, "a.mp4 1\na.mp4 0\nb.mp4 0\n")
    assert [sample.id for sample in load_manifest(path)] == ["a.mp4#1", "a.mp4#2", "b.mp4"]
    path = written(tmp_path, "a 1 5 0\na 6 9 1\n")
    assert [sample.id for sample in load_manifest(path)] == ["a#0-4", "a#5-8"]


def test_something_something(tmp_path: Path) -> None:
    items = [
        {"id": "78687", "label": "holding potato", "template": "Holding [something]"},
        {"id": "7", "label": "b", "template": "Dropping [something] onto [something]"},
    ]
    labels = {"Dropping something onto something": "0", "Holding something": "1"}
    written(tmp_path, json.dumps(labels), "something-something-v2-labels.json")
    (tmp_path / "78687.webm").touch()
    path = written(tmp_path, json.dumps(items), "something-something-v2-train.json")
    assert [(s.id, s.path, s.labels) for s in load_manifest(path)] == [
        ("78687", "78687.webm", (1,)), ("7", "7.webm", (0,)),
    ]  # fmt: skip
    other = written(tmp_path, json.dumps(labels), "other.json")
    written(tmp_path, "{}", "something-something-v2-labels.json")
    assert load_manifest(path, classes=other).classes == tuple(labels)


def test_kinetics(tmp_path: Path) -> None:
    text = "label,youtube_id,time_start,time_end,split\n"
    text += 'abseiling,abc-_123,4,14,train\n"air, drumming",xyz,20,30,train\n'
    text += "abseiling,gone,0,10,train\nabseiling,in_part,0,10,train\n"
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "in_part_000000_000010.mp4").touch()
    path = written(tmp_path, text, "train.csv")
    (tmp_path / "abc-_123_000004_000014.mp4").touch()
    (tmp_path / "air,_drumming").mkdir()
    (tmp_path / "air,_drumming" / "xyz.mkv").touch()
    found = load_manifest(path)
    assert [(s.path, s.labels) for s in found][:2] == [
        ("abc-_123_000004_000014.mp4", (0,)), ("air,_drumming/xyz.mkv", (1,)),
    ]  # fmt: skip
    assert found.samples[3].path == "train/in_part_000000_000010.mp4"
    assert found.classes == ("abseiling", "air, drumming")
    assert len(missing_files(found)) == 1


def test_a_folder_per_class(tmp_path: Path) -> None:
    for name in ("b two/x y.mp4", "a one/1.avi", "a one/deep/2.webm", "a one/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = load_manifest(tmp_path)
    assert found.classes == ("a one", "b two")
    assert [(s.path, s.labels) for s in found] == [
        ("a one/1.avi", (0,)), ("a one/deep/2.webm", (0,)), ("b two/x y.mp4", (1,)),
    ]  # fmt: skip
    assert found.kind == "video"


def test_numbered_classes_count_from_one(tmp_path: Path) -> None:
    written(tmp_path, "1 ApplyEyeMakeup\n2 Archery\n", "classInd.txt")
    found = load_manifest(written(tmp_path, "Archery/v.avi 2\nApply/w.avi 1\n", "trainlist01.txt"))
    assert [s.labels for s in found] == [(1,), (0,)]
    assert found.classes == ("ApplyEyeMakeup", "Archery")
    with refused("label `3` is none of the 2 classes"):
        load_manifest(written(tmp_path, "x.avi 3\n"))


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, "a.mp4,moving upp\n")
    with refused("did you mean `moving up`"):
        load_manifest(path, classes=["moving up", "moving down"])


@pytest.mark.parametrize(
    ("text", "form", "words"),
    [
        ("", None, "lists nothing"),
        ("a.mp4 x\nb.mp4 1\nc.mp4 y\n", "video", "`x` is no number"),
        ("a 5\n", "frames", "columns"),
        ("a 9 3 1\n", "start_end", "ends at 3, before it starts at 9"),
        ("path,label\na.mp4\n", None, "1 columns, the heading has 2"),
        ("path,first,label\na.mp4,x,1\n", None, "is no number of frames"),
        ("label,youtube_id,time_start\na,b,1\n", None, "no column `time_end`"),
        ('{"a": 1}', "something", "no list of samples"),
        ("[1]", "something", "has no `id`"),
        ("{", "something", "no JSON"),
        ("a 5 99999999\n", None, "is no number of a class"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, form: str | None, words: str) -> None:
    with refused(words):
        load_manifest(written(tmp_path, text), form=form)


def test_every_bad_line_is_told_once(tmp_path: Path) -> None:
    text = "".join(f"v{i}.mp4 {'bad' if i % 2 else i}\n" for i in range(60))
    with pytest.raises(SpecError) as told:
        load_manifest(written(tmp_path, text), form="video")
    spans = [d.position for d in told.value.diagnostics if d.labels]
    assert [line for _, line, _ in spans] == list(range(2, 26, 2))
    assert "18 more lines" in told.value.diagnostics[-1].message


@pytest.mark.parametrize("data", [b"\xff\xfe\x00a", b"a\0b 1\n"])
def test_what_is_no_text_is_no_list(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    with refused("is no text"):
        load_manifest(tmp_path / "list.txt")


def test_every_missing_file_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "here.mp4").touch()
    text = "gone a.mp4 0\nhere.mp4 1\nno/gone b.mp4 0\ngone a.mp4 1\n"
    found = load_manifest(written(tmp_path, text))
    assert missing_files(found) == ["gone a.mp4", "no/gone b.mp4"]
    with refused("2 files are missing") as said:
        require_files(found)
    words = " ".join(said)
    assert (words.count("gone a.mp4"), words.count("gone b.mp4")) == (1, 1)
    require_files(found.with_samples((Sample("x", "here.mp4"),)))


def test_roots_are_found_or_given(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").touch()
    path = written(tmp_path, "a.mp4 0\n")
    assert load_manifest(path).root == tmp_path / "videos"
    assert load_manifest(path, root=tmp_path / "elsewhere").root == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("names", "kind", "template", "start"),
    [
        (["img_00001.jpg", "img_00002.jpg"], None, "img_{:05d}.jpg", 1),
        (["000000.png", "000001.png"], None, "{:06d}.png", 0),
        (["f1.jpeg", "f10.jpeg"], None, "f{:d}.jpeg", 1),
        (["img_001.jpg", "flow_x_001.jpg", "flow_y_001.jpg"], None, "img_{:03d}.jpg", 1),
        (["flow_x_01.jpg", "flow_y_01.jpg"], "flow", "flow_{axis}_{:02d}.jpg", 1),
        (["x_0.jpg", "y_0.jpg"], "flow", "{axis}_{:01d}.jpg", 0),
        (["u/01.jpg", "v/01.jpg"], "flow", "{axis:uv}/{:02d}.jpg", 1),
    ],
)
def test_names_of_pictures_are_recognised(
    tmp_path: Path, names: list[str], kind: Any, template: str, start: int
) -> None:
    for name in names:
        (tmp_path / "clip" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clip" / name).touch()
    found = load_manifest(written(tmp_path, "clip 2 0\n"), kind=kind)
    assert (found.kind, found.template, found.start) == (kind or "frames", template, start)


@pytest.mark.parametrize("template", ["img.jpg", "img_{:05d", "{0.x}"])
def test_what_is_no_template_is_told(tmp_path: Path, template: str) -> None:
    with refused("is no template"):
        load_manifest(written(tmp_path, "a 2 0\n"), template=template)


def test_saved_manifests_are_read_back(tmp_path: Path) -> None:
    text = "path,label,first,last,rate\nä b.mp4,up,5,9,29.97\nc.mp4,down,,,\n"
    found = load_manifest(written(tmp_path, text, "train.csv"))
    (tmp_path / "deep").mkdir()
    save_manifest(found, tmp_path / "deep" / "saved.jsonl")
    again = load_manifest(tmp_path / "deep" / "saved.jsonl")
    assert again.samples == found.samples
    assert again.digest == found.digest
    assert again.root.resolve() == found.root.resolve()
    assert (again.classes, again.kind, again.start) == (found.classes, found.kind, found.start)


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    found = load_manifest(written(tmp_path, "a.mp4 0\nb.mp4 1\n"))
    path = tmp_path / "saved.jsonl"
    save_manifest(found, path)
    whole = path.read_text()
    for text in (whole[:-9], whole.replace("[1]", "[9]"), whole.replace('"path"', '"pat"')):
        path.write_text(text)
        with refused("is no manifest"):
            load_manifest(path)


class TestSplits:
    def folder(self, tmp_path: Path, **files: str) -> Path:
        for name, text in files.items():
            written(tmp_path, text, name.replace("__", "."))
        return tmp_path

    def test_lists_are_found_by_their_names(self, tmp_path: Path) -> None:
        data = self.folder(tmp_path, train__txt="a.mp4 0\n", validation__csv="b.mp4,1\n")
        assert [s.path for s in load_split(data, "train")] == ["a.mp4"]
        assert [s.path for s in load_split(data, "val")] == ["b.mp4"]
        assert [s.path for s in load_split(data, "test")] == ["b.mp4"]

    def test_long_names_and_siblings(self, tmp_path: Path) -> None:
        names = {"k400_train_list.txt": "a.mp4 0\n", "k400_val_list.txt": "b.mp4 2\n"}
        for name, text in names.items():
            written(tmp_path, text, name)
        for data in (tmp_path, tmp_path / "k400_train_list.txt"):
            assert [s.path for s in load_split(data, "val")] == ["b.mp4"]

    def test_classes_of_the_parts_agree(self, tmp_path: Path) -> None:
        data = self.folder(tmp_path, train__csv="a.mp4 0\nb.mp4 4\n", val__csv="c.mp4 1\n")
        assert load_split(data, "val").classes == load_split(data, "train").classes
        assert len(load_split(data, "val").classes) == 5

    def test_names_that_val_lacks_keep_their_numbers(self, tmp_path: Path) -> None:
        data = self.folder(tmp_path, train__csv="a.mp4,up\nb.mp4,down\n", val__csv="c.mp4,up\n")
        assert load_split(data, "val").samples[0].labels == (1,)

    def test_a_name_that_training_lacks_is_told(self, tmp_path: Path) -> None:
        data = self.folder(tmp_path, train__csv="a.mp4,up\nb.mp4,down\n", val__csv="c.mp4,upp\n")
        with refused("did you mean `up`"):
            load_split(data, "val")

    def test_folders(self, tmp_path: Path) -> None:
        for name in ("train/a/1.mp4", "train/b/2.mp4", "val/b/3.mp4"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        assert [s.labels for s in load_split(tmp_path, "val")] == [(1,)]

    def test_saved_manifests_with_other_classes(self, tmp_path: Path) -> None:
        for part, label in (("train", 3), ("val", 1)):
            found = load_manifest(written(tmp_path, f"a.mp4 {label}\n", f"{part}.txt"))
            save_manifest(found, tmp_path / f"{part}.jsonl")
            (tmp_path / f"{part}.txt").unlink()
        with refused("has other classes"):
            load_split(tmp_path, "val")

    def test_what_is_not_there_or_not_clear_is_told(self, tmp_path: Path) -> None:
        data = self.folder(tmp_path, x_train__csv="a.mp4 0\n", y_train__csv="a.mp4 0\n")
        with refused("several train lists: x_train.csv, y_train.csv"):
            load_split(data, "train")
        with refused("has no val list"):
            load_split(data, "val")
        with refused("there is no"):
            load_split(tmp_path / "absent", "train")


def test_a_part_that_stands_in_for_another_is_told(tmp_path: Path) -> None:
    written(tmp_path, "a.mp4 0\n")
    written(tmp_path, "b.mp4 0\n", "val.txt")
    assert not any("stands in" in note for note in load_split(tmp_path, "val").notes)
    said = load_split(tmp_path, "test").notes
    assert any("there is no test part" in note and "val.txt" in note for note in said)
