"""Average over windows of a clip, the head of fully convolutional classification (Feichtenhofer
et al., "SlowFast Networks for Video Recognition", ICCV 2019). In and out are (N, C, T, H, W)."""

from torch import Tensor, nn


class WindowPool(nn.Module):
    """Average over every window of t frames, height h and width w: stride 1, no padding."""

    def __init__(self, window: tuple[int, int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T - t + 1, H - h + 1, W - w + 1)."""
        # A mean over views runs in every dtype; avg_pool3d knows no bfloat16 on CPU.
        for axis, size in enumerate(self.window, start=2):
            x = x.unfold(axis, size, 1)
        return x.mean((-3, -2, -1))
