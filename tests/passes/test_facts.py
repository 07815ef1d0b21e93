"""Keys, shapes, parameters and MACs are predicted without torch: here torch has its say."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torchinfo
from torch.utils.flop_counter import FlopCounterMode

from stspec.graph.model import leaves
from stspec.network import Network, load
from tests.networks import EVERY, FILES, meta_module, model, odd, on, run, shapes, small

aten = torch.ops.aten
CLASSES = {
    aten.convolution: "convolution",
    aten.mm: "linear",
    aten.addmm: "linear",
    aten.bmm: "matmul",
    aten.baddbmm: "matmul",
    aten._scaled_dot_product_attention_math: "matmul",
}


def counted(network: Network) -> Counter[str]:
    """Return the MACs of one clip as they run, by class."""
    module = meta_module(network, canonical=True)
    counter = FlopCounterMode(display=False)
    with counter:
        run(module, torch.empty((1, *network.facts.input.dims), device="meta"))
    total: Counter[str] = Counter()
    for operator, flops in counter.get_flop_counts()["Global"].items():
        total[CLASSES[operator]] += flops // 2
    return total


@pytest.mark.parametrize("name", EVERY)
def test_keys_shapes_and_parameters(name: str) -> None:
    network = small(name)
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    assert network.facts.params == torchinfo.summary(module, verbose=0).total_params


@pytest.mark.parametrize("name", FILES)
def test_macs(name: str) -> None:
    network = small(name)
    assert +network.facts.macs() == counted(network)


@pytest.mark.parametrize("name", FILES)
def test_every_module_gives_its_predicted_shape(name: str) -> None:
    """Modules of operators and blocks, at odd sizes; those of frames give (N*T, C, H, W)."""
    network = odd(name)
    module = meta_module(network)
    seen: dict[str, tuple[int, ...]] = {}
    for path, child in module.named_modules():
        child.register_forward_hook(
            lambda _m, _x, y, path=path: seen.__setitem__(
                path, tuple((y[0] if isinstance(y, tuple) else y).shape)
            )
        )
    clips = torch.empty((3, *network.facts.input.dims), device="meta")
    assert run(module, clips).shape == (3, *network.facts.output.dims)
    for path, _ in leaves(network.graph):
        if path not in seen:
            continue  # it runs as a function
        output = network.facts[path].output
        as_clips = (3, *output.sizes)
        if output.is_trunk:
            as_frames = (3 * as_clips[2], as_clips[1], *as_clips[3:])
        else:
            as_frames = (3 * (output.frames or 1), output.channels)
            as_clips = (3, *reversed(output.sizes))
        assert seen[path] in (as_clips, as_frames), path


def test_macs_are_by_class() -> None:
    network = load("nln_resnet50", ["clip.size=32", "clip.frames=4", "classes=5"])
    macs = network.facts.macs()
    assert set(macs) == {"convolution", "linear", "matmul"}
    assert macs["linear"] == 2048 * 5 * 4  # per frame


def test_macs_of_a_convolution_by_hand() -> None:
    network = load(
        model({"a": {"op": "conv3d", "width": 6, "kernel": 3, "kernel_t": 2, "stride": 2}})
    )
    # padding 1 in time makes 5 frames of 4, 16 x 16 positions each
    weights = 6 * 3 * 2 * 3 * 3
    assert network.facts["a"].macs == {"convolution": weights * 5 * 16 * 16}
    assert network.facts["a"].param_count == weights
    assert network.facts.macs()["linear"] == 6 * 5 * 5


def test_state_stands_in_order_and_names_buffers() -> None:
    network = load(on("resnet18", "tam"))
    keys = list(network.state)
    assert keys[:6] == [
        "conv1.weight",
        *(f"bn1.{n}" for n in ("weight", "bias", "running_mean", "running_var")),
        "bn1.num_batches_tracked",
    ]
    assert keys[-2:] == ["fc.weight", "fc.bias"]
    assert "layer1.0.tam.weight" in keys
    assert network.state["layer1.0.tam.weight"] == (64, 1, 3, 1, 1)
    assert network.state["bn1.num_batches_tracked"] == ()


def test_batch_counters_are_no_parameters() -> None:
    network = load(on("resnet18", {}))
    fact = network.facts["bn1"]
    assert fact.param_count == 2 * 64
    assert sum(p.role == "buffer" for p in fact.params) == 3


def test_facts_stand_in_the_order_of_execution() -> None:
    network = load(on("resnet18", {}))
    paths = [fact.path for fact in network.facts]
    assert paths[:4] == ["conv1", "bn1", "relu", "maxpool"]
    assert paths.index("layer1") < paths.index("layer1.0") < paths.index("layer1.0.conv1")
    assert network.facts["layer1"].output.sizes == network.facts["layer1.1"].output.sizes
