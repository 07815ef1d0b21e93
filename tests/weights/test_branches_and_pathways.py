"""Keys that several rules could have written: the way back is the public code's own."""

from __future__ import annotations

import numpy as np
import pytest

from stspec.module.convert import model_of
from stspec.network import load
from stspec.weights.arrays import Array
from stspec.weights.importer import import_state_dict
from stspec.weights.invert import public_template
from stspec.weights.library import load_importer, recognise

NON_LOCAL = {
    "insert": "non_local",
    "at": {"role": "block_output", "stages": 3, "blocks": 1},
    "out_bias": True,
}


def test_branches_of_inceptionv3_are_called_by_their_module() -> None:
    """As torchvision's InceptionB, C, D and E: a first 1x1 is of 5x5, 7x7 or 3x3 branches."""
    network = load("tsn_inceptionv3")
    found = public_template(model_of(network), load_importer("torchvision"))
    for unit in ("Mixed_5b.branch5x5_1", "Mixed_6b.branch7x7_1", "Mixed_7a.branch3x3_1"):
        assert f"{unit}.conv.weight" in found
    for unit in ("Mixed_6b.branch7x7dbl_1", "Mixed_7a.branch7x7x3_4", "Mixed_7b.branch3x3dbl_3a"):
        assert f"{unit}.conv.weight" in found
    assert "Mixed_6b.branch5x5_1.conv.weight" not in found


def test_non_local_blocks_of_a_fast_pathway() -> None:
    """PySlowFast numbers pathways: NONLOCAL.LOCATION names blocks of each."""
    network = load("slowfast_r50_8x8", [("pathways.fast.policy.temporal", {"nl": NON_LOCAL})])
    found = public_template(model_of(network), load_importer("pyslowfast"))
    assert found["s3.pathway1_nonlocal1.conv_theta.weight"].shape == (32, 64, 1, 1, 1)
    public: dict[str, Array] = {k: np.zeros(v.shape, "float32") for k, v in found.items()}
    assert import_state_dict(public, network.state).report.complete


@pytest.mark.parametrize("old", [False, True])
def test_densenet_of_torchvision(old: bool) -> None:
    """Its published files say norm.1 where its modules say norm1."""
    network = load("tsn_densenet161", ["backbone=densenet121"])
    found = public_template(model_of(network), load_importer("torchvision"))
    assert "features.conv0.weight" in found and "features.norm5.bias" in found
    assert "features.denseblock4.denselayer16.conv2.weight" in found
    public: dict[str, Array] = {k: np.zeros(v.shape, "float32") for k, v in found.items()}
    if old:
        pairs = [(f"{unit}{n}.", f"{unit}.{n}.") for unit in ("norm", "conv") for n in (1, 2)]
        for new, was in pairs:
            public = {k.replace(new, was) if "denselayer" in k else k: v for k, v in public.items()}
    assert import_state_dict(public, network.state).report.complete


def test_vgg_of_torchvision_is_recognised() -> None:
    network = load("tsn_vgg16")
    found = public_template(model_of(network), load_importer("torchvision"))
    assert recognise(found) == recognise(f"module.{key}" for key in found) == "torchvision"


@pytest.mark.parametrize("version", ["1_0", "1_1"])
def test_modules_of_both_squeezenets_are_found(version: str) -> None:
    """The third pooling stands behind another module; nothing else tells the two apart."""
    places = {"1_0": (3, 4, 5, 7, 8, 9, 10, 12), "1_1": (3, 4, 6, 7, 9, 10, 11, 12)}[version]
    network = load("tsn_squeezenet1_0" if version == "1_0" else "tsn_squeezenet")
    found = public_template(model_of(network), load_importer("torchvision"))
    parts = ("squeeze", "expand1x1", "expand3x3")
    modules = [f"features.{at}.{part}" for at in places for part in parts]
    modules = ["features.0", *modules, "classifier.1"]
    assert set(found) == {f"{at}.{leaf}" for at in modules for leaf in ("weight", "bias")}
    public: dict[str, Array] = {k: np.zeros(v.shape, "float32") for k, v in found.items()}
    assert import_state_dict(public, network.state).report.complete
