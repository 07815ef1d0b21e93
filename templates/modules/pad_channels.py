"""Channels of zeros (He et al., CVPR 2016, shortcut A)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PadChannels(nn.Module):
    """Puts channels of zeros behind those that arrive, up to a width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, width, ...)."""
        behind = self.width - x.shape[1]
        return F.pad(x, (*(0, 0) * (x.dim() - 2), 0, behind))
