"""Temporal shift (Lin et al., "TSM", ICCV 2019). Inputs and outputs are frames (N*T, C, H, W),
frame-major, preferably in channels-last memory."""

import torch
from torch import Tensor, nn


class TemporalShift(nn.Module):
    """Takes the first 1/fold_div of the channels from the next frame, the second from the last.

    The ends of the clip are filled with zeros; the remaining channels stay where they are.
    """

    def __init__(self, frames: int, fold_div: int = 8) -> None:
        super().__init__()
        self.frames = frames
        self.fold_div = fold_div

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        channels = clip.shape[-1]
        fold = channels // self.fold_div
        from_next, from_last, rest = torch.split(clip, [fold, fold, channels - 2 * fold], -1)
        outside = torch.zeros_like(from_next[:, :1])
        from_next = torch.cat((from_next[:, 1:], outside), 1)
        from_last = torch.cat((outside, from_last[:, :-1]), 1)
        out = torch.cat((from_next, from_last, rest), -1)
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)
