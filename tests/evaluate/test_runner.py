"""Each view once: in one process and shared by several; clips as the 2021 study defines them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stspec.data.augment import Augmentation
from stspec.data.dataset import ClipDataset
from stspec.data.loader import eval_loader
from stspec.data.sample import Manifest, Sample
from stspec.data.sampling import Sampling
from stspec.data.video import DecodeError
from stspec.diagnostics import SpecError
from stspec.evaluate.faults import explained
from stspec.evaluate.predictions import Predictions
from stspec.evaluate.runner import evaluate
from stspec.evaluate.views import Views

COUNT = 80
ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class Numbered:
    """A video whose frames have the grey of their number."""

    count, rate = COUNT, None

    def read(self, indices: list[int]) -> Tensor:
        grey = torch.tensor(indices, dtype=torch.uint8)
        return grey.view(-1, 1, 1, 1).expand(-1, 8, 8, 3).contiguous()

    def close(self) -> None: ...


class Greys(nn.Module):
    """Gives the grey of each frame as its scores."""

    def forward(self, clips: Tensor) -> Tensor:
        return clips.mean((1, 3, 4)) * 255


def manifest(videos: int = 3, classes: int = 8) -> Manifest:
    samples = tuple(Sample(f"v{n}", f"v{n}.mp4", (n % classes,)) for n in range(videos))
    return Manifest(Path("/nowhere"), samples, tuple(f"c{n}" for n in range(classes)))


def opened(_manifest: Manifest, sample: Sample) -> Any:
    if "broken" in sample.id:
        raise DecodeError(str(_manifest.path(sample)), "moov atom not found")
    return Numbered()


def scored(
    sampling: Sampling,
    clips: int,
    crops: int = 1,
    videos: Manifest | None = None,
    std: tuple[float, ...] = ONE,
) -> Predictions:
    videos = videos or manifest()
    augmentation = Augmentation(
        frames=8, size=8, short_side=8, clips=clips, crops=crops, test_sampling=sampling
    )
    dataset = ClipDataset(videos, augmentation, seed=0, broken="skip", opener=opened)
    return evaluate(
        Greys(), eval_loader(dataset, batch=4), videos, views=Views(clips, crops), mean=ZERO,
        std=std,
    )  # fmt: skip


def frames(found: Predictions) -> list[list[int]]:
    return [[round(float(x)) for x in row] for row in found.logits[0]]


def test_clip_level_takes_the_middle_frames_or_the_first_clip() -> None:
    assert frames(scored("uniform", 1)) == [[5, 15, 25, 35, 45, 55, 65, 75]]
    assert frames(scored("dense", 1)) == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_video_level_takes_ten_clips() -> None:
    uniform = frames(scored("uniform", 10))
    assert uniform == [[10 * s + 5 + i for s in range(8)] for i in range(-5, 5)]
    dense = frames(scored("dense", 10))
    assert dense == [[72 * clip // 9 + i for i in range(8)] for clip in range(10)]


def test_crops_are_views_of_their_clip() -> None:
    found = scored("uniform", 2, 3)
    assert found.logits.shape == (3, 6, 8)
    rows = frames(found)
    assert rows[0] == rows[1] == rows[2] and rows[3] == rows[4] == rows[5] != rows[0]


def test_broken_videos_are_left_out_and_named() -> None:
    samples = (Sample("a", "a.mp4", (7,)), Sample("broken", "b.mp4", (0,)), Sample("c", "c", (0,)))
    found = scored("uniform", 2, 3, manifest().with_samples(samples))
    assert found.ids == ("a", "c") and found.labels == ((7,), (0,))
    assert dict(found.faults) == {"broken": "moov atom not found"}
    assert found.metrics().top1 == 0.5, "the last frame is the brightest"
    with pytest.raises(SpecError, match="none of the 1 videos could be read"):
        scored("uniform", 1, 1, manifest().with_samples(samples[1:2]))


Rows = list[tuple[int, int]]


def batches(rows: Rows) -> Iterator[dict[str, Any]]:
    for index, view in rows:
        yield {
            "clips": torch.zeros(1, 3, 8, 2, 2, dtype=torch.uint8), "faults": [],
            "indices": torch.tensor([index]), "views": torch.tensor([view]),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(0, 0), (0, 1), (1, 0), (1, 1), (1, 1)], "1 views were seen more than once, 0 not"),
        ([(0, 0), (0, 1), (1, 0)], "0 views were seen more than once, 1 not at all"),
    ],
)
def test_what_is_not_seen_once_is_an_error(rows: Rows, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        evaluate(Greys(), batches(rows), manifest(2), views=Views(2), mean=ZERO, std=ONE)


def test_the_order_of_batches_does_not_matter_and_the_mode_is_kept() -> None:
    modes: list[bool] = []

    class Switch(Greys):
        def forward(self, clips: Tensor) -> Tensor:
            modes.append(self.training)
            return super().forward(clips)

    module = Switch().train()
    rows = [(1, 1), (0, 0), (1, 0), (0, 1)]
    seen: list[int] = []
    found = evaluate(module, batches(rows), manifest(2), views=Views(2), mean=ZERO, std=ONE,
                     progress=seen.append)  # fmt: skip
    assert found.ids == ("v0", "v1") and seen == [1] * 4
    assert module.training and modes == [False] * 4


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "use --batch 4"),
        (MemoryError(), "8 clips were computed at once"),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: you"), "--batch 4"),
        (RuntimeError("DataLoader worker (pid 5) is killed by signal: Killed."), "fewer --workers"),
    ],
)
def test_a_machine_that_is_too_small_is_told(error: Exception, words: str) -> None:
    with pytest.raises(SpecError) as caught, explained(8):
        raise error
    assert words in " ".join(str(caught.value).split())


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="another"), explained(8):
        raise RuntimeError("another")


def test_videos_of_several_classes_have_average_precision() -> None:
    several = Manifest(
        Path("/nowhere"), (Sample("a", "a", (0, 7)), Sample("b", "b", ())),
        tuple(f"c{n}" for n in range(8)), multi_label=True,
    )  # fmt: skip
    found = scored("uniform", 1, 1, several, (100.0, 100.0, 100.0))
    metrics = found.metrics()
    assert found.multi_label and found.labels == ((0, 7), ())
    # Both videos have the same scores, so each class is met at a precision of a half.
    assert metrics.mean_ap == 0.5 and metrics.confusion is None
    assert (metrics.top1, metrics.top5) == (0.5, 0.5)
    assert found.fused.max() <= 1 and found.fused.sum() > 2, "classes are independent"
