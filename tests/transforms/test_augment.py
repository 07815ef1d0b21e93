"""Clips of made-up videos, whose pixels tell where they come from."""

from __future__ import annotations

import random

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from stspec.data.sampling import view_indices
from tests.loading.made import CLASSES, MadeVideo, augmentation, sample

VIDEO = MadeVideo(7, count=40, height=12, width=16)


def left(clip: Tensor) -> int:
    """Return the column of the video that the clip's first one shows."""
    return int(clip[2, 0, 0, 0])


def test_a_clip_holds_drawn_frames_of_one_place() -> None:
    clip = augmentation(flip=False).train(VIDEO, sample(7), 0, 0)
    assert clip.pixels.shape == (3, 4, 8, 8)
    assert clip.pixels.dtype == torch.uint8
    assert clip.pixels.is_contiguous()
    assert (clip.pixels[0] == 7).all()
    frames = clip.pixels[1, :, 0, 0].tolist()
    assert [frame // 10 for frame in frames] == [0, 1, 2, 3]  # one of each segment of 10
    assert (clip.pixels[2] == clip.pixels[2, 0, 0]).all()  # the same columns in all frames
    assert (clip.pixels[2, 0, 0].int() - left(clip.pixels)).tolist() == list(range(8))


def test_clips_follow_from_their_keys_alone() -> None:
    how = augmentation(flip=True)
    first = how.train(VIDEO, sample(7), 3, 11)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    random.seed(1)
    again = how.train(VIDEO, sample(7), 3, 11)
    assert torch.equal(first.pixels, again.pixels)
    torch.set_rng_state(state)
    before = random.getstate()
    others = [
        how.train(VIDEO, sample(7), 4, 11),
        how.train(VIDEO, sample(7), 3, 12),
        how.train(VIDEO, sample(8), 3, 11),
    ]
    assert all(not torch.equal(first.pixels, other.pixels) for other in others)
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == before


def test_stages_are_drawn_apart() -> None:
    """Another crop does not change the frames, nor a flip the crop."""
    plain = augmentation(flip=False).train(VIDEO, sample(7), 0, 0).pixels
    whole = augmentation(flip=False, crop="none").train(VIDEO, sample(7), 0, 0).pixels
    assert torch.equal(plain[1, :, 0, 0], whole[1, :, 0, 0])
    for epoch in range(10):
        plain = augmentation(flip=False).train(VIDEO, sample(7), epoch, 0).pixels
        turned = augmentation(flip=True).train(VIDEO, sample(7), epoch, 0).pixels
        assert torch.equal(plain, turned) or torch.equal(plain, turned.flip(3))


def test_half_of_the_clips_are_mirrored_and_labels_follow() -> None:
    how = augmentation(crop="center", flip="auto")
    for label, partner in ((0, 1), (1, 0), (2, 2)):
        clips = [how.train(VIDEO, sample(7, label), epoch, 0) for epoch in range(200)]
        mirrored = [left(clip.pixels) > 8 for clip in clips]
        assert 70 < sum(mirrored) < 130
        for clip, is_mirrored in zip(clips, mirrored, strict=True):
            assert clip.labels == ((partner,) if is_mirrored else (label,))


@pytest.mark.parametrize("classes", [("turns clockwise", "b", "c"), ("goes left", "b", "c"), ()])
def test_what_must_not_be_mirrored_is_not(classes: tuple[str, ...]) -> None:
    how = augmentation(crop="center", flip="auto", classes=classes)
    clips = [how.train(VIDEO, sample(7, 0), epoch, 0) for epoch in range(30)]
    assert {left(clip.pixels) for clip in clips} == {4}


def test_short_sides_are_drawn_from_their_range() -> None:
    """The wider the frames, the slower their columns change from pixel to pixel."""
    how = augmentation(short_side=(12, 24), crop="center", flip=False)
    slopes = set()
    for epoch in range(60):
        row = how.train(VIDEO, sample(7), epoch, 0).pixels[2, 0, 0].int()
        slopes.add(int(row[-1] - row[0]))
    assert min(slopes) == 3  # 24: half a column each
    assert max(slopes) == 7  # 12: as they are
    assert len(slopes) >= 4


def test_multi_scale_crops_come_out_at_the_clips_size() -> None:
    how = augmentation(crop="multi_scale", flip=False, size=(8, 10))
    shapes = {tuple(how.train(VIDEO, sample(7), e, 0).pixels.shape) for e in range(30)}
    assert shapes == {(3, 4, 8, 10)}


def test_frames_can_be_resized_out_of_proportion() -> None:
    how = augmentation(resize=(10, 32), crop="random", flip=False, size=(10, 32))
    row = how.train(VIDEO, sample(7), 0, 0).pixels[2, 0, 0]
    assert row.tolist()[::2] == list(range(16))


def test_views_are_clips_times_crops() -> None:
    how = augmentation(clips=2, crops=3, test_sampling="uniform", test_size=12)
    views = how.views(VIDEO, sample(7))
    assert len(views) == how.view_count == 6
    frames = view_indices("uniform", 40, 4, 1, 2)
    for number, view in enumerate(views):
        assert view.pixels.shape == (3, 4, 12, 12)
        assert view.pixels[1, :, 0, 0].tolist() == frames[number // 3]
        assert left(view.pixels) == (0, 2, 4)[number % 3]
        assert view.labels == (1,)
        assert torch.equal(how.view(VIDEO, sample(7), number).pixels, view.pixels)


def test_ten_crops_are_five_and_their_mirror_images() -> None:
    views = augmentation(crops=10).views(VIDEO, sample(7))
    for view, image in zip(views[:5], views[5:], strict=True):
        assert torch.equal(view.pixels, image.pixels.flip(3))


def test_small_frames_are_enlarged_for_a_larger_test_size() -> None:
    assert augmentation(test_size=20).views(VIDEO, sample(7))[0].pixels.shape[2:] == (20, 20)


def test_differences_of_frames() -> None:
    how = augmentation(differences=True, flip=False, crop="center")
    clip = how.train(VIDEO, sample(7), 0, 0).pixels
    assert (clip[0] == 128).all()  # the video's number does not change
    assert (clip[1] == 128).all()  # the frame's grows by 1, half of which is rounded down
    assert how.train(MadeVideo(7, count=1), sample(7), 0, 0).pixels.shape == (3, 4, 8, 8)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"short_side": 6}, "cannot be cut out of frames of short side 6"),
        ({"resize": (6, 20)}, "cannot be cut out of frames of 6x20"),
        ({"short_side": (20, 12)}, "from 20 to 12"),
        ({"scales": (1, 0)}, "scales"),
        ({"size": 0}, "sides"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        augmentation(**wrong)


def test_the_names_of_classes_decide() -> None:
    assert augmentation().flips.partners == (1, 0, 2)
    assert CLASSES[2] == "stands"
