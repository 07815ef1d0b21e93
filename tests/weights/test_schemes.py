"""Every public key scheme, on the real keys that the oracles record: all of it must be mapped."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from stspec.reference import load_oracle, oracle_names
from stspec.weights.arrays import Array, Shape
from stspec.weights.gather import gather
from stspec.weights.importer import import_state_dict
from stspec.weights.library import importer_names, load_importer, recognise

ORACLES = Path(__file__).parents[1] / "data" / "oracles"
NAMES = oracle_names(ORACLES)
LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

Shapes = Mapping[str, Shape]


def empty(shapes: Shapes) -> dict[str, Array]:
    """Tensors that have their shapes and take no memory."""
    return {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}


def public(name: str) -> Shapes:
    return load_oracle(ORACLES, name).state_dict


def mapped(name: str, importer: str | None = None, expected: Collection[str] = ()) -> Shapes:
    """Our keys with the shapes that a public state dict gives them, nothing left out."""
    shapes = public(name)
    scheme = load_importer(importer or recognise(shapes))
    pieces, left_out = gather(empty(shapes), expected, scheme)
    assert not left_out
    return {key: piece.array.shape for key, piece in pieces.items()}


def elements(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def squeezed(shapes: Shapes) -> dict[str, Shape]:
    return {key: tuple(n for n in shape if n != 1) for key, shape in shapes.items()}


def named(*parts: str) -> list[str]:
    return [name for name in NAMES if all(part in name for part in parts)]


def torchvision_of(name: str) -> Shapes:
    if "inceptionv1" in name:
        return public("tv2d_googlenet")
    depth = 18 if "18" in name else 50
    return public(f"tv2d_resnet{depth}")


# --------------------------------------------------------------------------- IBM


@pytest.mark.parametrize("name", named("ibm_tsn_"))
def test_ibm_2d_networks_are_torchvisions(name: str) -> None:
    assert mapped(name, "ibm") == torchvision_of(name)


@pytest.mark.parametrize("name", named("ibm_i3d_"))
def test_ibm_i3d_adds_an_axis_to_convolutions(name: str) -> None:
    ours, flat = mapped(name, "ibm"), torchvision_of(name)
    assert set(ours) == set(flat)
    for key, shape in ours.items():
        without_time = (*shape[:2], *shape[3:]) if len(shape) == 5 else shape
        assert without_time == flat[key]


@pytest.mark.parametrize("name", named("ibm_s3d_"))
def test_ibm_s3d_adds_temporal_convolutions(name: str) -> None:
    ours, flat = mapped(name, "ibm"), torchvision_of(name)
    added = set(ours) - set(flat)
    assert set(flat) <= set(ours)
    assert added and all("_t." in key for key in added)
    for key in added:
        if key.endswith(".weight") and len(ours[key]) == 5:
            width = ours[key][0]
            spatial = ours[key.replace("_t.", ".")]
            assert spatial[0] == width and spatial[2] == 1
            assert ours[key] == (width, 1 if "dwt" in name else width, 3, 1, 1)


@pytest.mark.parametrize("name", named("ibm_tam_"))
def test_ibm_tam_becomes_one_kernel_per_module(name: str) -> None:
    ours, flat = mapped(name, "ibm"), torchvision_of(name)
    frames = int(name.partition("_b")[2][:1] or 3) if "_b" in name else 3
    added = set(ours) - set(flat)
    assert {key: shape for key, shape in ours.items() if key in flat} == flat
    assert elements(ours) == elements(public(name))
    if "resnet" in name:
        blocks = {key.rpartition(".conv1.")[0] for key in flat if ".conv1.weight" in key}
        assert added == {f"{block}.tam.weight" for block in blocks}
        for block in blocks:
            width = flat[f"{block}.conv1.weight"][1]
            assert ours[f"{block}.tam.weight"] == (width, 1, frames, 1, 1)
    else:
        tops = {key.partition(".")[0] for key in flat} - {"fc", "inception5b"}
        assert added >= {f"{top}.tam.weight" for top in tops}
        assert ours["conv1.tam.weight"] == (64, 1, frames, 1, 1)
        assert ours["inception3a.tam.weight"] == (256, 1, frames, 1, 1)


# ----------------------------------------------------- tsn-pytorch and its descendants


WRAPPED = [*named("tsm_resnet"), *named("tsm_tsn_resnet50"), "tsnpt_resnet50_rgb_s3"]
WRAPPED += [*named("mm_tsn_r"), *named("mm_tsm_r")]


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_resnets_are_torchvisions(name: str) -> None:
    flat = torchvision_of(name)
    ours = mapped(name, expected=flat)
    within = {key: shape for key, shape in ours.items() if ".nl." not in key}
    assert within == flat


def test_the_flow_network_differs_in_its_stem_alone() -> None:
    flat = torchvision_of("tsm_tsn_resnet18_flow")
    ours = mapped("tsm_tsn_resnet18_flow", expected=flat)
    assert {key for key in flat if ours[key] != flat[key]} == {"conv1.weight"}
    assert ours["conv1.weight"] == (64, 10, 7, 7)


def non_local(prefix: str, width: int, mode: str, out_bias: bool) -> dict[str, Shape]:
    """Our keys of a non-local block, axes of size 1 left out."""
    inner = width // 2
    shapes: dict[str, Shape] = {
        f"{prefix}g.weight": (inner, width),
        f"{prefix}g.bias": (inner,),
        f"{prefix}out.weight": (width, inner),
        **({f"{prefix}out.bias": (width,)} if out_bias else {}),
        **{f"{prefix}bn.{leaf}": (width,) for leaf in LEAVES[:4]},
        f"{prefix}bn.num_batches_tracked": (),
    }
    if mode != "gaussian":
        shapes |= {f"{prefix}{part}.weight": (inner, width) for part in ("theta", "phi")}
        shapes |= {f"{prefix}{part}.bias": (inner,) for part in ("theta", "phi")}
    if mode == "concatenation":
        shapes |= {f"{prefix}attention.weight": (2 * inner,)}
    return shapes


@pytest.mark.parametrize("name", ["tsm_tsn_resnet50_nl", *named("mm_tsm_r50_nl_")])
def test_non_local_blocks_of_networks(name: str) -> None:
    ours = squeezed(mapped(name, expected=torchvision_of(name)))
    mode = "gaussian" if name.endswith("nl_gaussian") else "embedded_gaussian"
    places = {"layer2.0": 512, "layer2.2": 512, "layer3.0": 1024, "layer3.2": 1024}
    places["layer3.4"] = 1024
    expected: dict[str, Shape] = {}
    for place, width in places.items():
        expected |= non_local(f"{place}.nl.", width, mode, out_bias=name.startswith("tsm"))
    assert {key: shape for key, shape in ours.items() if ".nl." in key} == expected


@pytest.mark.parametrize("name", named("mm_nonlocal3d_"))
def test_mmcvs_non_local_block_alone(name: str) -> None:
    mode = name.removeprefix("mm_nonlocal3d_").removesuffix("_sub")
    assert squeezed(mapped(name)) == non_local("nl.", 32, mode, out_bias=False)


def mobilenet_v2() -> Iterator[tuple[str, Shape]]:
    """torchvision's MobileNetV2 with 11 classes."""

    def norm(key: str, width: int) -> Iterator[tuple[str, Shape]]:
        for leaf in LEAVES:
            yield f"{key}.{leaf}", () if leaf == "num_batches_tracked" else (width,)

    def unit(key: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
        yield f"{key}.0.weight", shape
        yield from norm(f"{key}.1", shape[0])

    yield from unit("features.0", (32, 3, 3, 3))
    width, index = 32, 1
    for expand, out, repeat in [
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ]:
        for _ in range(repeat):
            key, inner, at = f"features.{index}.conv", width * expand, 0
            if expand > 1:
                yield from unit(f"{key}.0", (inner, width, 1, 1))
                at = 1
            yield from unit(f"{key}.{at}", (inner, 1, 3, 3))
            yield f"{key}.{at + 1}.weight", (out, inner, 1, 1)
            yield from norm(f"{key}.{at + 2}", out)
            width, index = out, index + 1
    yield from unit("features.18", (1280, 320, 1, 1))
    yield "classifier.1.weight", (11, 1280)
    yield "classifier.1.bias", (11,)


@pytest.mark.parametrize("name", ["tsm_mobilenetv2", "mm_tsm_mobilenetv2"])
def test_mobilenets_are_torchvisions(name: str) -> None:
    expected = dict(mobilenet_v2())
    assert mapped(name, expected=expected) == expected


@pytest.mark.parametrize("name", named("tsnpt_bninception"))
def test_bninception(name: str) -> None:
    ours = mapped(name)
    assert elements(ours) == elements(public(name))
    units = {key.rpartition(".conv.")[0] for key in ours if ".conv." in key}
    assert set(ours) == {"fc.weight", "fc.bias"} | {
        f"{unit}.{part}"
        for unit in units
        for part in ("conv.weight", "conv.bias", *(f"bn.{leaf}" for leaf in LEAVES))
        if f"{unit}.{part}" in ours or not part.endswith("tracked")
    }
    branches = ["branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch3.2"]
    full = ["branch1", *branches, "branch4.1"]
    expected = {"conv1", "conv2", "conv3"}
    for module in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        parts = branches if module in ("3c", "4e") else full
        expected |= {f"inception{module}.{part}" for part in parts}
    assert units == expected
    for unit in units:
        assert ours[f"{unit}.conv.bias"] == ours[f"{unit}.bn.weight"]
        assert ours[f"{unit}.conv.weight"][0] == ours[f"{unit}.bn.weight"][-1]
        if unit.startswith("inception") and unit.endswith(("1", "2")) and "branch1" not in unit:
            assert ours[f"{unit}.conv.weight"][2] == (1 if "branch4" in unit else 3)


def test_squeezenet() -> None:
    ours = {key.rpartition(".")[0] for key in mapped("tv2d_squeezenet1_1", expected=SQUEEZENET)}
    assert ours == SQUEEZENET_MODULES


SQUEEZENET_MODULES = {"conv1", "classifier"} | {
    f"fire{i}.{part}" for i in range(2, 10) for part in ("squeeze", "expand1x1", "expand3x3")
}
SQUEEZENET = {f"{module}.{leaf}" for module in SQUEEZENET_MODULES for leaf in ("weight", "bias")}


# ------------------------------------------------------------------------- all schemes

SCHEMED = [
    name
    for part in (
        *("ibm_", "tv2d_", "tsm_", "tsnpt_", "mm_tsn", "mm_tsm", "mm_nonlocal3d", "mm_tin"),
        *("mm_tanet", "tin_", "gsm_", "tam_", "action_", "tei_", "xt_tin", "xt_tsn"),
    )
    for name in NAMES
    if name.startswith(part) and public(name)
]


@pytest.mark.parametrize("name", SCHEMED)
def test_no_element_is_lost_and_the_scheme_is_recognised(name: str) -> None:
    shapes = public(name)
    ours = mapped(name)
    tied = load_oracle(ORACLES, name).details.get("tied_keys", ())
    twice = {key: shapes[key] for _, *others in tied for key in others}
    assert elements(ours) == elements(shapes) - elements(twice)
    # The model that these keys and shapes describe takes all of them.
    imported = import_state_dict(empty(shapes), ours)
    assert imported.report.complete, imported.report.table()
    assert list(imported.state) == list(ours)


@pytest.mark.parametrize("name", [name for name in SCHEMED if not name.startswith("mm_nonlocal")])
def test_wrappers_of_training_change_nothing(name: str) -> None:
    shapes = public(name)
    ours = mapped(name)
    wrapped = {f"module.{key}": shape for key, shape in shapes.items()}
    imported = import_state_dict(empty(wrapped), ours)
    assert imported.report.complete


@pytest.mark.parametrize(
    ("name", "importer"),
    [
        ("ibm_tam_resnet50_f8", "ibm"),
        ("ibm_tam_inceptionv1_f8", "ibm"),
        ("ibm_s3d_resnet18_f8", "ibm"),
        ("ibm_tsn_resnet50_f8", "torchvision"),
        ("tv2d_googlenet", "torchvision"),
        ("tv2d_squeezenet1_1", "torchvision"),
        ("tsnpt_resnet50_rgb_s3", "tsn_pytorch"),
        ("tsnpt_bninception_rgb_s3", "tsn_pytorch"),
        ("tsm_resnet50_blockres8", "mit_han_lab"),
        ("tsm_tsn_resnet50_nl", "mit_han_lab"),
        ("tsm_mobilenetv2", "mit_han_lab"),
        ("mm_tsn_r50", "mmaction2"),
        ("mm_nonlocal3d_gaussian", "mmaction2"),
        ("mm_tin_r50", "mmaction2"),
        ("mm_tanet_r50", "mmaction2"),
        ("tin_resnet50_div4", "tin"),
        ("tin_module64_div4", "tin"),
        ("tin_tsm_resnet50_twopath", "tin"),
        ("gsm_bninception", "gsm"),
        ("gsm_module64", "gsm"),
        ("tam_tanet50_s8", "tanet"),
        ("tam_module64", "tanet"),
        ("action_resnet50", "action"),
        ("action_bninception", "action"),
        ("action_module64", "action"),
        ("tei_module64_thirdparty", "teinet"),
    ],
)
def test_recognition(name: str, importer: str) -> None:
    assert recognise(public(name)) == importer


def test_every_importer_tells_what_it_is() -> None:
    known = {"ibm", "mit_han_lab", "mmaction2", "torchvision", "tsn_pytorch"}
    assert known <= set(importer_names())
    for name in importer_names():
        importer = load_importer(name)
        assert importer.about and importer.rules and importer.recognise
        assert importer.code_base.startswith("https://")
