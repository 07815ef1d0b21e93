"""Time pooled beside space: a pool of its own, or the stride of what pools space."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from stspec.diagnostics import Diagnostic, SpecError
from stspec.graph.model import walk
from stspec.network import Network
from tests.ir.graphs import CLIPS, assert_sound, frames_after, made_by, on, op, plain, reads

ROUND_DOWN = {
    "where": {"op": "max_pool3d"},
    **{"to": "max_pool3d", "kernel": 3, "padding": 1, "ceil_mode": False},
}
"""Poolings that cover their input as those that round up do; these would round up frames too."""

RESNET_STAGES = ("layer1", "layer2", "layer3", "layer4")


def pooled(backbone: Any, beside: Any, frames: int = 8, **keys: Any) -> Network:
    """Return a backbone whose only policy is to pool time."""
    return on(backbone, {"pooling": {"beside": beside, **keys}}, frames=frames)


def joint(backbone: Any, beside: Any, frames: int = 8, **keys: Any) -> Network:
    """Return a backbone of clips that pools time where it pools space."""
    pooling = {"beside": beside, "realise": "joint", **keys}
    return on(backbone, {"spatial": clips_of(backbone), "pooling": pooling}, frames=frames)


def clips_of(backbone: Any) -> dict[str, Any]:
    """Return the rules that make a backbone one of clips, its poolings fit to stride in time."""
    rounds_up = backbone in ("inceptionv1", "bninception", "squeezenet")
    return {"clips": CLIPS} | ({"pools": ROUND_DOWN} if rounds_up else {})


def refused(call: Any, *args: Any, **keys: Any) -> Diagnostic:
    """Return the only mistake that a call is refused for."""
    with pytest.raises(SpecError) as caught:
        call(*args, **keys)
    (found,) = caught.value.diagnostics
    return found


# A pool of its own.


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_a_pool_stands_in_front_of_a_strided_stage(backbone: str) -> None:
    network = pooled(backbone, [3, 4, 5])
    assert made_by(network, "pooling") == ["t_pool1", "t_pool2", "t_pool3"]
    for number, (before, after) in enumerate(pairwise(RESNET_STAGES), 1):
        assert reads(network, f"t_pool{number}") == (before,)
        assert reads(network, after) == (f"t_pool{number}",)


def test_a_pool_stands_behind_a_pooling_layer() -> None:
    network = pooled("inceptionv1", [2, 3, 5])
    for number, pool, after in (
        (1, "maxpool1", "conv2"),
        (2, "maxpool2", "inception3a"),
        (3, "maxpool4", "inception5a"),
    ):
        assert reads(network, f"t_pool{number}") == (pool,)
        assert reads(network, after) == (f"t_pool{number}",)


def test_a_pool_stands_behind_the_whole_unit_of_a_strided_convolution() -> None:
    network = pooled("resnet18", [1])
    assert reads(network, "t_pool1") == ("relu",)
    assert reads(network, "maxpool") == ("t_pool1",)


def test_a_pool_stands_within_a_sequence() -> None:
    network = pooled("mobilenetv2", [3])
    # The strided block of 32 channels is the fifth of the sequence.
    assert made_by(network, "pooling") == ["features.t_pool1"]
    assert reads(network, "features.t_pool1") == ("3",)
    assert reads(network, "features.4") == ("t_pool1",)


def test_a_strided_module_of_inception_reads_a_pool() -> None:
    network = pooled("bninception", [4, 5])
    assert reads(network, "t_pool1") == ("inception3b",)
    assert reads(network, "inception3c") == ("t_pool1",)
    assert reads(network, "t_pool2") == ("inception4d",)
    assert reads(network, "inception4e") == ("t_pool2",)


@pytest.mark.parametrize("backbone", ["resnet18", "inceptionv1", "mobilenetv2", "bninception"])
def test_a_pool_of_its_own_has_no_parameters(backbone: str) -> None:
    assert pooled(backbone, [3, 4, 5]).state == plain(backbone).state


def test_what_follows_a_pool_works_on_fewer_frames() -> None:
    before = plain("resnet18").facts.macs()["convolution"]
    last = sum(
        fact.macs["convolution"]
        for fact in plain("resnet18").facts.operators()
        if fact.path.startswith("layer4.") and fact.macs
    )
    after = pooled("resnet18", 5).facts.macs()["convolution"]
    assert before - after == last // 2


# Frames behind every level: a kernel of 3 with a frame of padding leaves every second one.


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [1, 1, 1, 1]),
        (2, [2, 1, 1, 1]),
        (5, [5, 3, 2, 1]),
        (8, [8, 4, 2, 1]),
        (9, [9, 5, 3, 2]),
        (32, [32, 16, 8, 4]),
    ],
)
@pytest.mark.parametrize("build", [pooled, joint])
def test_frames_of_resnets_stages(build: Any, frames: int, expected: list[int]) -> None:
    for backbone in ("resnet18", "resnet50"):
        network = build(backbone, [3, 4, 5], frames)
        assert frames_after(network, *RESNET_STAGES) == expected


@pytest.mark.parametrize("build", [pooled, joint])
def test_frames_of_all_five_levels(build: Any) -> None:
    network = build("resnet50", [1, 2, 3, 4, 5], 64)
    assert frames_after(network, "layer1", "layer2", "layer3", "layer4") == [16, 8, 4, 2]


@pytest.mark.parametrize("build", [pooled, joint])
def test_frames_of_other_backbones(build: Any) -> None:
    inception = build("inceptionv1", [3, 4, 5], 16)
    modules = ("conv3", "inception3a", "inception3b", "inception4e", "inception5b")
    assert frames_after(inception, *modules) == [16, 8, 8, 4, 2]
    mobile = build("mobilenetv2", [3, 4, 5], 16)
    blocks = [f"features.{i}" for i in (3, 4, 6, 7, 13, 14, 18)]
    assert frames_after(mobile, *blocks) == [16, 8, 8, 4, 4, 2, 2]
    fire = build("squeezenet", [2, 3, 4], 16)
    assert frames_after(fire, "fire2", "fire3", "fire4", "fire6", "fire9") == [8, 8, 4, 2, 2]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"kernel": 1, "stride": 2}, 4),
        ({"kernel": 2, "stride": 2}, 4),
        ({"kernel": 3, "stride": 1}, 8),
        ({"kernel": 3, "stride": 3}, 3),
        ({"kernel": 4, "stride": 4}, 2),
        ({"kernel": 5, "stride": 2}, 4),
    ],
)
def test_frames_behind_a_kernel_and_stride(keys: dict[str, int], expected: int) -> None:
    assert frames_after(pooled("resnet18", 3, **keys), "layer1", "layer2") == [8, expected]


@pytest.mark.parametrize(
    ("how", "kind"), [("max", "temporal_max_pool"), ("avg", "temporal_avg_pool")]
)
def test_operators_of_pools(how: str, kind: str) -> None:
    pool = op(pooled("resnet18", 3, op=how, kernel=5, stride=4), "t_pool1")
    assert (pool.kind, pool.kernel, pool.stride) == (kind, 5, 4)


def test_a_name_that_is_taken_is_left_alone() -> None:
    layers = {
        "t_pool1": {"op": "conv2d", "width": 4},
        "pool": {"op": "max_pool2d", "role": "spatial_pool_2"},
    }
    network = pooled({"layers": layers}, 2)
    assert_sound(network.graph)
    assert frames_after(network, "t_pool1", "pool") == [8, 8]
    (made,) = made_by(network, "pooling")
    assert frames_after(network, made) == [4]


# A stride in time of what strides in space.


def strided(network: Network) -> dict[str, int]:
    """Return the temporal strides above 1 by path."""
    found = {path: getattr(node.body, "stride_t", 1) for path, node in walk(network.graph)}
    return {path: stride for path, stride in found.items() if stride > 1}


@pytest.mark.parametrize(("backbone", "slot"), [("resnet18", "conv1"), ("resnet50", "conv2")])
def test_the_strided_convolution_and_its_shortcut_stride(backbone: str, slot: str) -> None:
    expected = {f"layer2.0.{slot}": 2, "layer2.0.downsample.0": 2}
    assert strided(joint(backbone, 3)) == expected


def test_all_branches_of_a_strided_module_stride() -> None:
    expected = {
        "inception3c.branch2.1.conv": 2,
        "inception3c.branch3.2.conv": 2,
        "inception3c.branch4": 2,
    }
    network = joint("bninception", 4)
    assert strided(network) == expected
    branches = [f"inception3c.{branch}" for branch in ("branch2", "branch3", "branch4")]
    assert frames_after(network, *branches, "inception3c") == [4, 4, 4, 4]


@pytest.mark.parametrize(("frames", "expected"), [(7, [7, 4, 2]), (3, [3, 2, 1])])
def test_branches_of_a_strided_module_agree_on_odd_frames(frames: int, expected: list[int]) -> None:
    network = joint("bninception", [4, 5], frames)
    assert frames_after(network, "inception3b", "inception3c", "inception4e") == expected


def test_the_depthwise_convolution_of_an_inverted_residual_strides() -> None:
    assert strided(joint("mobilenetv2", 3)) == {"features.4.conv.1.0": 2}


def test_a_pooling_layer_looks_along_time_as_it_strides() -> None:
    network = joint("inceptionv1", [3, 4])
    assert strided(network) == {"maxpool2": 2, "maxpool3": 2}
    pool = op(network, "maxpool2")
    assert (pool.kind, pool.kernel, pool.kernel_t, pool.padding_t) == ("max_pool3d", 3, 3, 1)
    assert op(network, "maxpool1").kernel_t == 1


def test_a_pooling_layer_that_looks_along_time_keeps_its_kernel() -> None:
    pool = {"where": {"op": "pool"}, "to": "max_pool3d", "kernel_t": 5, "padding_t": 2}
    pooling = {"beside": 2, "realise": "joint"}
    network = on("resnet18", {"spatial": {"clips": CLIPS, "p": pool}, "pooling": pooling})
    found = op(network, "maxpool")
    assert (found.kernel_t, found.padding_t, found.stride_t) == (5, 2, 2)


def test_a_pooling_layer_pads_as_a_pool_of_its_own_does() -> None:
    for kernel, frames in ((2, 4), (4, 4), (5, 4)):
        for build in (pooled, joint):
            network = build("resnet18", 2, kernel=kernel)
            assert frames_after(network, "layer1") == [frames]


def test_an_average_where_it_is_asked_for() -> None:
    network = joint("resnet18", 2, op="avg")
    pool = op(network, "maxpool")
    assert (pool.kind, pool.kernel, pool.kernel_t, pool.stride_t) == ("avg_pool3d", 3, 3, 2)


def test_a_factorised_convolution_strides_where_it_looks_along_time() -> None:
    factorise = {"where": {"slot": "conv1", "stages": 3}, "to": "conv2plus1d"}
    policy = {
        "spatial": {"clips": CLIPS, "two": factorise},
        "pooling": {"beside": 3, "realise": "joint"},
    }
    network = on("resnet18", policy)
    assert strided(network) == {"layer2.0.conv1_t": 2, "layer2.0.downsample.0": 2}
    assert op(network, "layer2.0.conv1").stride == 2
    assert op(network, "layer2.0.conv1_t").stride == 1


@pytest.mark.parametrize("backbone", ["resnet50", "inceptionv1", "bninception", "mobilenetv2"])
def test_a_stride_adds_nothing(backbone: str) -> None:
    apart = on(backbone, {"spatial": clips_of(backbone)})
    together = joint(backbone, [3, 4, 5])
    assert [path for path, _ in walk(together.graph)] == [path for path, _ in walk(apart.graph)]
    assert together.state == apart.state


def test_no_pooling_changes_nothing() -> None:
    assert on("resnet18", {"pooling": "none"}).graph == plain("resnet18").graph


# What cannot be.


def test_a_level_that_the_backbone_lacks() -> None:
    found = refused(pooled, "squeezenet", [4, 5])
    assert found.code == "bad-pooling"
    assert found.message == "the backbone has no spatial pooling 5"
    assert found.help is not None and "1, 2, 3, 4" in found.help


@pytest.mark.parametrize("backbone", ["resnet18", "inceptionv1", "mobilenetv2", "bninception"])
def test_frames_cannot_be_pooled_jointly(backbone: str) -> None:
    found = refused(pooled, backbone, 4, realise="joint")
    assert found.code == "bad-pooling"
    assert "cannot stride in time" in found.message
    assert found.help is not None and "separate" in found.help


def test_every_strided_convolution_must_look_at_clips() -> None:
    some = {"where": {"slot": "conv1"}, "to": "3d"}
    pooling = {"beside": 3, "realise": "joint"}
    found = refused(on, "resnet18", {"spatial": {"some": some}, "pooling": pooling})
    assert found.code == "bad-pooling"
    assert found.message.startswith("layer2.0.downsample.0 ")


def test_nothing_strides_at_the_level() -> None:
    layers = {
        "conv1": {"op": "conv2d", "width": 4, "kernel": 3},
        "layer1": {"block": "basic", "width": 4, "role": "spatial_pool_3"},
    }
    found = refused(joint, {"layers": layers}, 3)
    assert (found.code, found.message) == ("bad-pooling", "nothing strides in `layer1`")


@pytest.mark.parametrize("how", ["max", "avg"])
@pytest.mark.parametrize("backbone", ["inceptionv1", "bninception", "squeezenet"])
def test_poolings_that_round_up_cannot_stride_in_time(backbone: str, how: str) -> None:
    pooling = {"beside": 3, "realise": "joint", "op": how}
    found = refused(on, backbone, {"spatial": {"clips": CLIPS}, "pooling": pooling})
    assert found.code == "bad-pooling"
    assert "maxpool2" in found.message
    assert found.help is not None and "ceil_mode" in found.help


def test_a_kernel_that_nothing_takes() -> None:
    for backbone in ("resnet18", "mobilenetv2"):
        found = refused(joint, backbone, [3, 4], kernel=5)
        assert found.code == "bad-pooling"
        assert found.message.startswith("a kernel has no effect here")
        assert found.help is not None and "separate" in found.help
    assert op(joint("resnet18", [2, 3], kernel=5), "maxpool").kernel_t == 5
    assert joint("resnet18", [3, 4], kernel=3).graph == joint("resnet18", [3, 4]).graph


def test_a_kernel_longer_than_the_clip() -> None:
    # Four frames with one of padding on each side.
    assert frames_after(pooled("resnet18", 3, 2, kernel=4), "layer2") == [1]
    found = refused(pooled, "resnet18", 3, 1, kernel=4)
    assert found.code == "impossible-shape"
    assert "t_pool1" in found.message
