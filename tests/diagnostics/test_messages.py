"""What a user is told, word by word: one golden for each class of mistake of the front end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from stspec.compose import resolve
from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.schema.validate import validate
from stspec.source import read_file

SOURCE = {
    "alias": "clip: &clip {frames: 8}\nother: *clip\n",
    "bad_character": 'about: "\\e[31mred"\n',
    "bad_key": "null: 1\n1.5: 2\n",
    "bad_number": "frames: 123456789012345678901234567890\n",
    "duplicate_key": "clip:\n  frames: 8\n  size: 224\n  frames: 16\n",
    "empty_file": "# nothing yet\n",
    "merge_key": "policy:\n  <<: {pooling: none}\n",
    "missing_value": "clip: {frames: 8, size: 224}\npolicy:\nclasses: 10\n",
    "not_a_mapping": "policy:tam\n",
    "several_documents": "stspec: 1\n---\nstspec: 1\n",
    "tag": "frames: !!int 8\n",
    "too_deep": "a: " + "[" * 80 + "]" * 80 + "\n",
    "yaml_colon": "about: TAM: temporal aggregation\n",
    "yaml_indentation": "clip:\n    frames: 8\n  size: 224\n",
    "yaml_no_colon": "clip:\n  frames: 8\n  size\n  channels: 3\n",
    "yaml_quote": "about: 'it's here'\n",
    "yaml_tab": "clip:\n\tframes: 8\n",
    "yaml_unclosed_list": "clip:\n  size: [224, 224\npolicy: tam\n",
    "yaml_unclosed_text": 'about: "an open text\npolicy: tam\n',
    "yaml_reserved": "about: @tam\n",
    "several_at_once": "clip: {frames: 8}\nclip: {frames: 16}\npolicy:\nhead: *shared\n",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")


def say(error: pytest.ExceptionInfo[SpecError]) -> str:
    return str(error.value)


@pytest.mark.parametrize("name", SOURCE)
def test_source(name: str, golden: Callable[[str, str], None]) -> None:
    write(spec=SOURCE[name])
    with pytest.raises(SpecError) as caught:
        read_file("spec.yaml")
    golden(name, say(caught))


def test_encoding(golden: Callable[[str, str], None]) -> None:
    Path("spec.yaml").write_bytes("about: café\n".encode("latin-1"))
    with pytest.raises(SpecError) as caught:
        read_file("spec.yaml")
    golden("bad_encoding", say(caught))


def test_unreadable(golden: Callable[[str, str], None]) -> None:
    said = []
    Path("folder.yaml").mkdir()
    for name in ("folder.yaml", "absent.yaml", "/dev/null"):
        with pytest.raises(SpecError) as caught:
            read_file(name)
        said.append(say(caught))
    golden("unreadable_file", "\n\n".join(said))


MODEL = """\
stspec: 1
backbone: resnet50
policy: tam
clip: {frames: 8, size: 224}
classes: 400
variants:
  wide: {clip.size: 320}
"""

COMPOSE: dict[str, tuple[dict[str, str], str]] = {
    "unknown_spec": ({"spec": "stspec: 1\nextends: families/tma\n"}, "spec.yaml"),
    "unknown_model": ({}, "tam_resnet5O"),
    "unknown_policy": ({"spec": MODEL.replace("tam", "tsn2")}, "spec.yaml"),
    "unknown_backbone": ({"spec": MODEL.replace("resnet50", "resnett50")}, "spec.yaml"),
    "unknown_path": ({"spec": "stspec: 1\nextends: ./bass.yaml\n", "base": MODEL}, "spec.yaml"),
    "unknown_variant": ({"spec": MODEL}, "spec.yaml:wied"),
    "circular_extends": (
        {
            "spec": "stspec: 1\nextends: ./middle.yaml\n",
            "middle": "stspec: 1\nabout: in between\nextends: ./base.yaml\n",
            "base": "stspec: 1\nextends: ./spec.yaml\n",
        },
        "spec.yaml",
    ),
    "newer_language": ({"spec": MODEL.replace("stspec: 1", "stspec: 2")}, "spec.yaml"),
    "missing_version": ({"spec": MODEL.replace("stspec: 1\n", "")}, "spec.yaml"),
    "version_wrong_type": ({"spec": MODEL.replace("stspec: 1", "stspec: '1'")}, "spec.yaml"),
    "extends_wrong_type": ({"spec": "stspec: 1\nextends: [a, b]\n"}, "spec.yaml"),
    "variants_wrong_type": ({"spec": "stspec: 1\nvariants: [a]\n"}, "spec.yaml"),
    "fixed_key": ({"spec": MODEL + "  odd: {stspec: 2}\n"}, "spec.yaml:odd"),
    "bad_path_in_variant": ({"spec": MODEL + "  odd: {clip..size: 2}\n"}, "spec.yaml:odd"),
}


@pytest.mark.parametrize("name", COMPOSE)
def test_compose(name: str, golden: Callable[[str, str], None]) -> None:
    files, target = COMPOSE[name]
    write(**files)
    with pytest.raises(SpecError) as caught:
        resolve(target)
    golden(name, say(caught))


OVERRIDES = {
    "no_such_path": ["clip.frames.count=3"],
    "no_such_item": ["clip.size=[224, 224]", "clip.size.2=3"],
    "bad_override": ["clip.frames"],
    "override_without_value": ["clip.frames="],
    "override_bad_path": ["clip. frames=3", ".clip=3"],
    "override_bad_yaml": ["clip.frames=16", "clip.size=[224, 224"],
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_overrides(name: str, golden: Callable[[str, str], None]) -> None:
    write(spec=MODEL)
    with pytest.raises(SpecError) as caught:
        resolve("spec.yaml", OVERRIDES[name])
    golden(name, say(caught))


@pytest.mark.parametrize(
    ("text", "override", "key"),
    [
        (MODEL, "clip=null", "<--set>:1:1"),
        (MODEL, "clip.frames=null", "<--set>:1:6"),
        (MODEL, "clip={frames: null}", "<--set>:1:7"),
        ("stspec: 1\nextends: tam\nclip: null\n", "classes=3", "spec.yaml:3:1"),
    ],
)
def test_what_a_null_removes_is_missing_there(text: str, override: str, key: str) -> None:
    write(spec=text)
    with pytest.raises(SpecError) as caught:
        load("spec.yaml", [override, "policy=tsm"])
    (found,) = caught.value.diagnostics
    assert found.code == "missing-key"
    at = found.labels[0].span
    assert f"{at.file}:{at.line}:{at.column}" == key


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clip(Strict):
    frames: int = Field(ge=1, le=4096)
    size: int | tuple[int, int]
    channels: int = 3
    crop: bool = False


VALIDATE = {
    "unknown_key": "frames: 8\nsize: 224\nchanels: 3\n",
    "missing_key": "frames: 8\n",
    "mistyped_key": "frame: 8\nsize: 224\n",
    "wrong_type": "frames: 8 frames\nsize: {height: 224}\nchannels: '3'\ncrop: yes\n",
    "out_of_range": "frames: 0\nsize: 224\n",
    "bad_length": "frames: 8\nsize: [224, 224, 3]\n",
}


@pytest.mark.parametrize("name", VALIDATE)
def test_validate(name: str, golden: Callable[[str, str], None]) -> None:
    write(spec=VALIDATE[name])
    with pytest.raises(SpecError) as caught:
        validate(read_file("spec.yaml"), Clip, path=("clip",))
    golden(name, say(caught))
