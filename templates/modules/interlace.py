"""Temporal interlacing (Shao et al., "Temporal Interlacing Network", AAAI 2020). Inputs and outputs
are frames (N*T, C, H, W), frame-major, preferably in channels-last memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalInterlacing(nn.Module):
    """Moves groups of the first 1/fold_div of the channels in time, by a fraction of frames.

    Every clip has its own offsets, between -reach and reach frames, and scales for every frame.
    Each offset moves one group forth and another one back; they begin at half a frame.
    """

    def __init__(
        self, channels: int, frames: int, fold_div: int = 4, offsets: int = 2, reach: int = 2
    ) -> None:
        super().__init__()
        self.frames = frames
        self.moved = channels // fold_div
        self.reach = reach
        self.offset_conv = nn.Conv1d(self.moved, 1, kernel_size=3, padding=1)
        self.offset_fc1 = nn.Linear(frames, frames)
        self.offset_fc2 = nn.Linear(frames, offsets)
        self.scale_conv = nn.Conv1d(self.moved, offsets, kernel_size=3, padding=1)
        _, scale_bias = self.scale_conv.parameters()
        nn.init.zeros_(scale_bias)
        nn.init.constant_(self.offset_fc2.bias, (2 * reach + 1) / (2 * reach - 1))
        self.offset_fc2.bias.data.log_()  # whose sigmoid makes an offset of 1/2

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        first, rest = torch.split(clip, [self.moved, clip.shape[-1] - self.moved], -1)
        pooled = first.mean((2, 3)).transpose(1, 2)  # (N, moved, T)
        inner = F.relu(self.offset_fc1(self.offset_conv(pooled).squeeze(1)))
        offset = 2 * self.reach * (torch.sigmoid(self.offset_fc2(inner)) - 0.5)
        offset = torch.cat((offset, -offset), 1)  # (N, groups)
        scale = 2 * torch.sigmoid(self.scale_conv(pooled)).transpose(1, 2)  # (N, T, offsets)
        scale = torch.cat((scale, scale), 2)

        group = self.moved // offset.shape[1]
        offset = offset.repeat_interleave(group, 1)[:, None, None, None]  # (N, 1, 1, 1, moved)
        scale = scale.repeat_interleave(group, 2)[:, :, None, None]  # (N, T, 1, 1, moved)
        padded = F.pad(first, (0, 0, 0, 0, 0, 0, self.reach, self.reach))
        moved = torch.zeros_like(first)
        for i in range(2 * self.reach + 1):
            # Linear interpolation: a frame counts the less the farther it is, up to one frame.
            near = F.relu(1 - (offset + i - self.reach).abs())
            moved = moved + near * padded[:, i : i + self.frames]
        out = torch.cat((moved * scale, rest), -1)
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)
