"""Frames in another order: what TSN cannot see, and TAM can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stspec.api.videos import evaluate
from stspec.cli.main import main
from stspec.diagnostics import SpecError
from stspec.evaluate.frame_order import places, reordered
from stspec.evaluate.fuse import Scores
from stspec.evaluate.predictions import read_predictions
from stspec.module import build_module
from stspec.network import load
from stspec.study.frame_order import compare_orders
from stspec.weights.checkpoint import write_safetensors
from tests.inference.made import CLASSES, make_video

SPEC = """
stspec: 1
backbone: resnet18
clip: {{frames: 4, size: 32}}
policy: {policy}
classes: 3
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos, and a TSN and a TAM whose weights are drawn."""
    folder = tmp_path_factory.mktemp("orders")
    for policy in ("tsn", "tam"):
        spec = folder / f"{policy}.yaml"
        spec.write_text(SPEC.format(policy=policy))
        torch.manual_seed(3)
        module = build_module(load(str(spec)))
        for name, parameter in module.named_parameters():
            if "tam" in name or parameter.shape[0] == len(CLASSES):
                parameter.data.uniform_(-1, 1)
        weights = folder / f"{policy}.safetensors"
        write_safetensors(weights, module.state_dict(), {"classes": list(CLASSES)})
    for n in range(6):
        make_video(folder / "data" / "val" / CLASSES[n % 3] / f"{n}.mp4", 9 + n, size=(48, 32))
    return folder


def scores(place: Path, policy: str, order: Any) -> Scores:
    return evaluate(
        place / f"{policy}.yaml", place / "data", weights=place / f"{policy}.safetensors",
        workers=0, batch=4, frames_order=order,
    ).logits  # fmt: skip


def test_tsn_does_not_see_the_order_of_frames_and_tam_does(place: Path) -> None:
    orders = ("given", "reversed", "shuffled", "frozen")
    apart = {order: scores(place, "tsn", order) for order in orders}
    blended = {order: scores(place, "tam", order) for order in orders}
    for order in ("reversed", "shuffled"):
        # A mean of the same four numbers: equal but for the last digit of single precision.
        np.testing.assert_allclose(apart[order], apart["given"], rtol=1e-4, atol=1e-5)
        assert np.abs(blended[order] - blended["given"]).max() > 1e-2
    assert np.abs(apart["frozen"] - apart["given"]).max() > 1e-2


def test_the_test_says_so_with_its_figures(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = {
        policy: [
            "study", "order", str(place / f"{policy}.yaml"), "--weights",
            str(place / f"{policy}.safetensors"), "--data", str(place / "data"), "--workers", "0",
        ]
        for policy in ("tsn", "tam")
    }  # fmt: skip
    assert main([*command["tsn"], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["uses_order"] is False
    effects = {each["order"]: each for each in told["effects"]}
    assert list(effects) == ["reversed", "shuffled", "frozen"]
    assert effects["shuffled"]["difference"]["estimate"] == 0
    assert effects["shuffled"]["changed"] == 0
    assert effects["shuffled"]["adjusted"] == 1
    assert main(command["tam"]) == 0
    out = capsys.readouterr().out
    assert "6 videos" in out and "it is used" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_eval_keeps_the_predictions_of_each_order_apart(place: Path, tmp_path: Path) -> None:
    command = [
        "eval", str(place / "tam.yaml"), "--weights", str(place / "tam.safetensors"), "--data",
        str(place / "data"), "--workers", "0", "-o", str(tmp_path),
    ]  # fmt: skip
    assert main(command) == 0
    assert main([*command, "--frames-order", "reversed"]) == 0
    names = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert names == ["tam-val-1x1-uniform-reversed.npz", "tam-val-1x1-uniform.npz"]
    found = read_predictions(tmp_path / names[0])
    assert found.about["frames_order"] == "reversed"


def test_each_order_by_hand() -> None:
    assert places("given", 4) == [0, 1, 2, 3]
    assert places("reversed", 4) == [3, 2, 1, 0]
    assert places("frozen", 4) == [2, 2, 2, 2]
    shuffled = places("shuffled", 16, ("video", 0))
    assert sorted(shuffled) == list(range(16)) != shuffled
    assert shuffled == places("shuffled", 16, ("video", 0)) != places("shuffled", 16, ("video", 1))


def test_shuffling_follows_from_the_video_and_not_from_the_batch() -> None:
    clips = torch.arange(3 * 8).reshape(3, 1, 8, 1, 1)

    def batch(rows: list[int]) -> dict[str, torch.Tensor]:
        at = torch.tensor(rows)
        return {"clips": clips[at], "indices": at, "views": torch.zeros(len(rows), dtype=torch.int)}

    ids = ["a", "b", "c"]
    (whole,) = reordered([batch([0, 1, 2])], "shuffled", ids)
    parts = list(reordered([batch([2]), batch([1, 0])], "shuffled", ids))
    assert torch.equal(whole["clips"][2], parts[0]["clips"][0])
    assert torch.equal(whole["clips"][0], parts[1]["clips"][1])
    assert torch.equal(clips[0].flatten(), torch.arange(8)), "what is given stays as it is"


def test_an_unknown_order_is_told(place: Path) -> None:
    with pytest.raises(SpecError, match="reversed"):
        scores(place, "tsn", "reverse")


def test_videos_are_matched_by_name(place: Path) -> None:
    found = evaluate(
        place / "tam.yaml", place / "data", weights=place / "tam.safetensors", workers=0
    )
    test = compare_orders(found, {"same": found}, draws=100)
    assert test.effects[0].moved == 0
    assert test.effects[0].test.exact == 1
    assert not test.uses_order
