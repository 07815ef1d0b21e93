"""Checkpoints of ours, of code bases and of image networks, into built modules."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import stspec
from stspec.diagnostics import SpecError
from stspec.module import build_module, load_weights
from stspec.network import Network, load

SMALL = ["clip.size=32", "clip.frames=4", "classes=7"]


def network(name: str, *overrides: str) -> Network:
    return load(name, [*SMALL, *overrides])


def test_image_weights_fill_2d_parts_by_equality_and_3d_parts_by_inflation() -> None:
    image = build_module(network("tsn_resnet18", "classes=1000")).state_dict()
    video = network("i3d_resnet18")
    module = build_module(video)
    report = load_weights(video, module, image, image=True)
    state = module.state_dict()
    conv = image["layer1.0.conv1.weight"]
    for frame in range(3):
        assert torch.equal(state["layer1.0.conv1.weight"][:, :, frame], conv)
    assert torch.equal(state["layer1.0.bn1.running_var"], image["layer1.0.bn1.running_var"])
    assert {entry.key for entry in report.filled} == {"fc.weight", "fc.bias"}
    assert {entry.key for entry in report.left_out} == {"fc.weight", "fc.bias"}


def test_a_rule_says_how_its_weights_are_inflated() -> None:
    image = build_module(network("tsn_resnet18")).state_dict()
    video = network("i3d_resnet18", "policy.inflate=average", "policy.spatial.wide.inflate=center")
    module = build_module(video)
    load_weights(video, module, image, image=True)
    weight = module.state_dict()["layer2.1.conv2.weight"]
    assert torch.equal(weight[:, :, 1], image["layer2.1.conv2.weight"])
    assert not weight[:, :, 0].any() and not weight[:, :, 2].any()


def test_average_inflation_keeps_what_a_static_clip_gives() -> None:
    image = network("tsn_resnet18", "head.dropout=0")
    video = network("i3d_resnet18", "head.dropout=0", "policy.inflate=average", "clip.frames=7")
    frames, clips = build_module(image).eval().double(), build_module(video).eval().double()
    load_weights(video, clips, frames.state_dict(), image=True)
    frame = torch.randn(1, 3, 1, 32, 32, dtype=torch.float64)
    features: dict[str, torch.Tensor] = {}
    frames.get_submodule("conv1").register_forward_hook(
        lambda _m, _x, y: features.update(image=y[:1])
    )
    clips.get_submodule("conv1").register_forward_hook(
        lambda _m, _x, y: features.update(video=y[:, :, 3])
    )
    frames(frame.expand(-1, -1, 4, -1, -1))
    clips(frame.expand(-1, -1, 7, -1, -1))
    torch.testing.assert_close(features["video"], features["image"], rtol=1e-12, atol=1e-12)


def test_files_and_state_dicts_load_alike(tmp_path: Path) -> None:
    net = network("tam_resnet18")
    source, target = build_module(net), build_module(net)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "run.pth")
    report = load_weights(net, target, tmp_path / "run.pth")
    assert report.complete
    for key, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[key]), key


def test_bfloat16_weights_load() -> None:
    net = network("tsn_resnet18")
    source, target = build_module(net).bfloat16(), build_module(net)
    load_weights(net, target, source.state_dict())
    wanted = source.state_dict()["fc.weight"].float()
    assert torch.equal(wanted, target.state_dict()["fc.weight"])


def test_other_classes_are_a_diagnosis_and_can_be_replaced() -> None:
    net = network("tsn_resnet18")
    other = build_module(network("tsn_resnet18", "classes=9")).state_dict()
    module = build_module(net)
    with pytest.raises(SpecError, match="class"):
        load_weights(net, module, other)
    kept = module.state_dict()["fc.weight"].clone()
    report = load_weights(net, module, other, classes="replace")
    assert torch.equal(kept, module.state_dict()["fc.weight"])
    assert not report.complete


def test_flow_input_adapts_the_stem() -> None:
    image = build_module(network("tsn_resnet18")).state_dict()
    flow = network("tsn_resnet18", "clip.channels=10")
    module = build_module(flow)
    load_weights(flow, module, image, image=True)
    weight = module.state_dict()["conv1.weight"].numpy()
    mean = image["conv1.weight"].numpy().mean(1)
    assert weight.shape[1] == 10
    np.testing.assert_allclose(weight[:, 3], mean, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (None, "cannot be a Python value of type NoneType"),
        ({"epoch": 3, "state_dict": {}}, "`epoch` of the weights is of type int, not a tensor"),
        ({1: torch.zeros(1)}, "`1` of the weights is under a key of type int"),
    ],
)
def test_what_is_no_state_dict_is_told(source: Any, told: str) -> None:
    small = network("tsn_resnet18")
    with pytest.raises(SpecError, match=told) as caught:
        load_weights(small, torch.nn.Identity(), source)
    assert 'checkpoint["state_dict"]' in str(caught.value)


def test_another_networks_module_is_told() -> None:
    small = network("tsn_resnet18")
    state = build_module(small).state_dict()
    other = build_module(network("tsn_resnet18", "classes=9"))
    for module, told in ((torch.nn.Identity(), "has no such tensor"), (other, "(9, 512)")):
        with pytest.raises(SpecError, match=re.escape(told)):
            load_weights(small, module, state)


def test_a_name_is_no_compiled_network() -> None:
    module: Any = torch.nn.Identity()
    name: Any = "tsn_resnet18"
    with pytest.raises(TypeError, match="`network` is of type str: load\\(\\) compiles"):
        stspec.load_weights(name, module, {})
    with pytest.raises(TypeError, match="`donor` is of type str"):
        stspec.transplant_weights(network("tsn_resnet18"), module, name, {})
