"""Clips whose frames are put in another order: what a model makes of them tells what it uses.

Reversed and shuffled frames leave what is seen and take away its order (Zhou et al., Temporal
Relational Reasoning in Videos, ECCV 2018; Xie et al., Rethinking Spatiotemporal Feature Learning,
ECCV 2018); a frozen frame leaves no motion at all (Huang et al., What Makes a Video a Video, CVPR
2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

from stspec.rng import keyed

FrameOrder = Literal["given", "reversed", "shuffled", "frozen"]


def reordered(
    batches: Iterable[Mapping[str, Any]], order: FrameOrder, ids: Sequence[str], seed: int = 0
) -> Iterator[Mapping[str, Any]]:
    """Yield batches of `eval_loader` with the frames of each clip in another order.

    Args:
        batches: clips (N, C, T, H, W) with the numbers of their videos and views.
        order: of frames; see `places`.
        ids: of the videos; how frames are shuffled follows from id, view and seed alone, so that
            neither batches nor processes matter.
        seed: other seeds shuffle otherwise.
    """
    for batch in batches:
        clips: Tensor = batch["clips"]
        numbers = zip(batch["indices"].tolist(), batch["views"].tolist(), strict=True)
        if order != "given" and len(clips):
            clips = clips.clone()
            for row, (index, view) in enumerate(numbers):
                at = places(order, clips.shape[2], (ids[index], view, seed))
                clips[row] = clips[row][:, at]
        yield {**batch, "clips": clips}


def places(order: FrameOrder, frames: int, key: Sequence[int | str] = ()) -> list[int]:
    """Return which frame stands in each place.

    `reversed` has the last first, `shuffled` any order (of the key alone), `frozen` the middle
    frame in every place, `given` each in its own.
    """
    at = list(range(frames))
    if order == "reversed":
        at.reverse()
    elif order == "shuffled":
        keyed("frame order", *key).shuffle(at)
    elif order == "frozen":
        at = [frames // 2] * frames
    return at
