"""TAM on ResNet50 with temporal pooling.

Clip (N, 3, 8, 224, 224); 24.37 M parameters, 14.21 GMACs.
Paper: Fan et al., More Is Less: Learning Efficient Video Representations, NeurIPS 2019
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'tam_resnet50_tp'.
math bbf46d1039ee2656, weights b310870969fe9793.
"""

# mypy: allow-untyped-calls
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


def is_traced() -> bool:
    """Tell whether torch.jit.trace records what runs, which cannot save an autograd.Function."""
    return not torch.compiler.is_compiling() and torch._C._is_tracing()


def blend(clip: Tensor, weight: Tensor) -> Tensor:
    """(N, C, T, H, W) -> the same: each channel convolved over frames by its taps of weight."""
    if is_traced():
        return depthwise(clip, weight)
    out: Tensor = DepthwiseTemporalConv.apply(clip, weight)
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


class TemporalMaxPool(nn.Module):
    """Maximum over windows of frames."""

    def __init__(self, frames: int, kernel: int = 3, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        self.frames = frames
        self.kernel = kernel
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T', C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T, H, W)
        # Asked for indices as well, max_pool3d stays in bfloat16 under autocast.
        out, _ = F.max_pool3d(
            clip,
            (self.kernel, 1, 1),
            (self.stride, 1, 1),
            (self.padding, 0, 0),
            return_indices=True,
        )
        return out.transpose(1, 2).flatten(0, 1)


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, with TAM."""

    def __init__(self, in_channels: int, width: int, frames: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 4 * width, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.tam = TemporalAggregation(in_channels, frames=frames)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = self.tam(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block, with TAM."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.tam = TemporalAggregation(4 * width, frames=frames)
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.tam(x)
        y = F.relu(self.bn1(self.conv1(y)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class TAMResNet50Tp(nn.Module):
    """TAM for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(
            DownsampleBottleneck(64, 64, frames=8),
            Bottleneck(64, frames=8),
            Bottleneck(64, frames=8),
        )
        self.t_pool1 = TemporalMaxPool(8)
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(256, 128, frames=4, stride=2),
            *(Bottleneck(128, frames=4) for _ in range(3)),
        )
        self.t_pool2 = TemporalMaxPool(4)
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(512, 256, frames=2, stride=2),
            *(Bottleneck(256, frames=2) for _ in range(5)),
        )
        self.t_pool3 = TemporalMaxPool(2)
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1024, 512, frames=1, stride=2),
            Bottleneck(512, frames=1),
            Bottleneck(512, frames=1),
        )
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N*8, 64, 112, 112)
        x = self.maxpool(x)  # (N*8, 64, 56, 56)
        x = self.layer1(x)  # (N*8, 256, 56, 56)
        x = self.t_pool1(x)  # (N*4, 256, 56, 56)
        x = self.layer2(x)  # (N*4, 512, 28, 28)
        x = self.t_pool2(x)  # (N*2, 512, 28, 28)
        x = self.layer3(x)  # (N*2, 1024, 14, 14)
        x = self.t_pool3(x)  # (N*1, 1024, 14, 14)
        x = self.layer4(x)  # (N*1, 2048, 7, 7)
        x = x.mean((-2, -1))  # (N*1, 2048)
        x = self.dropout(x)  # (N*1, 2048)
        x = self.fc(x)  # (N*1, 400)
        return torch.unflatten(x, 0, (-1, 1)).mean(1)  # (N, 400)
