"""LSTM of maps (Shi et al., "Convolutional LSTM Network", NeurIPS 2015), without peepholes.

Frames are frame-major, preferably in channels-last memory: (N*T, C, H, W) -> (N*T, D, H, W).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvLSTM(nn.Module):
    """Gates are one convolution of input and state; the state begins with zeros.

    What the gates read of the input does not wait for the state: it is computed for all frames
    at once.
    """

    def __init__(
        self, in_channels: int, hidden: int, frames: int, kernel: int = 3, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.frames = frames
        self.padding = kernel // 2
        self.weight = nn.Parameter(torch.empty(4 * hidden, in_channels + hidden, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(4 * hidden)) if bias else None
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, D, H, W), the state at every frame."""
        of_input = self.weight[:, : self.in_channels]
        of_state = self.weight[:, self.in_channels :]
        gates = F.conv2d(x, of_input, self.bias, padding=self.padding)
        read = torch.unflatten(gates, 0, (-1, self.frames)).unbind(1)
        i, _, o, g = read[0].chunk(4, 1)
        cell = i.sigmoid() * g.tanh()
        state = o.sigmoid() * cell.tanh()
        states = [state]
        for frame in read[1:]:
            i, f, o, g = (frame + F.conv2d(state, of_state, padding=self.padding)).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
            states.append(state)
        return torch.stack(states, 1).flatten(0, 1)
