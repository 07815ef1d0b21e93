"""Names that people write, and the models that they mean."""

from __future__ import annotations

import pytest

from stspec.compose import locate_model
from stspec.diagnostics import SpecError


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("tsm_r50", "tsm_resnet50"),
        ("tdn_r101", "tdn_resnet101"),
        ("slowfast_8x8_r50", "slowfast_r50_8x8"),
        ("slowfast_r101_nln_16x8", "slowfast_nln_r101_16x8"),
        ("i3d_r50_nln", "i3d_nln_r50_8x8"),
        ("i3d_flow", "i3d_original_flow"),
        ("tea_r50_16", "tea_res2net50_16"),
        ("squeezenet_lstm", "lstm_squeezenet"),
        ("dndf_squeezenet", "forest_squeezenet"),
        ("r(2+1)d_18", "r2plus1d_18"),
        ("hara_resnext101", "resnet3d_resnext_101"),
        ("3dresnet50", "resnet3d_50"),
        ("p3d199", "p3d_199"),
        ("csn_50", "csn_r50"),
        ("tam_resnt50", "tam_resnet50"),
        ("X3D-M", "x3d_m"),
        ("slowonly", "slow"),
        ("slowonly_r50", "slow_r50"),
        ("nl_r50", "nln_resnet50"),
        ("nonlocal_r50", "nln_resnet50"),
        ("non-local_resnet101", "nln_resnet101"),
        ("i3d_r50_nl", "i3d_nln_r50_8x8"),
        ("preact_resnet50", "resnet3d_preact_50"),
        ("densenet121_3d", "resnet3d_densenet_121"),
        ("resnext101_3d", "resnet3d_resnext_101"),
        ("densenet121", "resnet3d_densenet_121"),
        ("vgg16", "tsn_vgg16"),
    ],
)
def test_the_family_counts_before_the_letters(written: str, model: str) -> None:
    with pytest.raises(SpecError) as caught:
        locate_model(written)
    assert caught.value.diagnostics[0].help == f"did you mean `{model}`?"


@pytest.mark.parametrize("written", ["uniformer", "uniformer_50", "---"])
def test_a_stranger_is_shown_families(written: str) -> None:
    with pytest.raises(SpecError) as caught:
        locate_model(written)
    assert (caught.value.diagnostics[0].help or "").startswith("choose from `action`")
