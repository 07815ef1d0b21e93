"""bLVNet-TAM on bLResNet50 with eight pairs of frames.

Clip (N, 3, 16, 224, 224); 25.02 M parameters, 23.85 GMACs.
Paper: Fan et al., More Is Less: Learning Efficient Video Representations, NeurIPS 2019
Paper: Chen et al., Big-Little Net, ICLR 2019

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'blvnet_tam_r50_8x2'.
math 63bb9f478afe7e26, weights d11bfd6309ba8e03.
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


class LittleStem(nn.Module):
    """Little branch of the stem."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(64, 32, kernel_size=3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(32)
        self.conv1 = nn.Conv2d(32, 32, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn0(self.conv0(x)), inplace=True)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out: Tensor = self.bn2(self.conv2(x))
        return out


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.AvgPool2d(kernel_size=3, stride=2, padding=1),
            nn.Conv2d(in_channels, 4 * width, kernel_size=1, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class OpenBottleneck(nn.Module):
    """Bottleneck residual block without activation at its end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        out: Tensor = y.add_(x)
        return out


class DownsampleBottleneck2(nn.Module):
    """Bottleneck residual block with a projected shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(64, 128, kernel_size=1, bias=False), nn.BatchNorm2d(128)
        )
        self.conv1 = nn.Conv2d(64, 32, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 32, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 128, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(128)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class PooledBottleneck(nn.Module):
    """Bottleneck residual block with a pooled shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.downsample = nn.AvgPool2d(kernel_size=3, stride=2, padding=1)
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class TAMDownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, with TAM."""

    def __init__(self) -> None:
        super().__init__()
        self.tam = TemporalAggregation(1024, frames=8)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(kernel_size=3, stride=2, padding=1),
            nn.Conv2d(1024, 2048, kernel_size=1, bias=False),
            nn.BatchNorm2d(2048),
        )
        self.conv1 = nn.Conv2d(1024, 512, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(512)
        self.conv2 = nn.Conv2d(512, 512, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(512)
        self.conv3 = nn.Conv2d(512, 2048, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(2048)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tam(x)
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class TAMResidualBottleneck(nn.Module):
    """Bottleneck residual block, with TAM."""

    def __init__(self) -> None:
        super().__init__()
        self.tam_residual = TemporalAggregation(2048, frames=8)
        self.conv1 = nn.Conv2d(2048, 512, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(512)
        self.conv2 = nn.Conv2d(512, 512, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(512)
        self.conv3 = nn.Conv2d(512, 2048, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(2048)

    def forward(self, x: Tensor) -> Tensor:
        y = self.tam_residual(x)
        y = F.relu(self.bn1(self.conv1(y)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class BigLittleStem(nn.Module):
    """Big and little branch of the stem, and their sum, with TAM."""

    def __init__(self) -> None:
        super().__init__()
        self.tam = TemporalAggregation(64, frames=16)
        self.big = nn.Sequential(
            nn.Conv2d(64, 64, kernel_size=3, stride=2, padding=1, bias=False), nn.BatchNorm2d(64)
        )
        self.little = LittleStem()
        self.conv = nn.Conv2d(64, 64, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(64)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tam(x)
        y = torch.unflatten(x, 0, (-1, 16))[:, 1::2].flatten(0, 1)
        big = self.big(y)
        x = torch.unflatten(x, 0, (-1, 16))[:, ::2].flatten(0, 1)
        little = self.little(x)
        x = F.relu(big.add_(little), inplace=True)
        x = F.relu(self.bn(self.conv(x)), inplace=True)
        out: Tensor = x.repeat_interleave(2, 0)
        return out


class BigLittle(nn.Module):
    """Big branch at half the resolution, little branch beside it, and their sum, with TAM."""

    def __init__(self) -> None:
        super().__init__()
        self.tam = TemporalAggregation(64, frames=16)
        self.big = nn.Sequential(DownsampleBottleneck(64, 64), OpenBottleneck(64))
        self.little = nn.Sequential(DownsampleBottleneck2())
        self.little_e = nn.Sequential(
            nn.Conv2d(128, 256, kernel_size=1, bias=False), nn.BatchNorm2d(256)
        )
        self.fusion = nn.Sequential(PooledBottleneck(64))

    def forward(self, x: Tensor) -> Tensor:
        x = self.tam(x)
        y = torch.unflatten(x, 0, (-1, 16))[:, 1::2].flatten(0, 1)
        big = self.big(y)
        x = torch.unflatten(x, 0, (-1, 16))[:, ::2].flatten(0, 1)
        little = self.little(x)
        little = self.little_e(little)
        big = F.interpolate(big, little.shape[-2:])
        x = F.relu(big + little, inplace=True)
        x = self.fusion(x)
        out: Tensor = x.repeat_interleave(2, 0)
        return out


class BigLittle2(nn.Module):
    """Big branch at half the resolution, little branch beside it, and their sum, with TAM."""

    def __init__(self) -> None:
        super().__init__()
        self.tam = TemporalAggregation(256, frames=16)
        self.big = nn.Sequential(
            DownsampleBottleneck(256, 128), Bottleneck(128), OpenBottleneck(128)
        )
        self.little = nn.Sequential(Bottleneck(64))
        self.little_e = nn.Sequential(
            nn.Conv2d(256, 512, kernel_size=1, bias=False), nn.BatchNorm2d(512)
        )
        self.fusion = nn.Sequential(PooledBottleneck(128))

    def forward(self, x: Tensor) -> Tensor:
        x = self.tam(x)
        y = torch.unflatten(x, 0, (-1, 16))[:, 1::2].flatten(0, 1)
        big = self.big(y)
        x = torch.unflatten(x, 0, (-1, 16))[:, ::2].flatten(0, 1)
        little = self.little(x)
        little = self.little_e(little)
        big = F.interpolate(big, little.shape[-2:])
        x = F.relu(big + little, inplace=True)
        x = self.fusion(x)
        out: Tensor = x.repeat_interleave(2, 0)
        return out


class BigLittle3(nn.Module):
    """Big branch at half the resolution, little branch beside it, and their sum, with TAM."""

    def __init__(self) -> None:
        super().__init__()
        self.tam = TemporalAggregation(512, frames=16)
        self.big = nn.Sequential(
            DownsampleBottleneck(512, 256),
            *(Bottleneck(256) for _ in range(3)),
            OpenBottleneck(256),
        )
        self.little = nn.Sequential(Bottleneck(128))
        self.little_e = nn.Sequential(
            nn.Conv2d(512, 1024, kernel_size=1, bias=False), nn.BatchNorm2d(1024)
        )
        self.fusion = nn.Sequential(Bottleneck(256))

    def forward(self, x: Tensor) -> Tensor:
        x = self.tam(x)
        y = torch.unflatten(x, 0, (-1, 16))[:, 1::2].flatten(0, 1)
        big = self.big(y)
        x = torch.unflatten(x, 0, (-1, 16))[:, ::2].flatten(0, 1)
        little = self.little(x)
        little = self.little_e(little)
        big = F.interpolate(big, little.shape[-2:])
        x = F.relu(big + little, inplace=True)
        out: Tensor = self.fusion(x)
        return out


class BlvnetTamR508x2(nn.Module):
    """bLVNet-TAM for clips of 16 frames."""

    def __init__(self, num_classes: int = 174) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer0 = BigLittleStem()
        self.layer1 = BigLittle()
        self.layer2 = BigLittle2()
        self.layer3 = BigLittle3()
        self.layer4 = nn.Sequential(
            TAMDownsampleBottleneck(), TAMResidualBottleneck(), TAMResidualBottleneck()
        )
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*16, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N*16, 64, 112, 112)
        x = self.layer0(x)  # (N*16, 64, 56, 56)
        x = self.layer1(x)  # (N*16, 256, 28, 28)
        x = self.layer2(x)  # (N*16, 512, 14, 14)
        x = self.layer3(x)  # (N*8, 1024, 14, 14)
        x = self.layer4(x)  # (N*8, 2048, 7, 7)
        x = x.mean((-2, -1))  # (N*8, 2048)
        x = self.dropout(x)  # (N*8, 2048)
        x = self.fc(x)  # (N*8, 174)
        return torch.unflatten(x, 0, (-1, 8)).mean(1)  # (N, 174)
