"""From one stage of a run to the next: more frames, weights carried over."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from stspec.diagnostics import Diagnostic, SpecError
from stspec.network import Network, load


def with_frames(network: Network, frames: int | None) -> Network:
    """Return the network for clips of so many frames.

    Raises:
        SpecError: if the network cannot take them.
    """
    if frames is None or frames == network.spec.model.clip.frames:
        return network
    return load(network.spec.tree, [("clip.frames", frames)])


def carry(
    state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], frames: tuple[int, int]
) -> tuple[dict[str, Tensor], list[str]]:
    """Return weights for another number of frames, and the keys that had to be stretched.

    Tensors of equal shape are taken over as they are. One whose axis grows with the frames holds
    a block for each frame along it: a new frame gets the block of the frame that stands in its
    place in time. Along the second axis of a weight, what comes in, blocks are divided by the
    growth, so that a clip in which every frame stands twice gives what the clip gave.

    Args:
        state: weights by key.
        shapes: shapes by key of the longer (or shorter) network.
        frames: numbers of frames before and after.

    Raises:
        SpecError: if a tensor differs in another way.
    """
    carried: dict[str, Tensor] = {}
    stretched = []
    for key, shape in shapes.items():
        tensor = state[key]
        if tuple(tensor.shape) != shape:
            tensor = _stretch(key, tensor, shape, frames)
            stretched.append(key)
        carried[key] = tensor
    return carried, stretched


def _stretch(key: str, tensor: Tensor, shape: tuple[int, ...], frames: tuple[int, int]) -> Tensor:
    before, after = frames
    same_axes = len(shape) == tensor.dim()
    axes = [i for i in range(len(shape)) if same_axes and tensor.shape[i] != shape[i]]
    grows = len(axes) == 1 and tensor.shape[axes[0]] * after == shape[axes[0]] * before
    if not grows or tensor.shape[axes[0]] % before:
        old, new = tuple(tensor.shape), shape
        message = f"`{key}` of {before} frames {old} does not become one of {after} frames {new}"
        help = "train the stages as runs of their own, with --weights"
        raise SpecError(Diagnostic("not-carried", message, help=help))
    axis = axes[0]
    blocks: Tensor = tensor.unflatten(axis, (before, -1))
    places = torch.arange(after, device=tensor.device) * before // after
    longer = blocks.index_select(axis, places).flatten(axis, axis + 1)
    return longer * (before / after) if axis == 1 else longer
