"""An operator from outside of the package: compiled, built, compared, and kept out of the way."""

from __future__ import annotations

from pathlib import Path

import torch

import stspec

SPEC = Path(__file__).resolve().parents[2] / "examples" / "own_op" / "tsn_difference.yaml"


def test_it_starts_as_the_network_without_it() -> None:
    plain, ours = stspec.build("tsn_resnet18").eval(), stspec.build(SPEC).eval()
    assert ours.load_state_dict(plain.state_dict(), strict=False).unexpected_keys == []
    clip = torch.randn(1, 3, 8, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(clip), plain(clip))


def test_it_learns_from_what_has_changed() -> None:
    model = stspec.build(SPEC, ["policy.temporal.change.share=0.5"]).eval()
    weight = model.get_parameter("layer1.0.change.weight")
    assert weight.shape == (64,) and (weight == 0.5).all()
    clip = torch.randn(1, 3, 8, 64, 64)
    model(clip).sum().backward()
    assert weight.grad is not None and weight.grad.abs().sum() > 0
    model.zero_grad()
    model(clip[:, :, :1].expand_as(clip)).sum().backward()
    assert weight.grad is not None and weight.grad.abs().sum() == 0


def test_the_diff_tells_it_in_words() -> None:
    found = stspec.diff("tsn_resnet18", SPEC)
    assert not found.empty
    assert found.summary == "16 edits of 1 kind"


def test_its_fingerprint_covers_its_files() -> None:
    assert stspec.load(SPEC).hashes.math != stspec.load("tsn_resnet18").hashes.math
