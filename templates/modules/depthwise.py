"""Depth-wise convolution of clips, of which a backward pass costs little more than a forward pass.

On CPUs, conv3d's own backward is 10 to 60 times slower than its forward where every channel is a
group; in bfloat16 it is slower still than in float32. Input in channels-last memory is fastest.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        return F.conv3d(x, weight, bias, stride, padding, groups=len(weight))

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
    around = [k - 1 - pad for k, pad in zip(kernel, padding, strict=True)]
    return F.conv3d(grad, weight.flip(2, 3, 4), padding=around, groups=len(weight))


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
        grads = as_frames(grad[:, :, start:stop])
        _, grad_plane, _ = torch.ops.aten.convolution_backward(
            *(grads, as_frames(met), plane, None, stride[1:], padding[1:], (1, 1)),
            *(False, (0, 0), len(weight), (False, True, False)),  # of weight alone
        )
        taps.append(grad_plane)
    return torch.stack(taps, 2)


def as_frames(clip: Tensor) -> Tensor:
    """(N, C, T, H, W) -> (N*T, C, H, W); where frames are copied, channels still lie last."""
    return clip.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


class DepthwiseConv3d(nn.Conv3d):
    """Depth-wise convolution of clips that trains fast on CPUs; elsewhere it is nn.Conv3d."""

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
