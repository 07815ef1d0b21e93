"""Frames to clips: resizing, cropping, mirroring, differences, normalisation, in torch alone.

Frames are uint8 (T, H, W, C) tensors on any device; all frames of a clip are treated alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from stspec.diagnostics import Diagnostic, SpecError

Filter = Literal["nearest", "bilinear", "bicubic"]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


def short_side_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width whose shorter one is ``side``; the longer one is rounded down."""
    if height <= width:
        return side, max(side, side * width // height)
    return max(side, side * height // width), side


def resize(
    frames: Tensor,
    height: int,
    width: int,
    filter: Filter = "bilinear",
    antialias: bool = True,
) -> Tensor:
    """Return frames (T, height, width, C).

    With ``antialias`` the filter widens as frames shrink, as PIL's does; without, it looks at its
    nearest pixels alone, as OpenCV's does. ``nearest`` has no such choice.
    """
    if tuple(frames.shape[1:3]) == (height, width):
        return frames
    planes = frames.permute(0, 3, 1, 2)  # (T, C, H, W), channels last in memory
    if filter == "nearest":
        out = F.interpolate(planes, (height, width), mode="nearest-exact")
    elif planes.device.type == "cpu":
        # In integers, as Pillow does it: rounded after each direction.
        out = F.interpolate(
            planes, (height, width), mode=filter, align_corners=False, antialias=antialias
        )
    else:
        out = _resize_elsewhere(planes, (height, width), filter, antialias)
    return out.permute(0, 2, 3, 1)


def _resize_elsewhere(
    planes: Tensor, size: tuple[int, int], filter: Filter, antialias: bool
) -> Tensor:
    """Return planes (T, C, *size) on a device that interpolates no integers; rounded once."""
    exact = F.interpolate(
        planes.float(), size, mode=filter, align_corners=False, antialias=antialias
    )
    return exact.round_().clamp_(0, 255).to(torch.uint8)


def crop(frames: Tensor, box: Box) -> Tensor:
    """Return the part of the frames (T, box.height, box.width, C) as a view."""
    return frames[:, box.top : box.top + box.height, box.left : box.left + box.width]


def mirror(frames: Tensor) -> Tensor:
    """Return the frames with left and right exchanged.

    Frames of two channels are optical flow: what went left goes right, so that x is inverted.
    """
    out = frames.flip(2)
    if frames.shape[-1] == 2:
        out[..., 0] = 255 - out[..., 0]
    return out


def to_clip(frames: Tensor) -> Tensor:
    """Return frames (T, H, W, C) as a contiguous clip (C, T, H, W)."""
    return frames.permute(3, 0, 1, 2).contiguous()


def normalise(clips: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return clips uint8 (N, C, T, H, W) as float32: of 0 to 1, less the mean, over the deviation.

    Raises:
        SpecError: if the clips have another number of channels.
    """
    check_channels(clips.shape[1], len(mean))
    scale = torch.tensor([1 / (255 * value) for value in std], device=clips.device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=clips.device)
    shape = (1, -1, *[1] * (clips.dim() - 2))
    return torch.addcmul(shift.view(shape), clips.float(), scale.view(shape))


def check_channels(found: int, wanted: int) -> None:
    """Refuse clips with other channels than a network takes: flow has two, pictures have three.

    Raises:
        SpecError: if the numbers differ.
    """
    if found != wanted:
        message = f"the clips have {found} channels, and the network takes {wanted}"
        what = "flow: x and y" if found == 2 else "RGB"
        help = f"a network for these ({what}) is trained with --set clip.channels={found}"
        raise SpecError(Diagnostic("wrong-channels", message, help=help))


def rgb_difference(before: Tensor, after: Tensor) -> Tensor:
    """Return what changed between frames, as uint8 of the same shape.

    Half of the difference, with 128 for no change (Wang et al., ECCV 2016, take the difference
    itself; mean and standard deviation of 0.5 give it back, but for rounding).
    """
    return ((after.short() - before.short() + 256) // 2).to(torch.uint8)


def multi_scale_box(
    rng: Random,
    height: int,
    width: int,
    size: tuple[int, int],
    scales: Sequence[float],
    places: Literal["corners", "grid"] = "corners",
) -> Box:
    """Return a part to be resized to ``size`` (Wang et al., ECCV 2016).

    Its sides are scales of the short side, height and width at most one scale apart; it lies in a
    corner or the middle. ``grid`` takes the 13 places of TSN's public code in place of these 5.
    """
    sides = [int(min(height, width) * scale) for scale in scales]
    # As TSN's code: what is nearly of the wanted size is not resized.
    heights = [size[0] if abs(side - size[0]) < 3 else side for side in sides]
    widths = [size[1] if abs(side - size[1]) < 3 else side for side in sides]
    pairs = [
        (min(h, height), min(w, width))
        for i, h in enumerate(heights)
        for j, w in enumerate(widths)
        if abs(i - j) <= 1
    ]
    tall, wide = rng.choice(pairs)
    down, right = (height - tall) // 4, (width - wide) // 4
    spots = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    if places == "grid":
        spots += [(2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3)]
    y, x = rng.choice(spots)
    return Box(y * down, x * right, tall, wide)


def random_box(rng: Random, height: int, width: int, size: tuple[int, int]) -> Box:
    """Return a part of this size anywhere in the frame, which must be as large."""
    return Box(rng.randint(0, height - size[0]), rng.randint(0, width - size[1]), *size)


def center_box(height: int, width: int, size: tuple[int, int]) -> Box:
    """Return the middle of the frame, which must be as large."""
    return Box(round((height - size[0]) / 2), round((width - size[1]) / 2), *size)


def random_resized_box(
    rng: Random,
    height: int,
    width: int,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Box:
    """Return a part of random area and aspect (Szegedy et al., CVPR 2015), as torchvision draws it.

    Where ten draws do not fit, the largest middle part of a permitted aspect.
    """
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(10):
        wanted = height * width * rng.uniform(*area)
        aspect = math.exp(rng.uniform(low, high))
        wide, tall = round(math.sqrt(wanted * aspect)), round(math.sqrt(wanted / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return random_box(rng, height, width, (tall, wide))
    tall, wide = height, width
    if width / height < ratio[0]:
        tall = round(width / ratio[0])
    elif width / height > ratio[1]:
        wide = round(height * ratio[1])
    return center_box(height, width, (tall, wide))


def view_boxes(height: int, width: int, size: tuple[int, int], crops: int) -> list[Box]:
    """Return the parts of a frame that testing looks at.

    One: the middle. Three: both ends of the long side, and the middle between them. Five, and ten
    with their mirror images: the corners and the middle.

    Raises:
        ValueError: if the number of crops is another.
    """
    middle = center_box(height, width, size)
    bottom, right = height - size[0], width - size[1]
    if crops == 1:
        return [middle]
    if crops == 3:
        if height > width:
            return [Box(0, middle.left, *size), middle, Box(bottom, middle.left, *size)]
        return [Box(middle.top, 0, *size), middle, Box(middle.top, right, *size)]
    if crops in (5, 10):
        corners = [Box(y, x, *size) for y in (0, bottom) for x in (0, right)]
        return [*corners, middle] * (crops // 5)
    raise ValueError(f"{crops} crops: 1, 3, 5 or 10")
