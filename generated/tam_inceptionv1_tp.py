"""TAM on InceptionV1 with temporal pooling.

Clip (N, 3, 8, 224, 224); 6.03 M parameters, 6.57 GMACs.
Paper: Fan et al., More Is Less: Learning Efficient Video Representations, NeurIPS 2019
Paper: Szegedy et al., Going Deeper with Convolutions, CVPR 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'tam_inceptionv1_tp'.
math 58fd67be20649c9c, weights 1c24a02d5b9c92a2.
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


class TAMConvUnit(nn.Module):
    """Convolution, batch norm and ReLU, with TAM."""

    def __init__(self, in_channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, width, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm2d(width, eps=0.001)
        self.tam = TemporalAggregation(width, frames=8)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)), inplace=True)
        out: Tensor = self.tam(x)
        return out


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size=kernel, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Inception module, with TAM."""

    def __init__(
        self,
        in_channels: int,
        branch1: int,
        reduce2: int,
        branch2: int,
        reduce3: int,
        branch3: int,
        branch4: int,
        frames: int,
    ) -> None:
        super().__init__()
        self.branch1 = ConvUnit(in_channels, branch1, kernel=1)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, reduce2, kernel=1), ConvUnit(reduce2, branch2, kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1), ConvUnit(reduce3, branch3, kernel=3)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(in_channels, branch4, kernel=1),
        )
        self.tam = TemporalAggregation(branch1 + branch2 + branch3 + branch4, frames=frames)

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        x = torch.cat([branch1, branch2, branch3, branch4], dim=1)
        out: Tensor = self.tam(x)
        return out


class TAMInceptionV1Tp(nn.Module):
    """TAM for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = TAMConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = TAMConvUnit(64, 64, kernel=1)
        self.conv3 = TAMConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.t_pool1 = TemporalMaxPool(8)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32, frames=4)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64, frames=4)
        self.maxpool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.t_pool2 = TemporalMaxPool(4)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64, frames=2)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64, frames=2)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64, frames=2)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64, frames=2)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128, frames=2)
        self.maxpool4 = nn.MaxPool2d(kernel_size=2, ceil_mode=True)
        self.t_pool3 = TemporalMaxPool(2)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128, frames=1)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128, frames=1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1024, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x)  # (N*8, 64, 112, 112)
        x = self.maxpool1(x)  # (N*8, 64, 56, 56)
        x = self.conv2(x)  # (N*8, 64, 56, 56)
        x = self.conv3(x)  # (N*8, 192, 56, 56)
        x = self.maxpool2(x)  # (N*8, 192, 28, 28)
        x = self.t_pool1(x)  # (N*4, 192, 28, 28)
        x = self.inception3a(x)  # (N*4, 256, 28, 28)
        x = self.inception3b(x)  # (N*4, 480, 28, 28)
        x = self.maxpool3(x)  # (N*4, 480, 14, 14)
        x = self.t_pool2(x)  # (N*2, 480, 14, 14)
        x = self.inception4a(x)  # (N*2, 512, 14, 14)
        x = self.inception4b(x)  # (N*2, 512, 14, 14)
        x = self.inception4c(x)  # (N*2, 512, 14, 14)
        x = self.inception4d(x)  # (N*2, 528, 14, 14)
        x = self.inception4e(x)  # (N*2, 832, 14, 14)
        x = self.maxpool4(x)  # (N*2, 832, 7, 7)
        x = self.t_pool3(x)  # (N*1, 832, 7, 7)
        x = self.inception5a(x)  # (N*1, 832, 7, 7)
        x = self.inception5b(x)  # (N*1, 1024, 7, 7)
        x = x.mean((-2, -1))  # (N*1, 1024)
        x = self.dropout(x)  # (N*1, 1024)
        x = self.fc(x)  # (N*1, 400)
        return torch.unflatten(x, 0, (-1, 1)).mean(1)  # (N, 400)
