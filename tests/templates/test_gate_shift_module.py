"""Gate-shift against loops over frames and channels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from templates.modules.gate_shift import GateShift
from tests.templates import checks


def made(channels: int, frames: int) -> GateShift:
    torch.manual_seed(3)
    module = GateShift(channels, frames).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    module.bn.running_mean.normal_()  # type: ignore[union-attr]
    module.bn.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return module


def naive(x: Tensor, module: GateShift, frames: int, *weights: Tensor) -> Tensor:
    weight, bias, scale, shift = weights
    out = []
    for clip in x.unflatten(0, (-1, frames)):
        one = (1, -1, 1, 1)
        seen = (clip - module.bn.running_mean.view(one)) / (  # type: ignore[union-attr]
            module.bn.running_var.view(one) + 1e-5  # type: ignore[union-attr]
        ).sqrt()
        seen = (seen * scale.view(one) + shift.view(one)).relu().transpose(0, 1)
        half = clip.shape[1] // 2
        gates = [
            F.conv3d(seen[None, part], weight[i : i + 1], bias[i : i + 1], padding=1)[0, 0].tanh()
            for i, part in enumerate((slice(0, half), slice(half, None)))
        ]
        for t in range(frames):
            channels = []
            for c in range(2 * half):
                group = c // half
                source = t + 1 if group == 0 else t - 1
                value = clip[t, c] * (1 - gates[group][t])
                if 0 <= source < frames:
                    value = value + clip[source, c] * gates[group][source]
                channels.append(value)
            mixed = []
            for group in range(2):
                for j in range(half // 2):
                    mixed += [channels[group * half + i * half // 2 + j] for i in range(2)]
            out.append(torch.stack(mixed))
    return torch.stack(out)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("channels", [4, 8, 20])
def test_equals_the_definition(frames: int, channels: int) -> None:
    module = made(channels, frames)
    x = checks.frames_like(2 * frames, channels, 3, 4)
    checks.assert_same_function(module, lambda x, *w: naive(x, module, frames, *w), [x])


def test_runs_everywhere() -> None:
    module, x = made(8, 3), checks.frames_like(6, 8, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.1)


def test_starts_as_a_permutation_of_channels() -> None:
    x = checks.frames_like(6, 8, 2, 2)
    out = GateShift(8, 3).double()(x)
    assert torch.equal(out, x[:, [0, 2, 1, 3, 4, 6, 5, 7]])
