"""Key schemes of the code bases of TEA, GST, CorrNet, TDN, bLVNet-TAM and two-stream networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.reference import load_oracle
from stspec.weights.arrays import Array, Shape
from stspec.weights.importer import import_state_dict
from stspec.weights.library import recognise

ORACLES = Path(__file__).parents[1] / "data" / "oracles"

KNOWN = {
    "tea_block_normal": "tea",
    "tea50_8f": "tea",
    "gst_resnet50_a4_b1": "gst",
    "corr_layer_k3d2g4": "corrnet",
    "corr_block_concat": "corrnet",
    "corrnet_101": "corrnet",
    "tdn_mse_module64": "tdn",
    "tdn_bottleneckshift": "tdn",
    "tdn_resnet50_s8": "tdn",
    "blvnet_tam_50_a2_b4_f4x2": "blvnet_tam",
    "ts_flow_resnet50": "two_stream",
    "ts_rgb_vgg16": "two_stream",
    "tsnpt_bninception_flow_s3": "tsn_pytorch",
}


def keys(oracle: str) -> dict[str, Shape]:
    return dict(load_oracle(ORACLES, oracle).state_dict)


def empty(shapes: dict[str, Shape]) -> dict[str, Array]:
    return {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}


@pytest.mark.parametrize("oracle", list(KNOWN))
def test_recognition(oracle: str) -> None:
    assert recognise(keys(oracle)) == KNOWN[oracle]
    assert recognise(f"module.{key}" for key in keys(oracle)) == KNOWN[oracle]


MODELS = {
    "tea50_8f": "tea_res2net50",
    "gst_resnet50_a4_b1": "gst_resnet50_large",
    "corrnet_101": "corrnet_101",
    "tdn_resnet50_s8": "tdn_resnet50",
    "blvnet_tam_50_a2_b4_f4x2": "blvnet_tam_r50_8x2",
    "ts_flow_resnet50": "two_stream_flow_resnet50",
    "ts_rgb_vgg16": "two_stream_rgb_vgg16",
}


@pytest.mark.parametrize("oracle", list(MODELS))
def test_all_is_loaded_without_a_word_on_the_code_base(oracle: str) -> None:
    frames = load_oracle(ORACLES, oracle).input[2]
    network = load(MODELS[oracle], [("classes", 11), ("clip.frames", frames)])
    imported = import_state_dict(empty(keys(oracle)), network.state)
    assert imported.report.complete, imported.report.table()


def moved(shapes: dict[str, Shape], stage: str, numbers: dict[int, int]) -> dict[str, Shape]:
    """Keys of a stage with other numbers of its blocks; blocks without one are left out."""
    found = {}
    for key, shape in shapes.items():
        head, _, rest = key.partition(".")
        number, _, tail = rest.partition(".")
        if head != stage:
            found[key] = shape
        elif int(number) in numbers:
            found[f"{stage}.{numbers[int(number)]}.{tail}"] = shape
    return found


def test_a_correlation_network_of_26_layers() -> None:
    shapes = keys("corrnet_50")
    last = {"res2": {0: 0, 1: 1, 3: 2}, "res3": {0: 0, 1: 1, 4: 2}, "res4": {0: 0, 1: 1, 6: 2}}
    for stage, numbers in (last | {"res5": {0: 0, 1: 1}}).items():
        shapes = moved(shapes, stage, numbers)
    network = load("corrnet_26", [("classes", 11), ("clip.frames", 8)])
    assert import_state_dict(empty(shapes), network.state).report.complete


def test_a_blend_of_five_frames() -> None:
    shapes: dict[str, Shape] = {}
    for key, shape in keys("blvnet_tam_50_a2_b4_f4x2").items():
        if ".tam.prev." in key:
            blends = key.replace("prev", "blending_layers.{}")
            shapes |= {blends.format(i): shape for i in range(5)}
        elif ".tam." not in key:
            shapes[key] = shape
    sets = [(f"policy.temporal.{rule}.kernel", 5) for rule in ("tam", "tam_residual")]
    network = load("blvnet_tam_r50_8x2", [("classes", 11), ("clip.frames", 8), *sets])
    assert import_state_dict(empty(shapes), network.state).report.complete


def test_a_res2net_of_more_scales() -> None:
    sets = [(f"backbone.layers.layer{i}.scale", 6) for i in range(1, 5)]
    network = load("tsn_res2net50", [("classes", 11), *sets])
    public = {}
    for key, shape in network.state.items():
        for ours, theirs in (("conv2_", "convs."), ("bn2_", "bns.")):
            key = key.replace(ours, theirs)
        public[key] = shape
    assert recognise(public) == "res2net"
    assert import_state_dict(empty(public), network.state).report.complete


def test_weights_of_other_clips_are_told() -> None:
    network = load("corrnet_50", [("classes", 11), ("clip.frames", 16)])
    with pytest.raises(SpecError, match="64x8x7x7 there and 64x16x7x7 here"):
        import_state_dict(empty(keys("corrnet_50")), network.state)
