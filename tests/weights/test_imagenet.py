from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.reference import fill_state_dict, load_oracle
from stspec.weights.arrays import Shape
from stspec.weights.imagenet import fill_from_image

ORACLES = Path(__file__).parents[1] / "data" / "oracles"

IMAGE: dict[str, Shape] = {
    "conv1.weight": (4, 3, 7, 7),
    "bn1.weight": (4,),
    "layer1.0.conv1.weight": (4, 4, 1, 1),
    "layer1.0.conv2.weight": (4, 4, 3, 3),
    "fc.weight": (1000, 4),
    "fc.bias": (1000,),
}


def repeat(_key: str) -> str:
    return "repeat"


def video(**changed: Shape) -> dict[str, Shape]:
    """The shapes of a video model: the image network's with some changed, dots written `__`."""
    mine = {key.replace("__", "."): shape for key, shape in changed.items()}
    return IMAGE | {"fc.weight": (11, 4), "fc.bias": (11,)} | mine


def test_2d_by_equality_3d_by_inflation_and_the_classifier_left_out() -> None:
    public = fill_state_dict(IMAGE)
    expected = video(
        conv1__weight=(4, 3, 5, 7, 7),
        layer1__0__conv2__weight=(4, 4, 1, 3, 3),
        layer1__0__conv2_t__weight=(4, 4, 3, 1, 1),
    )
    imported = fill_from_image(public, expected, repeat)
    np.testing.assert_array_equal(imported.state["bn1.weight"], public["bn1.weight"])
    np.testing.assert_array_equal(
        imported.state["conv1.weight"], np.repeat(public["conv1.weight"][:, :, None], 5, axis=2)
    )
    assert imported.state["layer1.0.conv2.weight"].shape == (4, 4, 1, 3, 3)
    assert imported.report.summary() == (
        "2 loaded, 1 reshaped, 1 inflated (repeat), "
        "3 filled: fc.weight, fc.bias, layer1.0.conv2_t.weight, "
        "2 left out: fc.weight (1000 classes), fc.bias (1000 classes)"
    )


def test_every_rule_has_its_own_policy() -> None:
    policies = {"conv1.weight": "average", "layer1.0.conv2.weight": "scratch"}
    expected = video(conv1__weight=(4, 3, 3, 7, 7), layer1__0__conv2__weight=(4, 4, 3, 3, 3))
    imported = fill_from_image(fill_state_dict(IMAGE), expected, policies.__getitem__)
    assert "layer1.0.conv2.weight" not in imported.state
    (scratch,) = [e for e in imported.report.filled if e.key == "layer1.0.conv2.weight"]
    assert scratch.reason == "its rule starts it from scratch"
    (stem,) = [e for e in imported.report.loaded if e.key == "conv1.weight"]
    assert stem.how == ("inflated (average)",)


@pytest.mark.parametrize(("policy", "zero"), [("zero_init", True), ("center", False)])
def test_a_kernel_of_one_frame(policy: str, zero: bool) -> None:
    expected = video(layer1__0__conv2__weight=(4, 4, 1, 3, 3))
    imported = fill_from_image(fill_state_dict(IMAGE), expected, lambda _: policy)
    assert (not imported.state["layer1.0.conv2.weight"].any()) == zero


def test_a_stem_for_flow_is_adapted_and_inflated() -> None:
    public = fill_state_dict(IMAGE)
    imported = fill_from_image(public, video(conv1__weight=(4, 10, 3, 7, 7)), lambda _: "average")
    stem = imported.state["conv1.weight"]
    assert stem.shape == (4, 10, 3, 7, 7)
    np.testing.assert_allclose(stem[:, 7].sum(axis=1), public["conv1.weight"].mean(axis=1), 1e-5)
    (entry,) = [e for e in imported.report.loaded if e.key == "conv1.weight"]
    assert entry.how == ("adapted (3 to 10 channels)", "inflated (average)")
    assert entry.group == "inflated (average)"


def test_a_temporal_kernel_on_a_1x1_convolution() -> None:
    expected = video(layer1__0__conv1__weight=(4, 4, 3, 1, 1))
    imported = fill_from_image(fill_state_dict(IMAGE), expected, repeat)
    assert imported.state["layer1.0.conv1.weight"].shape == (4, 4, 3, 1, 1)


def test_i3d_of_the_study_starts_from_torchvision() -> None:
    image = load_oracle(ORACLES, "tv2d_resnet50").state_dict
    model = load_oracle(ORACLES, "ibm_i3d_resnet50_f8").state_dict
    imported = fill_from_image(fill_state_dict(image), model, repeat)
    assert imported.report.complete
    assert imported.report.summary() == "267 loaded, 36 reshaped, 17 inflated (repeat)"


def test_public_names_are_imported_first() -> None:
    image = load_oracle(ORACLES, "tv2d_squeezenet1_1").state_dict
    expected: dict[str, Shape] = {
        "conv1.weight": (64, 3, 3, 3),
        "fire2.squeeze.weight": (16, 64, 1, 1),
        "classifier.weight": (400, 512, 1, 1),
    }
    imported = fill_from_image(fill_state_dict(image), expected, repeat)
    assert list(imported.state) == ["conv1.weight", "fire2.squeeze.weight"]


def test_what_does_not_fit_is_answered() -> None:
    with pytest.raises(SpecError) as caught:
        fill_from_image(fill_state_dict(IMAGE), video(bn1__weight=(8,)), repeat)
    assert [found.code for found in caught.value.diagnostics] == ["weight-shape"]
    with pytest.raises(SpecError) as caught:
        fill_from_image(fill_state_dict(IMAGE), video(conv1__weight=(4, 3, 3, 7, 7)), lambda k: k)
    assert [found.code for found in caught.value.diagnostics] == ["unknown-policy"]
    with pytest.raises(SpecError) as caught:
        fill_from_image(fill_state_dict(IMAGE), {"stem.weight": (1,)}, repeat, "torchvision")
    assert [found.code for found in caught.value.diagnostics] == ["foreign-checkpoint"]
