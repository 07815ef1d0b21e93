"""Convolutions of clips, run on CPUs in ways that are faster than PyTorch's choice.

In float32, PyTorch hands a dense conv3d to oneDNN if there are several clips. That of one clip of
C x T x H up to 20,480 it computes by itself, and where one thread runs, that of 1 x 1 in space too,
depth-wise or not: several times slower, backward most of all, and channels come first in what it
gives, whatever the memory format of the input. The backward pass of depth-wise ones is 10 to 60
times slower than their forward pass, whatever the choice; in bfloat16 it is slower still.

Input in channels-last memory is fastest.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cpu_precision(clip: Tensor) -> torch.dtype | None:
    """Return the type in which a CPU that has oneDNN convolves a clip, under autocast or without.

    None elsewhere, and while operators are compiled, traced or counted: who does so knows
    PyTorch's own convolution.
    """
    if torch.compiler.is_compiling() or isinstance(clip, torch.fx.Proxy) or torch._C._is_tracing():
        return None
    is_counted = torch._C._len_torch_dispatch_stack() > 0
    if is_counted or not clip.is_cpu or not torch._C._has_mkldnn:
        return None
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else clip.dtype


def may_miss_onednn(clip: Tensor) -> bool:
    """Tell whether PyTorch's own choice may be another than oneDNN, which is the faster."""
    if cpu_precision(clip) != torch.float32:
        return False
    return clip.shape[0] == 1 or torch.get_num_threads() == 1


def is_faster_as_product(conv: nn.Conv3d, clip: Tensor) -> bool:
    """Tell whether a convolution is faster as a product of matrices, its backward pass included."""
    if conv.kernel_size != (1, 1, 1) or conv.groups > 1 or conv.padding != (0, 0, 0):
        return False
    if cpu_precision(clip) == torch.bfloat16:
        return clip[:, 0].numel() <= 10_000
    if not may_miss_onednn(clip) or not torch.is_grad_enabled():
        return False
    # Its bound for one clip; by one thread it passes over all that have no stride.
    is_alone = conv.stride == (1, 1, 1) and torch.get_num_threads() == 1
    return is_alone or clip[..., 0].numel() <= 20_480


class Conv3d(nn.Conv3d):
    """nn.Conv3d as a product of matrices or by oneDNN, where PyTorch's own choice is slower."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C', T', H', W')."""
        if is_faster_as_product(self, input):
            t, h, w = self.stride
            met = input.permute(0, 2, 3, 4, 1)[:, ::t, ::h, ::w]  # (N, T', H', W', C)
            rows = F.linear(met.flatten(0, 3), self.weight.flatten(1), self.bias)
            return rows.view(*met.shape[:4], self.out_channels).permute(0, 4, 1, 2, 3)
        if not may_miss_onednn(input):
            return super().forward(input)
        padding = [int(side) for side in self.padding]
        return torch.mkldnn_convolution(
            input, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
        )


def depthwise_conv3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, int, int] = (1, 1, 1),
    padding: tuple[int, int, int] = (0, 0, 0),
) -> Tensor:
    """(N, C, T, H, W) by weight (C, 1, t, h, w) -> (N, C, T', H', W')."""
    if not may_miss_onednn(x):
        return F.conv3d(x, weight, bias, stride, padding, groups=len(weight))
    return torch.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1, 1), len(weight))


