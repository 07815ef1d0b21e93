"""Temporal Aggregation Module (Fan et al., "More Is Less", NeurIPS 2019): every frame becomes a
learned blend of its neighbours; and the plain convolution over frames. Inputs and outputs are
frames (N*T, C, H, W), frame-major; in channels-last memory their views as clips (N, C, T, H, W),
and back, are free."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def depthwise(clip: Tensor, weight: Tensor) -> Tensor:
    """(N, C, T, H, W) by weight (C, 1, b, 1, 1), b odd -> the same; zeros outside the clip."""
    channels, _, taps, _, _ = weight.shape
    return F.conv3d(clip, weight, padding=(taps // 2, 0, 0), groups=channels)


def dot_products(a: Tensor, b: Tensor) -> Tensor:
    """(N, C, T, H, W) twice -> (C,): the products of both, summed for each channel.

    On CPUs clip by clip, in one pass over memory: to a batch norm of mean 0 and variance 1 they are
    the gradient of its scale.
    """
    dtype = torch.promote_types(a.dtype, torch.float32)
    if not a.is_cpu or not a.numel() or torch.compiler.is_compiling():
        return (a * b).sum((0, 2, 3, 4), dtype=dtype)
    total = a.new_zeros(a.shape[1], dtype=dtype)
    mean, var = torch.zeros_like(total), torch.ones_like(total)
    for pair in zip(a.split(1), b.split(1), strict=True):
        # Of two memory formats, PyTorch would take one for the other.
        first, second = [x.contiguous(memory_format=torch.channels_last_3d) for x in pair]
        _, found, _ = torch.ops.aten.native_batch_norm_backward(
            first, second, var, mean, var, None, None, False, 0.0, [False, True, False]
        )
        total = total + found
    return total


class DepthwiseTemporalConv(torch.autograd.Function):
    """Depth-wise convolution over an odd number of frames, with gradients as cheap as itself.

    x (N, C, T, H, W), weight (C, 1, b, 1, 1), zeros outside the clip. The gradient of x is the same
    convolution with the taps reversed, that of weight one dot product of frames per channel and
    tap; the backward of conv3d is many times slower on CPUs.
    """

    @staticmethod
    def forward(ctx: torch.autograd.Function, x: Tensor, weight: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T, H, W)."""
        ctx.save_for_backward(x, weight)
        return depthwise(x, weight)

    @staticmethod
    def backward(ctx: torch.autograd.Function, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of x and weight, differentiable themselves."""
        x, weight = list(ctx.saved_tensors)
        grad_x = depthwise(grad, weight.to(grad.dtype).flip(2))
        frames, taps, dots = x.shape[2], weight.shape[2], []
        for shift in range(-(taps // 2), taps // 2 + 1):  # each frame meets the one so many on
            start = min(frames, max(0, -shift))
            stop = max(start, frames - max(0, shift))
            met = x[:, :, start + shift : stop + shift]
            dots.append(dot_products(grad[:, :, start:stop], met.to(grad.dtype)))
        return grad_x, torch.stack(dots, 1).view_as(weight).to(weight.dtype)


class Maximum(torch.autograd.Function):
    """Elementwise maximum whose gradient goes to the greater operand, to the first on ties.

    It keeps one byte per element; torch.maximum keeps both operands and divides the gradient of
    ties by masked fills, which are slow on CPUs.
    """

    @staticmethod
    def forward(ctx: torch.autograd.Function, first: Tensor, second: Tensor) -> Tensor:
        """Return the maximum of two tensors of one shape."""
        ctx.save_for_backward(second > first)
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx: torch.autograd.Function, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of both operands."""
        (second_wins,) = ctx.saved_tensors
        grad_second = grad * second_wins
        return grad - grad_second, grad_second


def is_traced() -> bool:
    """Tell whether torch.jit.trace records what runs, which cannot save an autograd.Function."""
    return not torch.compiler.is_compiling() and torch._C._is_tracing()


def blend(clip: Tensor, weight: Tensor) -> Tensor:
    """(N, C, T, H, W) -> the same: each channel convolved over frames by its taps of weight."""
    if is_traced():
        return depthwise(clip, weight)
    out: Tensor = DepthwiseTemporalConv.apply(clip, weight)
    return out


def maximum(first: Tensor, second: Tensor) -> Tensor:
    """Return the elementwise maximum of two tensors of one shape."""
    if is_traced():
        return torch.maximum(first, second)
    out: Tensor = Maximum.apply(first, second)
    return out


class TemporalAggregation(nn.Module):
    """Depth-wise blend of an odd number of frames: relu(sum_i w_i * x[t + i - kernel // 2])."""

    def __init__(self, channels: int, frames: int, kernel: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        out = F.relu(blend(clip, self.weight), inplace=True)
        return out.transpose(1, 2).flatten(0, 1)


class EvenTemporalAggregation(nn.Module):
    """Depth-wise blend of an even number of frames, from t - kernel // 2 to t + kernel // 2 - 1."""

    def __init__(self, channels: int, frames: int, kernel: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        weight = F.pad(self.weight, (0, 0, 0, 0, 0, 1))  # a last tap of zero makes it odd
        out = F.relu(blend(clip, weight), inplace=True)
        return out.transpose(1, 2).flatten(0, 1)


class DenseTemporalAggregation(nn.Module):
    """Blend of an odd number of frames across all channels."""

    def __init__(self, channels: int, frames: int, kernel: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        blended = F.conv3d(clip, self.weight, padding=(self.weight.shape[2] // 2, 0, 0))
        out = F.relu(blended, inplace=True)
        return out.transpose(1, 2).flatten(0, 1)


class EvenDenseTemporalAggregation(nn.Module):
    """Blend of an even number of frames, from t - kernel // 2 on, across all channels."""

    def __init__(self, channels: int, frames: int, kernel: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        half = self.weight.shape[2] // 2
        padded = F.pad(clip, (0, 0, 0, 0, half, half - 1))
        out = F.relu(F.conv3d(padded, self.weight), inplace=True)
        return out.transpose(1, 2).flatten(0, 1)


class MaxTemporalAggregation(nn.Module):
    """Depth-wise maximum over weighted frames: relu(max_i w_i * x[t + i - kernel // 2])."""

    def __init__(self, channels: int, frames: int, kernel: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        taps = self.weight.to(x.dtype).flatten(1).unbind(1)  # each (C,)
        frames = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2).unbind(1)
        outs = []
        for t, frame in enumerate(frames):  # frame by frame: products stay in cache
            out = torch.zeros_like(frame)  # the maximum with zero is the ReLU
            for i, tap in enumerate(taps):
                source = t + i - len(taps) // 2
                if 0 <= source < self.frames:
                    out = maximum(out, frames[source] * tap)
            outs.append(out)
        return torch.stack(outs, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)


class DenseMaxTemporalAggregation(nn.Module):
    """Maximum over frames, each blended across all channels by its tap."""

    def __init__(self, channels: int, frames: int, kernel: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        taps = self.weight.unbind(2)  # each (C, C, 1, 1)
        blends = F.conv2d(x, torch.cat(taps))  # (N*T, b*C, H, W)
        clip = torch.unflatten(blends, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        frames = [frame.chunk(len(taps), -1) for frame in clip.unbind(1)]
        outs = []
        for t, frame in enumerate(frames):
            out = torch.zeros_like(frame[0])  # the maximum with zero is the ReLU
            for i in range(len(taps)):
                source = t + i - len(taps) // 2
                if 0 <= source < self.frames:
                    out = maximum(out, frames[source][i])
            outs.append(out)
        return torch.stack(outs, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)


class TemporalConv(nn.Module):
    """Depth-wise convolution over an odd number of frames.

    It starts as the identity or, with ``fold_div``, as a shift: the first 1/fold_div of the
    channels come from the next frame, the second from the last.
    """

    def __init__(
        self, channels: int, frames: int, kernel: int = 3, fold_div: int | None = None
    ) -> None:
        super().__init__()
        self.frames = frames
        fold = 0 if fold_div is None else channels // fold_div
        taps = torch.full((channels,), kernel // 2)
        taps[:fold] += 1
        taps[fold : 2 * fold] -= 1
        weight = F.one_hot(taps, kernel).view(channels, 1, kernel, 1, 1)
        self.weight = nn.Parameter(weight.to(torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        out = blend(clip, self.weight)
        return out.transpose(1, 2).flatten(0, 1)


class DenseTemporalConv(nn.Module):
    """Convolution over an odd number of frames across all channels, at random at first."""

    def __init__(self, channels: int, frames: int, kernel: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel, 1, 1))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        out = F.conv3d(clip, self.weight, padding=(self.weight.shape[2] // 2, 0, 0))
        return out.transpose(1, 2).flatten(0, 1)
