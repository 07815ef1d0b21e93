"""Options beside the published ones: figures recorded from the public code, with 11 classes."""

from __future__ import annotations

from typing import Any

import pytest

from stspec.network import load

PYSLOWFAST = "facebookresearch/SlowFast @287ec00 slowfast/models"
PYTORCHVIDEO = "facebookresearch/pytorchvideo @f3142bb"
TORCHVISION = "torchvision 0.29.2"

FACTOR_1 = {"backbone.depth": 1.0, "clip.frames": 5, "clip.size": 64}
NARROW = {"clip.frames": 1, "clip.size": [75, 93]}
STAGES = [f"layer{number}" for number in range(1, 5)]


@pytest.mark.parametrize(
    ("source", "option", "spec", "own", "params", "macs"),
    [
        (
            PYSLOWFAST,
            "X3D.WIDTH_FACTOR 2.3",
            "x3d_m",
            FACTOR_1
            | {"backbone.width": 2.3, "backbone.divisor": 1, "backbone.rounding": "nearest"},
            2_264_067,
            79_616_148,
        ),
        (
            PYSLOWFAST,
            "X3D, RESNET.STRIDE_1X1",
            "x3d_m",
            FACTOR_1 | {f"backbone.layers.{stage}.stride_on": "conv1" for stage in STAGES},
            1_856_111,
            49_192_288,
        ),
        (
            PYTORCHVIDEO,
            "stage_conv_b_dilation (1, 2, 2) of the last stage, without a stride",
            "slow_r50_8x8",
            {
                "clip.frames": 4,
                "clip.size": 64,
                "backbone.layers.layer4.stride": 1,
                "policy.spatial.dilated": {
                    "where": {"slot": "conv2", "stages": 5},
                    "to": "conv3d",
                    "dilation": 2,
                },
            },
            31_657_035,
            2_597_083_136,
        ),
        (TORCHVISION, "squeezenet1_0", "tsn_squeezenet1_0", NARROW, 741_067, 91_457_664),
        (TORCHVISION, "resnet50, width_per_group 48", "tsn_resnet50",
         NARROW | {f"backbone.layers.{stage}.base_width": 48 for stage in STAGES},
         16_235_659, 444_134_272),
        (TORCHVISION, "s3d", "s3d_torchvision", {"clip.frames": 20, "clip.size": [229, 243]},
         7_921_323, 25_667_982_848),
        (TORCHVISION, "mobilenet_v2, width_mult 0.35", "tsn_mobilenetv2",
         NARROW | {"backbone.width": 0.35}, 410_219, 9_134_064),
        (TORCHVISION, "mobilenet_v2, width_mult 0.75", "tsn_mobilenetv2",
         NARROW | {"backbone.width": 0.75}, 1_369_515, 32_570_368),
        (TORCHVISION, "mobilenet_v2, width_mult 1.4", "tsn_mobilenetv2",
         NARROW | {"backbone.width": 1.4}, 4_335_499, 92_087_408),
    ],
)  # fmt: skip
def test_params_and_macs(
    source: str, option: str, spec: str, own: dict[str, Any], params: int, macs: int
) -> None:
    network = load(spec, [("classes", 11), *own.items()])
    assert network.facts.params == params, (source, option)
    assert sum(network.facts.macs().values()) == macs, (source, option)


def test_windows_that_a_small_map_fills_are_of_two_frames() -> None:
    small = load("s3d_torchvision", ["clip.size=112"])
    assert str(small.facts["positions"].output) == "(N, 1024, 7)"  # of 8 frames
