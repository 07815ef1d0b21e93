"""Masks of dropout: by a clip's place in the whole batch, not by who computes it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stspec.train.dropout import keyed_dropout

CLIPS, FRAMES, WIDTH = 6, 4, 50


def layers(p: float = 0.5) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(p), nn.Identity(), nn.Dropout(p, inplace=True))


def ones(clips: int = CLIPS) -> torch.Tensor:
    return torch.ones(clips * FRAMES, WIDTH)


def dropped(step: int, first: int = 0, clips: int = CLIPS, seed: int = 0) -> torch.Tensor:
    module = layers()
    with keyed_dropout(module, seed).of(step, first, clips):
        return torch.as_tensor(module(ones(clips)))


@pytest.mark.parametrize("parts", [[6], [3, 3], [1, 2, 3]])
def test_parts_drop_what_the_whole_drops(parts: list[int]) -> None:
    torch.manual_seed(sum(parts) + len(parts))  # of no effect
    found, first = [], 0
    for clips in parts:
        found.append(dropped(7, first, clips))
        first += clips
    assert torch.equal(torch.cat(found), dropped(7))


def test_draws_differ_by_seed_step_layer_and_clip() -> None:
    base = dropped(1)
    assert not torch.equal(base, dropped(2)) and not torch.equal(base, dropped(1, seed=1))
    assert torch.equal(base, dropped(1))
    rows = base.view(CLIPS, -1)
    assert len({tuple(row.tolist()) for row in rows}) == CLIPS
    # Two layers of one half each leave a quarter; the same mask twice would leave a half.
    assert (dropped(1, clips=60) != 0).float().mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_shares_and_scale_are_dropouts(p: float) -> None:
    module = nn.Dropout(p)
    x = torch.ones(64, 1000, requires_grad=True)
    with keyed_dropout(module, 3).of(0, 0, 64):
        y = module(x)
    kept = y != 0
    assert torch.allclose(y[kept], torch.tensor(1 / (1 - p)))
    assert kept.float().mean() == pytest.approx(1 - p, abs=0.01)
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, y.detach())


def test_what_is_computed_again_drops_the_same() -> None:
    linear = nn.Linear(WIDTH, WIDTH)
    module = nn.Sequential(linear, nn.Dropout(0.5))
    masks = keyed_dropout(module, 0)
    grads = []
    for again in (False, True):
        module.zero_grad()
        with masks.of(5, 0, CLIPS):
            y = checkpoint(module, ones(), use_reentrant=False) if again else module(ones())
            y.square().sum().backward()
        assert linear.weight.grad is not None
        grads.append(linear.weight.grad)
    assert torch.equal(grads[0], grads[1])


def test_outside_of_a_step_torch_draws() -> None:
    module = layers(0.5)
    masks = keyed_dropout(module, 0)
    torch.manual_seed(0)
    first = module(ones())
    torch.manual_seed(0)
    assert torch.equal(first, layers(0.5)(ones()))
    with masks.of(0, 0, 7):  # 24 rows are not those of 7 clips
        torch.manual_seed(0)
        assert torch.equal(first, module(ones()))
    module.eval()
    with masks.of(0, 0, CLIPS):
        assert torch.equal(module(ones()), ones())


def test_half_precision_keeps_its_type() -> None:
    module = nn.Dropout(0.5)
    with keyed_dropout(module, 0).of(0, 0, CLIPS):
        assert module(ones().bfloat16()).dtype is torch.bfloat16
