"""`stspec weights` on files of our own; nothing is downloaded from anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stspec.cli.main import main
from stspec.module import build_module
from stspec.network import load
from stspec.weights import catalogue
from stspec.weights.catalogue import EntryKeys, Weights
from stspec.weights.checkpoint import read_checkpoint

SPEC = """
stspec: 1
extends: families/%s
backbone: resnet18_quarter
clip: {size: 32}
classes: 5
weights: null
"""

Read = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Specs, and a checkpoint of IBM's code for one of them."""
    for name in ("tam", "tsn", "i3d"):
        (tmp_path / f"{name}.yaml").write_text(SPEC % name)
    torch.manual_seed(0)
    state = build_module(load(str(tmp_path / "tam.yaml"))).state_dict()
    theirs = {}
    for key, value in state.items():
        if key.endswith("tam.weight"):
            stem = key.removesuffix("weight")
            for n, part in enumerate(("prev_se", "curr_se", "next_se")):
                theirs[f"module.{stem}{part}.fc1.weight"] = value[:, :, n].clone()
        else:
            theirs[f"module.{key}"] = value
    torch.save({"state_dict": theirs, "epoch": 3}, tmp_path / "ibm.pth")
    return tmp_path


def run(*arguments: object) -> int:
    return main(["weights", *map(str, arguments)])


