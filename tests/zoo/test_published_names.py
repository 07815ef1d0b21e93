"""Each published configuration has a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from stspec.compose.locate import index, locate_model
from stspec.network import load

HEADS = [
    "mlp",
    "tsn",
    "trn",
    "rnn",
    "lstm",
    "gru",
    "blstm",
    "convlstm",
    "fcn2d",
    "fcn3d",
    "transformer",
    "forest",
]
DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def published() -> Iterator[str]:
    approaches = ("i3d", "s3d", "tsn", "tam", "tsm", "avg", "max")
    for approach, backbone, pooled in product(approaches, ("inceptionv1", *DEPTHS), ("", "_tp")):
        yield f"{approach}_{backbone}{pooled}"
    for backbone, pooled in product(DEPTHS, ("", "_tp")):
        yield f"nln_{backbone}{pooled}"
    for mode in ("gaussian", "dot_product", "concatenation"):
        yield f"nln_resnet50_{mode}"
    for depth, frames, nln in product(("50", "101"), ("4x16", "8x8", "16x8"), ("", "nln_")):
        yield f"slowfast_{nln}r{depth}_{frames}"
    for depth, frames in product(("50", "101"), ("4x16", "8x8")):
        yield f"slow_r{depth}_{frames}"
    yield from ("c2d_r50_8x8", "c2d_nopool_r50_8x8", "c2d_nln_r50_8x8", "c2d_r101_8x8")
    yield from ("i3d_r50_8x8", "i3d_nln_r50_8x8", "i3d_pointwise_r101_8x8")
    yield from ("slow_r50", "slowfast_r50", "c2d_r50", "csn_r50", "csn_r101", "r3d_r50")
    yield from (f"x3d_{size}" for size in ("xs", "s", "m", "l", "xl"))
    yield from (f"{kind}_csn_{depth}" for kind in ("ip", "ir") for depth in (50, 101, 152))
    yield from (f"corrnet_{depth}" for depth in (26, 50, 101))
    collapsed = ("r2d", "fr2d", "r3d", "r2plus1d", *(f"mc{x}" for x in range(2, 6)))
    for family, layers in product((*collapsed, *(f"rmc{x}" for x in range(2, 6))), (18, 34)):
        yield f"{family}_{layers}"
        yield f"{family}_{layers}_8f"
    yield from (f"{family}_{n}" for family in ("r3d", "r2plus1d") for n in (50, 101, 152))
    yield from ("r2plus1d_18_torchvision", "r2plus1d_34_torchvision", "r2plus1d_50_pytorchvideo")
    yield from ("c3d", "p3d_63", "p3d_131", "p3d_199", "i3d_original", "i3d_original_flow")
    yield from ("s3d_original", "s3d_torchvision", "timeception", "mstcn", "tin_resnet50")
    for kind, count in product(("lite", "full"), (4, 8, 12, 16, 20, 24, 32)):
        yield f"eco_{kind}_{count}f"
    yield from ("eco_lite", "eco_full", "gst_resnet50", "gsm_bninception", "gsm_inceptionv3")
    for stream, backbone in product(("rgb", "flow", "diff", "fused"), ("vgg16", *DEPTHS)):
        yield f"two_stream_{stream}_{backbone}"
    yield from ("two_stream_fused_diff_vgg16", "two_stream_fused_three_resnet50")
    for backbone, kind in product(("bninception", "inceptionv3", "resnet101"), ("flow", "diff")):
        yield f"tsn_{backbone}_{kind}"
    for name in ("r50_8x2", "r50_16x2", "r101_8x2", "r101_16x2", "r101_24x2", "r101_32x2"):
        yield f"blvnet_tam_{name}"
    for head, backbone in product(HEADS, ("bninception", "squeezenet", "squeezenet_bypass")):
        kinds = {"trn": ("", "_single"), "rnn": ("", "_relu")}.get(head, ("",))
        for kind, segments in product(kinds, ("", "_16")):
            yield f"{head}_{backbone}{kind}{segments}"
    yield from (f"resnet3d_{n}" for n in (10, 18, 34, 50, 101, 152, 200))
    yield from (f"resnet3d_preact_{n}" for n in (18, 34, 50, 101, 152, 200))
    yield from (f"resnet3d_{kind}_{n}" for kind in ("wide", "resnext") for n in (50, 101, 152, 200))
    yield from (f"resnet3d_densenet_{n}" for n in (121, 169, 201, 264))
    yield from (f"resnet3d_2plus1_{n}" for n in (18, 34, 50, 101, 152, 200))
    yield from ("tea_res2net50", "tdn_resnet50", "tdn_resnet50_s16", "tdn_resnet101")
    yield from ("tanet_resnet50", "action_resnet50", "action_bninception", "teinet_resnet50")
    yield from ("tpn_slow_r50", "tpn_slow_r101", "tpn_tsm_r50", "tsm_mobilenetv2")
    yield from (f"mff_bninception_{kind}" for kind in ("rgb", "1f1c", "2f1c", "3f1c", "3f1c_8"))


def test_each_published_configuration_has_a_name() -> None:
    known = index()
    missing = [name for name in published() if name not in known]
    assert not missing
    assert all(locate_model(name) == known[name] for name in published())


@pytest.mark.parametrize(
    ("name", "streams"),
    [("two_stream_fused_diff_resnet18", (3, 15)), ("two_stream_fused_three_resnet50", (3, 20, 15))],
)
def test_streams_see_colour_flow_and_differences(name: str, streams: tuple[int, ...]) -> None:
    network = load(name, ["clip.size=32"])
    stems = [s for key, s in network.state.items() if key.endswith("conv1.weight") and s[2] == 7]
    assert tuple(shape[1] for shape in stems) == streams
    assert network.facts.output.sizes == (101,)
