"""The adaptive temporal convolution against loops over clips, channels and frames."""

import pytest
import torch
from torch import Tensor

from templates.canonical.adaptive import AdaptiveTemporalConv as Canonical
from templates.modules.adaptive import AdaptiveTemporalConv
from tests.templates import checks

CHANNELS = 9
Kind = type[AdaptiveTemporalConv | Canonical]


def made(kind: Kind, frames: int, *options: int) -> AdaptiveTemporalConv | Canonical:
    torch.manual_seed(3)
    module = kind(CHANNELS, frames, *options).double().eval()
    for name, buffer in module.named_buffers():
        if name.endswith("mean"):
            buffer.normal_()
        elif name.endswith("var"):
            buffer.uniform_(0.5, 2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def norm(x: Tensor, bn: torch.nn.BatchNorm1d, scale: Tensor, shift: Tensor) -> Tensor:
    """Normalise the first axis."""
    assert bn.running_mean is not None and bn.running_var is not None
    rest = [1] * (x.dim() - 1)
    mean, var = bn.running_mean.view(-1, *rest), bn.running_var.view(-1, *rest)
    return (x - mean) / (var + 1e-5).sqrt() * scale.view(-1, *rest) + shift.view(-1, *rest)


def naive(x: Tensor, module: AdaptiveTemporalConv | Canonical, *weights: Tensor) -> Tensor:
    fc1, scale1, shift1, fc2, conv1, scale2, shift2, conv2 = weights
    frames, taps = fc1.shape[1], fc2.shape[0]
    out = []
    for clip in x.unflatten(0, (-1, frames)):
        pooled = clip.mean((2, 3))  # (T, C)
        kernels = [
            (fc2 @ norm(fc1 @ pooled[:, c], module.kernel_bn, scale1, shift1).relu()).softmax(0)
            for c in range(CHANNELS)
        ]
        gates = []
        for t in range(frames):
            inner = torch.zeros_like(conv1[:, 0, 0])
            for i in range(taps):
                if 0 <= t + i - taps // 2 < frames:
                    inner = inner + conv1[:, :, i] @ pooled[t + i - taps // 2]
            inner = norm(inner, module.gate_bn, scale2, shift2).relu()
            gates.append((conv2[:, :, 0] @ inner).sigmoid())
        for t in range(frames):
            frame = []
            for c in range(CHANNELS):
                total = torch.zeros_like(clip[0, 0])
                for i in range(taps):
                    source = t + i - taps // 2
                    if 0 <= source < frames:
                        total = total + kernels[c][i] * gates[source][c] * clip[source, c]
                frame.append(total)
            out.append(torch.stack(frame))
    return torch.stack(out)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("options", [(3, 2, 4), (1, 1, 1), (5, 3, 2)])
@pytest.mark.parametrize("kind", [AdaptiveTemporalConv, Canonical])
def test_equals_the_definition(kind: Kind, frames: int, options: tuple[int, ...]) -> None:
    module = made(kind, frames, *options)
    x = checks.frames_like(2 * frames, CHANNELS, 3, 4)
    checks.assert_same_function(module, lambda x, *w: naive(x, module, *w), [x])


def test_runs_everywhere() -> None:
    module, x = made(AdaptiveTemporalConv, 3), checks.frames_like(6, CHANNELS, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.1)
