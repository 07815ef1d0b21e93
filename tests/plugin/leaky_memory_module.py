"""The module template of the user's operator, as ordinary code."""

import torch
from torch import Tensor, nn

GAIN = 0.25


def decay_of(half_life: float) -> float:
    """Return what sigmoid turns into the share that one frame leaves of the past."""
    kept = torch.tensor(0.5) ** (1.0 / half_life)
    return float(torch.logit(kept))


class LeakyMemory(nn.Module):
    """x + gain * mixing(m), where m[t] = d * m[t - 1] + (1 - d) * x[t] and d = sigmoid(decay)."""

    def __init__(
        self,
        channels: int,
        frames: int,
        half_life: float = 2.0,
        start: str = "zero",
        mix: bool = False,
    ) -> None:
        super().__init__()
        self.frames, self.start = frames, start
        self.decay = nn.Parameter(torch.full((channels,), decay_of(half_life)))
        self.gain = nn.Parameter(torch.full((channels,), GAIN))
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(1))
        self.mixing = nn.Conv2d(channels, channels, 1, bias=False) if mix else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames))
        kept = self.decay.sigmoid()[:, None, None]
        memory = clip[:, 0] if self.start == "first" else torch.zeros_like(clip[:, 0])
        memories = []
        for frame in clip.unbind(1):
            memory = kept * memory + (1 - kept) * frame
            memories.append(memory)
        mixed: Tensor = self.mixing(torch.stack(memories, 1).flatten(0, 1))
        return x + self.gain[:, None, None] * mixed
