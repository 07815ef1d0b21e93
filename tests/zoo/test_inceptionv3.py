"""InceptionV3: kernels that are not square, ends side by side, and two public key schemes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stspec.diagnostics import SpecError
from stspec.network import load
from stspec.weights.gather import gather
from stspec.weights.library import load_importer, recognise
from tests.networks import clip, meta_module, model, on, run, seeded
from tests.weights.test_schemes import LEAVES, empty

LEAVES_OF_UNIT = ("conv.weight", *(f"bn.{leaf}" for leaf in LEAVES))


def test_costs_are_those_that_torchvision_prints() -> None:
    """23,834,568 parameters without the auxiliary head, 5.71 G at 299 x 299."""
    overrides = ["clip.frames=1", "classes=1000"]
    network = load("tsn_inceptionv3", overrides)
    assert network.facts.params == 23_834_568
    assert round(sum(network.facts.macs().values()) / 1e9, 2) == 5.71


TORCHVISION = {
    "5b 5c 5d": "branch1x1 branch5x5_1 branch5x5_2 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3 "
    "branch_pool",
    "6a": "branch3x3 branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3",
    "6b 6c 6d 6e": "branch1x1 branch7x7_1 branch7x7_2 branch7x7_3 branch7x7dbl_1 branch7x7dbl_2 "
    "branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5 branch_pool",
    "7a": "branch3x3_1 branch3x3_2 branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4",
    "7b 7c": "branch1x1 branch3x3_1 branch3x3_2a branch3x3_2b branch3x3dbl_1 branch3x3dbl_2 "
    "branch3x3dbl_3a branch3x3dbl_3b branch_pool",
}
STEM = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3"


def torchvision_keys() -> list[str]:
    units = STEM.split() + [
        f"Mixed_{module}.{unit}"
        for modules, names in TORCHVISION.items()
        for module in modules.split()
        for unit in names.split()
    ]
    keys = [f"{unit}.{leaf}" for unit in units for leaf in LEAVES_OF_UNIT]
    return [*keys, "fc.weight", "fc.bias", "AuxLogits.fc.weight"]


def test_torchvisions_names_are_all_known() -> None:
    keys = torchvision_keys()
    assert recognise(keys) == "torchvision"
    pieces, left = gather(empty(dict.fromkeys(keys, (1,))), [], load_importer("torchvision"))
    assert set(pieces) == set(load("tsn_inceptionv3").state)
    assert [entry.key for entry in left] == ["AuxLogits.fc.weight"]


# (height, width) of torchvision's kernels, where its names do not tell them.
ORIENTED = {
    "branch7x7_2": (1, 7),
    "branch7x7_3": (7, 1),
    "branch7x7dbl_2": (7, 1),
    "branch7x7dbl_3": (1, 7),
    "branch7x7dbl_4": (7, 1),
    "branch7x7dbl_5": (1, 7),
    "branch7x7x3_2": (1, 7),
    "branch7x7x3_3": (7, 1),
    "branch3x3_2a": (1, 3),
    "branch3x3_2b": (3, 1),
    "branch3x3dbl_3a": (1, 3),
    "branch3x3dbl_3b": (3, 1),
}


@pytest.mark.parametrize("unit", ORIENTED)
def test_kernels_lie_as_torchvisions_do(unit: str) -> None:
    importer, state = load_importer("torchvision"), load("tsn_inceptionv3").state
    found = [key for key in torchvision_keys() if f".{unit}.conv" in key]
    assert found
    for key in found:
        (route,) = importer.routes(key)
        assert state[route.key][2:] == ORIENTED[unit]


def test_the_kernels_of_tsns_model_zoo_are_transposed() -> None:
    ours, theirs = load("tsn_inceptionv3").state, load("tsn_inceptionv3_229").state
    assert [key for key in theirs if key not in ours] == [
        key.replace("conv.weight", "conv.bias") for key in ours if key.endswith("conv.weight")
    ]
    for key, shape in ours.items():
        assert theirs[key][2:] == shape[2:][::-1]


def unit(x: Tensor, weights: dict[str, Tensor], name: str, **conv: Any) -> Tensor:
    y = F.conv2d(x, weights[f"{name}.conv.weight"], **conv)
    leaves = ("running_mean", "running_var", "weight", "bias")
    mean, var, scale, shift = (weights[f"{name}.bn.{leaf}"] for leaf in leaves)
    return F.batch_norm(y, mean, var, scale, shift).relu()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padded", [True, False])
def test_a_module_of_every_setting(stride: int, padded: bool) -> None:
    block = {
        "block": "inception",
        "branch1": 4,
        "kernel1": 3,
        "branch2": [3, 5],
        "kernels2": [1, [7, 1]],
        "branch3": [2, 3, 4],
        "kernels3": [[1, 5], 3, 1],
        "ends": [[1, 3], [3, 1]],
        "branch4": 2,
        "stride": stride,
        "padded": padded,
    }
    if stride == 2 and padded:
        block |= {"ends": None, "kernels2": [1, 3], "kernels3": [[1, 5], 3, 3]}
    elif stride == 2:
        block |= {"kernels2": [1, [7, 1]], "ends": [3, [3, 3]]}
    # Where convolutions are padded and the pool rounds up, even sides alone agree.
    size = [16, 14] if padded else [15, 13]
    network = load(model({"m": block}, clip={"frames": 1, "size": size}, head="none"))
    module = seeded(network).double()
    w = {key.removeprefix("m."): value for key, value in module.state_dict().items()}
    x = clip(network, dtype=torch.float64)[:, :, 0]
    last = {"stride": stride}

    def pad(height: int, width: int) -> tuple[int, int]:
        none = stride > 1 and not padded
        return (0, 0) if none else (height // 2, width // 2)

    branch1 = unit(x, w, "branch1", padding=pad(3, 3), **last)
    second = unit(x, w, "branch2.0")
    third = unit(unit(x, w, "branch3.0", padding=(0, 2)), w, "branch3.1", padding=1)
    outs = [branch1]
    for name, number, y in (("branch2", 1, second), ("branch3", 2, third)):
        if block["ends"] is None:
            outs.append(unit(y, w, f"{name}.{number}", padding=pad(3, 3), **last))
        else:
            for letter in "ab":
                key = f"{name}.end_{letter}"
                sides = w[f"{key}.conv.weight"].shape[2:]
                outs.append(unit(y, w, key, padding=pad(*sides), **last))
    pooled = F.max_pool2d(x, 3, stride, padding=1 if stride == 1 else 0, ceil_mode=padded)
    outs.append(unit(pooled, w, "branch4.1"))
    out = run(module, x.unsqueeze(2))
    torch.testing.assert_close(out.flatten(1), torch.cat(outs, 1).flatten(1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kernels2": [1, 3, 3]}, "branch 2 has 2 widths, 3 kernels"),
        ({"kernels3": [1]}, "branch 3 has 3 widths, 1 kernels"),
    ],
)
def test_kernels_are_as_many_as_widths(change: dict[str, object], said: str) -> None:
    block = {"block": "inception", "branch2": [3, 5], "branch3": [2, 3, 4], **change}
    with pytest.raises(SpecError) as refused:
        load(model({"m": block}))
    assert said in str(refused.value)


@pytest.mark.parametrize("backbone", ["inceptionv3", "inceptionv3_tsn"])
@pytest.mark.parametrize(
    "policy", ["tsm", "tam", "action", "tin", "i3d", "s3d", "avg", "gsm_inceptionv3"]
)
def test_policies_apply(backbone: str, policy: str) -> None:
    network = load(on(backbone, policy, size=[91, 107], frames=3))
    assert run(meta_module(network), clip(network, device="meta")).shape == (2, 5)


def test_gate_shift_stands_where_its_paper_has_it() -> None:
    state = load("gsm_inceptionv3").state
    owners = {key.rpartition(".gate_shift")[0] for key in state if "gate_shift" in key}
    full = {f"inception{name}.branch1" for name in ("5b", "5c", "5d", "6b", "6c", "6e", "7b", "7c")}
    assert owners == full | {"inception6a.branch2.0", "inception7a.branch2.0"}


def tsn_keys(with_gates: bool) -> list[str]:
    """The flat names of TSN's model zoo, one module kind after the other."""
    plain = ["conv", "tower_conv", "tower_conv_1", "tower_1_conv", "tower_1_conv_1"]
    kinds: dict[str, list[str]] = {}
    for name in ("mixed", "mixed_1", "mixed_2"):
        kinds[name] = [*plain, "tower_1_conv_2", "tower_2_conv"]
    kinds["mixed_3"] = ["conv", "tower_conv", "tower_conv_1", "tower_conv_2"]
    for name in ("mixed_4", "mixed_5", "mixed_6", "mixed_7"):
        more = ["tower_conv_2", "tower_1_conv_2", "tower_1_conv_3", "tower_1_conv_4"]
        kinds[name] = [*plain, *more, "tower_2_conv"]
    kinds["mixed_8"] = [*plain[1:], "tower_1_conv_2", "tower_1_conv_3"]
    for name in ("mixed_9", "mixed_10"):
        pairs = [f"{t}_mixed_conv{n}" for t in ("tower", "tower_1") for n in ("", "_1")]
        kinds[name] = ["conv", "tower_conv", "tower_1_conv", "tower_1_conv_1", *pairs]
        kinds[name].append("tower_2_conv")
    units = ["conv", *(f"conv_{i}" for i in range(1, 5))]
    units += [f"{name}_{part}" for name, parts in kinds.items() for part in parts]
    keys = [f"{u}_Conv2D.{leaf}" for u in units for leaf in ("weight", "bias")]
    keys += [f"{u}_batchnorm.{leaf}" for u in units for leaf in LEAVES]
    if with_gates:
        gated = [f"{n}_conv" for n in kinds if n not in ("mixed_3", "mixed_6", "mixed_8")]
        for unit_name in (*gated, "mixed_3_tower_conv", "mixed_8_tower_conv"):
            stem = f"gsm_{unit_name}_Conv2D"
            keys += [f"{stem}.conv3D.weight", f"{stem}.conv3D.bias"]
            keys += [f"{stem}.bn.{leaf}" for leaf in LEAVES]
    return [*(f"base_model.{key}" for key in keys), "new_fc.weight", "new_fc.bias"]


@pytest.mark.parametrize(
    ("importer", "name"),
    [("tsn_pytorch", "tsn_inceptionv3_229"), ("gsm", "gsm_inceptionv3")],
)
def test_the_names_of_tsns_model_zoo_are_all_known(importer: str, name: str) -> None:
    keys = tsn_keys(with_gates=importer == "gsm")
    assert recognise(keys) == importer
    state = load(name).state
    pieces, left = gather(empty(dict.fromkeys(keys, (1,))), state, load_importer(importer))
    assert not left and set(pieces) == set(state)
