"""mmaction2's keys at options that no recorded network has."""

from __future__ import annotations

import pytest

from stspec.module.convert import model_of
from stspec.network import load
from stspec.weights.arrays import is_counter
from stspec.weights.importer import import_state_dict
from stspec.weights.invert import public_template
from stspec.weights.library import load_importer
from tests.weights.test_schemes import Shapes, empty, public

LEAVES = ("weight", "bias", "running_mean", "running_var")
PLACES = {"role": "block_output", "stages": [3, 4], "blocks": {"every": 2}}
NL = {"insert": "non_local", "at": PLACES}


def interaction_preserved() -> Shapes:
    """ResNet3dCSN of `bottleneck_mode="ip"`: a 1x1x1 unit in front of the depth-wise one."""
    found = {}
    for key, shape in public("mm_ircsn_r50").items():
        found[key.replace(".conv2.0.", ".conv2.1.")] = shape
        if ".conv2.0." in key:
            found[key] = (shape[0], shape[0], 1, 1, 1) if len(shape) == 5 else shape
    return found


def normed_laterals() -> Shapes:
    """ResNet3dSlowFast of `lateral_norm=True`: a norm in each of the laterals' ConvModules."""
    found = dict(public("mm_slowfast_r50_4x16"))
    for key, shape in public("mm_slowfast_r50_4x16").items():
        path, is_lateral, _ = key.partition("_lateral.conv.weight")
        found |= {f"{path}_lateral.bn.{leaf}": shape[:1] for leaf in LEAVES if is_lateral}
    return found


def compared_by_concatenation() -> Shapes:
    """NonLocal3d of `mode="concatenation"`: its last convolution is one of frames."""
    found = dict(public("mm_tsm_r50_nl_embedded_gaussian"))
    for key, shape in public("mm_tsm_r50_nl_embedded_gaussian").items():
        path, is_block, _ = key.partition("theta.conv.weight")
        if is_block:
            found[f"{path}concat_project.conv.weight"] = (1, 2 * shape[0], 1, 1)
    return found


def biased() -> Shapes:
    """X3DHead of `fc1_bias=True`."""
    return dict(public("mm_x3d_s")) | {"cls_head.fc1.bias": (2048,)}


@pytest.mark.parametrize(
    ("there", "spec", "said"),
    [
        (interaction_preserved(), "ip_csn:50", {}),
        (
            normed_laterals(),
            "slowfast:mmaction2_r50_4x16",
            {"laterals.fusion.through.conv.norm": True},
        ),
        (
            compared_by_concatenation(),
            "tsm_resnet50",
            {"policy.temporal.nl": {**NL, "mode": "concatenation"}},
        ),
        (biased(), "x3d:mmaction2_s", {"head.hidden_bias": True}),
    ],
    ids=["ip_csn", "lateral_norm", "concatenation", "fc1_bias"],
)
def test_all_keys_have_a_way_there_and_back(
    there: Shapes, spec: str, said: dict[str, object]
) -> None:
    network = load(spec, [("classes", 11), *said.items()])
    assert import_state_dict(empty(there), network.state, "mmaction2").report.complete
    back = public_template(model_of(network), load_importer("mmaction2"))
    found = {key: tuple(blank.shape) for key, blank in back.items() if not is_counter(key)}
    assert found == {key: tuple(shape) for key, shape in there.items() if not is_counter(key)}
