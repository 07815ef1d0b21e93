"""Residual and dense blocks: each option against an independent formulation, and known sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stspec.module import build_module
from stspec.network import Network, load
from tests.zoo.sampling import clip_of

SIZES = {
    # Parameters that torchvision prints for 1000 classes.
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "wide_resnet50": 68_883_240,
    "wide_resnet101": 126_886_696,
    "resnext50": 25_028_904,
}


@pytest.mark.parametrize("backbone", SIZES)
def test_image_networks_have_their_published_sizes(backbone: str) -> None:
    network = load("tsn", [("backbone", backbone), ("classes", 1000)])
    assert network.facts.params == SIZES[backbone]


def block(kind: str, **fields: Any) -> tuple[Network, nn.Module]:
    """Return one block on clips of 3 frames of 6 channels, 7 x 9 pixels, in evaluation."""
    policy = {"spatial": {"clips": {"where": {"op": ["conv", "pool"]}, "to": "3d"}}}
    network = load(
        {
            "stspec": 1,
            "backbone": {"layers": {"body": {"block": kind, **fields}}},
            "clip": {"frames": 3, "size": [7, 9], "channels": 6},
            "policy": policy,
            "head": "none",
        }
    )
    module = build_module(network).double()
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            generator = torch.Generator().manual_seed(len(name))
            value.copy_(torch.rand(value.shape, generator=generator, dtype=torch.double) - 0.3)
        if name.endswith("running_var"):
            value.abs_().add_(0.5)
    return network, module.eval()


def check(network: Network, module: nn.Module, naive: Callable[[Tensor], Tensor]) -> None:
    """The module and the formulation give the same, and pass the same gradients back."""
    x = clip_of(network).double()
    grads = []
    outs = []
    for function in (module, naive):
        leaf = x.clone().requires_grad_()
        out = function(leaf)
        out.square().sum().backward()
        outs.append(out.detach())
        assert leaf.grad is not None
        grads.append(leaf.grad)
    torch.testing.assert_close(outs[0], outs[1])
    torch.testing.assert_close(grads[0], grads[1])


class Parts:
    """A block's layers by name, and what most formulations say of them."""

    def __init__(self, module: nn.Module) -> None:
        self.layers = dict(module.named_modules())

    def conv(self, name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        weight = self.layers[f"body.{name}"].weight
        assert isinstance(weight, Tensor)
        pad = (0, weight.shape[-1] // 2, weight.shape[-1] // 2)
        return F.conv3d(x, weight, None, (1, stride, stride), pad, 1, groups)

    def norm(self, name: str, x: Tensor) -> Tensor:
        bn = self.layers[f"body.{name}"]
        assert isinstance(bn, nn.BatchNorm3d)
        return F.batch_norm(
            x, bn.running_mean, bn.running_var, bn.weight, bn.bias, False, 0, bn.eps
        )


def subsampled(x: Tensor) -> Tensor:
    return x[:, :, :, ::2, ::2]


def test_zeros_stand_for_channels_that_are_missing() -> None:
    network, module = block("basic", width=10, stride=2, shortcut="zero_padded")
    p = Parts(module)

    def naive(x: Tensor) -> Tensor:
        y = F.relu(p.norm("bn1", p.conv("conv1", x, 2)))
        y = p.norm("bn2", p.conv("conv2", y))
        some = y[:, :6] + subsampled(x)
        return F.relu(torch.cat([some, y[:, 6:]], 1))

    check(network, module, naive)


@pytest.mark.parametrize("kernel", [2, 3])
def test_a_projection_behind_a_pool(kernel: int) -> None:
    fields = {"width": 4, "expansion": 2, "stride": 2, "stride_on": "conv1", "groups": 2}
    network, module = block(
        "bottleneck", shortcut="pooled_projection", shortcut_pool=kernel, **fields
    )
    p = Parts(module)

    def pooled(x: Tensor) -> Tensor:
        frames = x.transpose(1, 2).flatten(0, 1)
        if kernel == 3:
            out = F.avg_pool2d(frames, 3, 2, 1)
        else:
            # The last row and column are averaged over what there is of them.
            wide = F.pad(frames, (0, frames.shape[-1] % 2, 0, frames.shape[-2] % 2))
            there = F.pad(
                torch.ones_like(frames), (0, frames.shape[-1] % 2, 0, frames.shape[-2] % 2)
            )
            out = F.avg_pool2d(wide, 2) / F.avg_pool2d(there, 2)
        whole: Tensor = out.unflatten(0, (len(x), -1)).transpose(1, 2)
        return whole

    def naive(x: Tensor) -> Tensor:
        y = F.relu(p.norm("bn1", p.conv("conv1", x, 2)))
        y = F.relu(p.norm("bn2", p.conv("conv2", y, groups=2)))
        y = p.norm("bn3", p.conv("conv3", y))
        return F.relu(y + p.norm("downsample.2", p.conv("downsample.1", pooled(x))))

    check(network, module, naive)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("reads", ["input", "activated"])
def test_norms_in_front(reads: str, norm: bool) -> None:
    fields = {"width": 8, "stride": 2, "shortcut_reads": reads, "shortcut_norm": norm}
    network, module = block("preactivation_basic", **fields)
    p = Parts(module)

    def naive(x: Tensor) -> Tensor:
        active = F.relu(p.norm("bn1", x))
        y = p.conv("conv2", F.relu(p.norm("bn2", p.conv("conv1", active, 2))))
        short = p.conv("downsample.0", x if reads == "input" else active, 2)
        return y + (p.norm("downsample.1", short) if norm else short)

    check(network, module, naive)


def test_norms_in_front_of_an_identity() -> None:
    network, module = block("preactivation_bottleneck", width=3, expansion=2)
    p = Parts(module)

    def naive(x: Tensor) -> Tensor:
        y = x
        for n in (1, 2, 3):
            y = p.conv(f"conv{n}", F.relu(p.norm(f"bn{n}", y)))
        return y + x

    check(network, module, naive)


def test_a_dense_layer() -> None:
    network, module = block("dense_layer", growth=3, expansion=2)
    p = Parts(module)

    def naive(x: Tensor) -> Tensor:
        y = p.conv("conv1", F.relu(p.norm("norm1", x)))
        return torch.cat([x, p.conv("conv2", F.relu(p.norm("norm2", y)))], 1)

    check(network, module, naive)


def test_a_transition() -> None:
    network, module = block("transition")
    p = Parts(module)

    def naive(x: Tensor) -> Tensor:
        y = p.conv("conv", F.relu(p.norm("norm", x)))
        return F.avg_pool3d(y, (1, 2, 2))

    check(network, module, naive)


def test_channels_apart_from_positions() -> None:
    network, module = block("channel_separated", width=8, stride=2)
    p = Parts(module)

    def naive(x: Tensor) -> Tensor:
        return p.conv("depthwise", p.norm("bn", p.conv("pointwise", x)), 2, 8)

    check(network, module, naive)
