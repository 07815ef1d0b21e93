"""X3D-M, 16 frames of 224 pixels.

Clip (N, 3, 16, 224, 224); 3.79 M parameters, 4.73 GMACs.
Paper: Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'x3d_m'.
math 9e777a39e35972aa, weights f410c1076f54e2b1.
"""

# mypy: allow-untyped-calls
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


def as_frames(clip: Tensor) -> Tensor:
    """(N, C, T, H, W) -> (N*T, C, H, W); where frames are copied, channels still lie last."""
    return clip.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


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


class SqueezeExcite(nn.Module):
    """Each channel times a gate: averages over the clip, two layers, sigmoid."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv3d(channels, inner, kernel_size=1)
        self.fc2 = nn.Conv3d(inner, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T, H, W)."""
        gates = x.mean((2, 3, 4), keepdim=True)  # (N, C, 1, 1, 1)
        gates = F.relu(self.fc1(gates), inplace=True)
        return x * torch.sigmoid(self.fc2(gates))


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


class DownsampleInvertedBottleneck(nn.Module):
    """Inverted bottleneck residual block with a projected shortcut, with squeeze-excitation."""

    def __init__(self, in_channels: int, width: int, inner: int, se_inner: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            Conv3d(in_channels, width, kernel_size=1, stride=(1, 2, 2), bias=False),
            nn.BatchNorm3d(width),
        )
        self.conv1 = Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = DepthwiseConv3d(
            inner, inner, kernel_size=3, stride=(1, 2, 2), padding=1, groups=inner, bias=False
        )
        self.bn2 = nn.BatchNorm3d(inner)
        self.se = SqueezeExcite(inner, se_inner)
        self.conv3 = Conv3d(inner, width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        x = F.silu(self.se(x), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class InvertedBottleneck(nn.Module):
    """Inverted bottleneck residual block."""

    def __init__(self, in_channels: int, inner: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = DepthwiseConv3d(
            inner, inner, kernel_size=3, padding=1, groups=inner, bias=False
        )
        self.bn2 = nn.BatchNorm3d(inner)
        self.conv3 = Conv3d(inner, in_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.silu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SEInvertedBottleneck(nn.Module):
    """Inverted bottleneck residual block, with squeeze-excitation."""

    def __init__(self, in_channels: int, inner: int, se_inner: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = DepthwiseConv3d(
            inner, inner, kernel_size=3, padding=1, groups=inner, bias=False
        )
        self.bn2 = nn.BatchNorm3d(inner)
        self.se = SqueezeExcite(inner, se_inner)
        self.conv3 = Conv3d(inner, in_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y = F.silu(self.se(y), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv3d(192, 432, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm3d(432)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class X3DM(nn.Module):
    """X3D-M for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = Conv3d(
            3, 24, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False
        )
        self.conv1_t = DepthwiseConv3d(
            24, 24, kernel_size=(5, 1, 1), padding=(2, 0, 0), groups=24, bias=False
        )
        self.bn1 = nn.BatchNorm3d(24)
        self.layer1 = nn.Sequential(
            DownsampleInvertedBottleneck(24, 24, inner=54, se_inner=8),
            InvertedBottleneck(24, inner=54),
            SEInvertedBottleneck(24, inner=54, se_inner=8),
        )
        self.layer2 = nn.Sequential(
            DownsampleInvertedBottleneck(24, 48, inner=108, se_inner=8),
            InvertedBottleneck(48, inner=108),
            SEInvertedBottleneck(48, inner=108, se_inner=8),
            InvertedBottleneck(48, inner=108),
            SEInvertedBottleneck(48, inner=108, se_inner=8),
        )
        self.layer3 = nn.Sequential(
            DownsampleInvertedBottleneck(48, 96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
        )
        self.layer4 = nn.Sequential(
            DownsampleInvertedBottleneck(96, 192, inner=432, se_inner=32),
            InvertedBottleneck(192, inner=432),
            SEInvertedBottleneck(192, inner=432, se_inner=32),
            InvertedBottleneck(192, inner=432),
            SEInvertedBottleneck(192, inner=432, se_inner=32),
            InvertedBottleneck(192, inner=432),
            SEInvertedBottleneck(192, inner=432, se_inner=32),
        )
        self.conv5 = ConvUnit()
        self.head_pool = WindowPool((16, 7, 7))
        self.hidden = Conv3d(432, 2048, kernel_size=1, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is Conv3d or type(module) is DepthwiseConv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = self.conv1(x)  # (N, 24, 16, 112, 112)
        x = F.relu(self.bn1(self.conv1_t(x)), inplace=True)  # (N, 24, 16, 112, 112)
        x = self.layer1(x)  # (N, 24, 16, 56, 56)
        x = self.layer2(x)  # (N, 48, 16, 28, 28)
        x = self.layer3(x)  # (N, 96, 16, 14, 14)
        x = self.layer4(x)  # (N, 192, 16, 7, 7)
        x = self.conv5(x)  # (N, 432, 16, 7, 7)
        x = self.head_pool(x)  # (N, 432, 1, 1, 1)
        x = F.relu(self.hidden(x), inplace=True)  # (N, 2048, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2048)
        x = self.dropout(x)  # (N, 1, 2048)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