def test_list(capsys: Read) -> None:
    assert run("list", "slow_r50_8x8") == 0
    assert "slow_r50_8x8_k400" in capsys.readouterr().out
    assert run("list", "slow_r50_8x8_k400", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["importer"] for row in rows} == {"pytorchvideo", "pyslowfast"}
    assert run("list", "nothing_like_it") == 0
    assert "no weights are named" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("list", "x3d", "--to", "ibm"), "Invalid value for --to: `weights list` does not take it"),
        (("list", "x3d", "file.pth"), "`weights list` does not take it"),
        (("get", "x3d_s_k400", "--like", "a.pth"), "Invalid value for --like: `weights get`"),
        (("check", "tam", "a.pth", "-o", "b.pth"), "Invalid value for -o: `weights check`"),
        (("check", "tam", "a.pth", "--policy", "average"), "Invalid value for --policy"),
        (("convert", "tam", "a.pth", "--classes", "replace"), "Invalid value for --classes"),
        (("convert", "tam", "a.pth", "--like", "b.pth"), "it goes with --to"),
        (("convert", "tam", "a.pth", "--to", "ibm", "--image"), "--to writes whole models"),
        (("transplant", "tam", "a.pth", "--to", "ibm"), "`weights transplant` does not take it"),
    ],
)
def test_what_an_action_does_not_heed_is_refused(
    arguments: tuple[str, ...], told: str, capsys: Read
) -> None:
    assert run(*arguments) == 2
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_check_accounts_for_every_key(place: Path, capsys: Read) -> None:
    assert run("check", place / "tam.yaml", place / "ibm.pth") == 0
    told = capsys.readouterr().out
    assert told.startswith("from") and "ibm" in told and "stacked" in told
    assert run("check", place / "tsn.yaml", place / "ibm.pth", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert {e["action"] for e in report["entries"] if "tam" in e["key"]} == {"left_out"}


def test_averaged_weights_beside_the_others_are_told_and_chosen(place: Path, capsys: Read) -> None:
    found = torch.load(place / "ibm.pth")
    found["state_dict_ema"] = {key: value + 1 for key, value in found["state_dict"].items()}
    torch.save(found, place / "both.pth")
    arguments = (place / "tam.yaml", place / "both.pth")
    assert run("check", *arguments) == 0
    told = capsys.readouterr().out
    assert "state_dict; not read: state_dict_ema (--container)" in told
    assert run("check", *arguments, "--container", "state_dict_ema", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["container"] == "state_dict_ema"
    assert report["other_containers"] == ["state_dict"]
    output = place / "ema.safetensors"
    assert run("convert", *arguments, "--container", "state_dict_ema", "-o", output) == 0
    ours = read_checkpoint(output).state["fc.bias"]
    np.testing.assert_array_equal(ours, found["state_dict_ema"]["module.fc.bias"])
    capsys.readouterr()


def test_other_classes(place: Path, capsys: Read) -> None:
    arguments = ("check", place / "tam.yaml", place / "ibm.pth", "--set", "classes=7")
    assert run(*arguments) == 2
    assert "5 classes" in capsys.readouterr().err
    assert run(*arguments, "--classes", "replace") == 1
    assert "fc.weight" in capsys.readouterr().out


def test_convert_and_back_is_exact(place: Path, capsys: Read) -> None:
    ours, theirs = place / "ours.safetensors", place / "theirs.pth"
    assert run("convert", place / "tam.yaml", place / "ibm.pth", "-o", ours) == 0
    assert run("convert", place / "tam.yaml", ours, "--to", "ibm", "-o", theirs) == 0
    capsys.readouterr()
    before = torch.load(place / "ibm.pth", weights_only=True)["state_dict"]
    after = torch.load(theirs, weights_only=True)["state_dict"]
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_weights_of_our_own_are_told_by_the_rules_or_a_template(place: Path, capsys: Read) -> None:
    ours = place / "ours.pth"
    state = build_module(load(str(place / "tam.yaml"))).state_dict()
    torch.save(state, ours)
    written, like = place / "a.safetensors", place / "b.safetensors"
    assert run("convert", place / "tam.yaml", ours, "--to", "ibm", "-o", written) == 0
    arguments = ("convert", place / "tam.yaml", ours, "--to", "ibm")
    assert run(*arguments, "--like", place / "ibm.pth", "-o", like) == 0
    capsys.readouterr()
    a, b = read_checkpoint(written).state, read_checkpoint(like).state
    assert {f"module.{key}" for key in a} == set(b)
    assert all(np.array_equal(value, b[f"module.{key}"]) for key, value in a.items())
    assert a["layer1.0.tam.prev_se.fc1.weight"].shape[2:] == (1, 1)


@pytest.mark.parametrize(
    "to, told", [("piergiaj", "--like"), ("caffe2", "--to pyslowfast"), ("ibn", "did you mean")]
)
def test_a_code_base_without_such_a_model(place: Path, capsys: Read, to: str, told: str) -> None:
    ours = place / "ours.pth"
    torch.save(build_module(load(str(place / "tsn.yaml"))).state_dict(), ours)
    arguments = ("convert", place / "tsn.yaml", ours, "--to", to, "-o", place / "x.pth")
    assert run(*arguments) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (place / "x.pth").exists()


def test_what_weights_cannot_tell_is_refused_or_said(tmp_path: Path, capsys: Read) -> None:
    ours, theirs = tmp_path / "ours.pth", tmp_path / "theirs.pth"
    small = ("backbone=resnet18", "classes=5")
    torch.save(build_module(load("tsm", small)).state_dict(), ours)
    convert = ("convert", "tsm", ours, *(word for each in small for word in ("--set", each)))
    for to in ("pyslowfast", "tsn_pytorch", "gsm", "tanet"):
        assert run(*convert, "--to", to, "-o", theirs) == 2
        assert "it has no shift" in " ".join(capsys.readouterr().err.split())
        assert not theirs.exists()
    assert run(*convert, "--to", "mit_han_lab", "-o", theirs) == 0
    told = capsys.readouterr()
    assert told.err == (
        "no file of weights tells these, which the network there must have: 8 shift\n"
    )


def test_half_a_model_is_not_converted(place: Path, capsys: Read) -> None:
    state = torch.load(place / "ibm.pth", weights_only=True)["state_dict"]
    torch.save({k: v for k, v in state.items() if "layer4" not in k}, place / "half.pth")
    output = place / "x.safetensors"
    assert run("convert", place / "tam.yaml", place / "half.pth", "-o", output) == 2
    assert "incomplete-weights" in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["average", "center"])
def test_transplant(place: Path, capsys: Read, policy: str) -> None:
    source, output = place / "tsn.pth", place / "i3d.safetensors"
    state = build_module(load(str(place / "tsn.yaml"))).state_dict()
    torch.save(state, source)
    arguments = ("transplant", place / "i3d.yaml", source, "--policy", policy, "-o", output)
    assert run(*arguments) == 2
    assert "--from" in capsys.readouterr().err
    assert run(*arguments, "--from", place / "tsn.yaml") == 0
    assert f"inflated ({policy})" in capsys.readouterr().out
    found = read_checkpoint(output)
    network = load(str(place / "i3d.yaml"))
    assert {key: value.shape for key, value in found.state.items()} == network.state
    assert found.meta["spec"] == "i3d"
    np.testing.assert_allclose(
        found.state["layer1.0.conv1.weight"].sum(2), state["layer1.0.conv1.weight"], atol=1e-6
    )


def test_transplant_from_other_classes_and_frames(place: Path, capsys: Read) -> None:
    source, output = place / "tanet.pth", place / "longer.safetensors"
    small = ["clip.size=32", "classes=5"]
    donor = load("tanet_resnet18", [*small, "clip.frames=4"])
    torch.save(build_module(donor).state_dict(), source)
    here = ("transplant", "tanet_resnet18", source, "--set", "clip.size=32", "-o", output)
    assert run(*here, "--from", "tanet_resnet18") == 2
    assert "weight-shape" in capsys.readouterr().err
    longer = (*here, "--from", "tanet_resnet18", "--from-set", "clip.frames=4", "--json")
    assert run(*longer) == 0
    assert "fc.weight" not in read_checkpoint(output).state
    assert run(*longer, "--set", "classes=5") == 0
    assert {*read_checkpoint(output).state} == {*donor.state}
    capsys.readouterr()


def test_get(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Read) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    published = catalogue.find_weights("tam_resnet50_32f_k400").keys
    url = (place / "ibm.pth").as_uri()
    keys = EntryKeys.model_construct(**{**dict(published), "url": url, "page": None})
    entries = {"mine": Weights("mine", keys)}
    monkeypatch.setattr(catalogue, "_catalogue", lambda: entries)
    assert run("get", "mine") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.read_bytes() == (place / "ibm.pth").read_bytes()
    assert run("get", "mine", "-o", place / "copy.pth", "--json") == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(place / "copy.pth")
    assert run("check", place / "tam.yaml", "mine", "--set", "classes=5") == 0
    assert "from" in capsys.readouterr().out


def test_what_no_program_can_download(capsys: Read) -> None:
    assert run("get", "tam_resnet50_32f_k400") == 2
    assert "https://ibm.box.com" in capsys.readouterr().err
    assert run("get", "tam_resnet50_32f_k40") == 2
    assert "did you mean `tam_resnet50_32f_k400`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["get"], ["check", "tsn"], ["convert", "tsn", "x.pth"], ["transplant", "tsn"]]
)
def test_what_is_left_out_is_asked_for(arguments: list[str], capsys: Read) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().err