class DepthwiseConvolution(torch.autograd.Function):
    """Depth-wise convolution over time and space, with gradients as cheap as itself.

    x (N, C, T, H, W), weight (C, 1, t, h, w), bias (C), zeros around the clip. The gradient of x is
    such a convolution too, that of weight one convolution of frames per tap in time.
    """

    stride: tuple[int, int, int]
    padding: tuple[int, int, int]

    @staticmethod
    def forward(
        ctx: "DepthwiseConvolution",
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int, int],
        padding: tuple[int, int, int],
    ) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T', H', W')."""
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return depthwise_conv3d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(
        ctx: "DepthwiseConvolution", grad: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        """Gradients of x, weight and bias, differentiable themselves."""
        x, weight = [tensor.to(grad.dtype) for tensor in list(ctx.saved_tensors)]
        asks_x, asks_weight, asks_bias, *_ = list(ctx.needs_input_grad)
        grad_x = grad_weight = None
        if asks_x:
            grad_x = input_gradient(grad, weight, x.shape, ctx.stride, ctx.padding)
        if asks_weight:
            grad_weight = weight_gradient(grad, weight, x, ctx.stride, ctx.padding)
        grad_bias = grad.sum((0, 2, 3, 4)) if asks_bias else None
        return grad_x, grad_weight, grad_bias, None, None


def input_gradient(
    grad: Tensor,
    weight: Tensor,
    shape: torch.Size,
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
) -> Tensor:
    """Return the convolution of an output's gradient with the taps reversed."""
    kernel = weight.shape[2:]
    if max(stride) > 1:  # zeros between the positions stand for those that a stride left out
        sides = zip(shape[2:], kernel, padding, strict=True)
        sizes = [size + 2 * pad - k + 1 for size, k, pad in sides]
        spread = grad.new_zeros(shape[0], *sizes, shape[1]).movedim(-1, 1)  # channels-last
        spread[:, :, :: stride[0], :: stride[1], :: stride[2]] = grad
        grad = spread
    t, h, w = [k - 1 - pad for k, pad in zip(kernel, padding, strict=True)]
    return depthwise_conv3d(grad, weight.flip(2, 3, 4), padding=(t, h, w))


def weight_gradient(
    grad: Tensor,
    weight: Tensor,
    x: Tensor,
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
) -> Tensor:
    """Return, per tap in time, the gradient of a convolution of the frames that it met."""
    step, before = stride[0], padding[0]
    taps = []
    for tap, plane in enumerate(weight.unbind(2)):  # each (C, 1, h, w)
        # Output frame t meets frame t * step + tap - before where there is one.
        start = max(0, -((tap - before) // step))
        stop = min(grad.shape[2], (x.shape[2] - 1 + before - tap) // step + 1)
        if start >= stop:
            taps.append(torch.zeros_like(plane))
            continue
        first = start * step + tap - before
        met = x[:, :, first : first + (stop - start - 1) * step + 1 : step]
        taps.append(plane_gradient(grad[:, :, start:stop], plane, met, stride, padding))
    return torch.stack(taps, 2)


def plane_gradient(
    grad: Tensor,
    plane: Tensor,
    x: Tensor,
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
) -> Tensor:
    """Return the gradient of the weight (C, 1, h, w) with which all frames are convolved."""
    is_dot = plane.shape[2:] == stride[1:] == (1, 1)  # of gradients with what they weigh
    if is_dot and may_miss_onednn(grad) and torch.get_num_threads() == 1:
        return (grad * x).sum((0, 2, 3, 4)).view_as(plane)
    gradients = torch.ops.aten.convolution_backward(
        *(as_frames(grad), as_frames(x), plane, None, stride[1:], padding[1:], (1, 1)),
        *(False, (0, 0), len(plane), (False, True, False)),  # of weight alone
    )
    grad_plane: Tensor = gradients[1]
    return grad_plane


def as_frames(clip: Tensor) -> Tensor:
    """(N, C, T, H, W) -> (N*T, C, H, W); where frames are copied, channels still lie last."""
    return clip.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


class DepthwiseConv3d(Conv3d):
    """Depth-wise convolution of clips that trains fast on CPUs."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T', H', W')."""
        is_eager = not torch.compiler.is_compiling()
        if is_eager and (isinstance(input, torch.fx.Proxy) or torch._C._is_tracing()):
            return super().forward(input)  # traces know no autograd.Function
        if input.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(input)
        out: Tensor = DepthwiseConvolution.apply(
            input, self.weight, self.bias, self.stride, self.padding
        )
        return out
