"""The example: sampled frames, and scores of real and made videos."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch

from examples.run_on_video import find_video, main, make_video, middle_frames, read_clip


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (64, [4, 12, 20, 28, 36, 44, 52, 60]),
        (280, [17, 52, 87, 122, 157, 192, 227, 262]),
        (3, [0, 0, 0, 1, 1, 2, 2, 2]),
        (1, [0] * 8),
    ],
)
def test_one_frame_of_each_segment_is_its_middle(total: int, expected: list[int]) -> None:
    assert middle_frames(total, 8) == expected


def test_a_clip_holds_the_frames_asked_for_in_order(tmp_path: Path) -> None:
    clip, indices = read_clip(make_video(tmp_path / "made.mp4"), 8)
    assert clip.shape == (1, 3, 8, 224, 224)
    assert indices == middle_frames(64, 8)
    # The square moves right by 4 pixels a frame; 8 frames lie between two that are sampled.
    edge = clip[0, 0, 2:7, 112].argmax(-1)  # in the first two it stands left of the crop
    assert (edge.diff() - 32).abs().max() <= 3


def test_a_clip_is_normalised(tmp_path: Path) -> None:
    clip, _ = read_clip(make_video(tmp_path / "made.mp4"), 4)
    grey = (torch.tensor([96.0, 96.0, 96.0]) / 255 - torch.tensor([0.485, 0.456, 0.406])) / (
        torch.tensor([0.229, 0.224, 0.225])
    )
    assert (clip[0, :, 0, 2, -2] - grey).abs().max() < 0.1


def test_portrait_and_tiny_videos_are_cropped_too(tmp_path: Path) -> None:
    path = tmp_path / "portrait.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 36, 64, "yuv420p"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(36, 64, "yuv420p")))
        container.mux(stream.encode(None))
    assert read_clip(path, 8)[0].shape == (1, 3, 8, 224, 224)


def test_what_is_no_video_is_told_in_a_line(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    for path in (text, tmp_path / "absent.mp4", tmp_path):
        with pytest.raises(SystemExit, match=r"run_on_video: cannot read|has no video"):
            main(["tsn_resnet18", str(path)])
    with pytest.raises(SystemExit, match="did you mean"):
        main(["tsn_resnet19"])


def test_a_video_is_made_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("STSPEC_VIDEOS", raising=False)
    assert find_video(None, tmp_path).name == "square.mp4"
    assert "moving square" in capsys.readouterr().out
    assert find_video(Path("mine.mp4"), tmp_path) == Path("mine.mp4")


@pytest.mark.needs_videos
@pytest.mark.parametrize("name", ["arm_wrestling.mp4", "apply_eye_makeup.avi"])
def test_a_real_video_gets_scores(
    name: str, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["tsn_resnet18", str(videos / name), "--top", "3"])
    out = capsys.readouterr().out
    assert name in out and "untrained" in out and out.count("  class ") == 3


@pytest.mark.needs_videos
def test_every_real_video_is_decoded(videos: Path) -> None:
    totals = {
        "arm_wrestling.mp4": 280,
        "cleaning_pool.mp4": 300,
        "cleaning_pool_short.mp4": 32,
        "apply_eye_makeup.avi": 164,
        "two_people_1080p.mp4": 72,
        "standing_1080p.avi": 103,
    }
    for name, total in totals.items():
        clip, indices = read_clip(videos / name, 8)
        assert indices == middle_frames(total, 8), name
        assert clip.isfinite().all() and clip.std() > 0.1
