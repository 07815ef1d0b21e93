"""ConvLSTM as one convolution per frame, of the input beside the state."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvLSTM(nn.Module):
    """What the faster module computes, product by product."""

    def __init__(
        self, in_channels: int, hidden: int, frames: int, kernel: int = 3, bias: bool = True
    ) -> None:
        super().__init__()
        self.frames = frames
        self.hidden = hidden
        self.padding = kernel // 2
        self.weight = nn.Parameter(torch.empty(4 * hidden, in_channels + hidden, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(4 * hidden)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, D, H, W)."""
        frames = torch.unflatten(x, 0, (-1, self.frames)).unbind(1)
        state = frames[0].new_zeros(len(frames[0]), self.hidden, *frames[0].shape[2:])
        cell = state
        states = []
        for frame in frames:
            both = torch.cat([frame, state], 1)
            gates = F.conv2d(both, self.weight, self.bias, padding=self.padding)
            i, f, o, g = gates.chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
            states.append(state)
        return torch.stack(states, 1).flatten(0, 1)
