"""Convolution of clips that is as fast for a single clip as for several.

In float32 on CPUs, PyTorch hands a dense conv3d to oneDNN if there are several clips. That of one
clip of C x T x H up to 20,480 it computes by itself: several times slower, and channels come first
in what it gives, whatever the memory format of the input.
"""

import torch
from torch import Tensor, nn


def is_single(clip: Tensor) -> bool:
    """Tell whether this is one clip, to be computed in float32 on a CPU that has oneDNN.

    Not while operators are traced or counted: who does so knows PyTorch's own convolution.
    """
    is_counted = torch._C._len_torch_dispatch_stack() > 0
    if isinstance(clip, torch.fx.Proxy) or torch._C._is_tracing() or is_counted:
        return False
    is_float = clip.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return clip.shape[0] == 1 and clip.is_cpu and is_float and torch._C._has_mkldnn


class Conv3d(nn.Conv3d):
    """nn.Conv3d that runs by oneDNN for a single small clip too; PyTorch's own choice is slower."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C', T', H', W')."""
        if torch.compiler.is_compiling() or not is_single(input):
            return super().forward(input)
        padding = [int(side) for side in self.padding]
        return torch.mkldnn_convolution(
            input, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
        )
