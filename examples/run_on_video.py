"""Run a model on a clip of a video: decode, sample, crop, normalise, score.

    python examples/run_on_video.py tam_resnet50 my_clip.mp4

The weights are untrained, so the scores mean nothing yet; what is shown is the way from a file to
scores. Frames are sampled as TSN does in evaluation: the video is cut into as many segments of
equal length as the model takes frames, and the middle frame of each is used.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.frame import VideoFrame
from torch import Tensor

import stspec

SHORT_SIDE, CROP = 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images, which the backbones' public weights expect."""


def frames(path: Path) -> Iterator[VideoFrame]:
    """Yield a video's frames in order of presentation.

    Raises:
        ValueError: if the file is no video.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # decoding threads can hang beside those of torch
            yield from container.decode(stream)
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error


def middle_frames(total: int, segments: int) -> list[int]:
    """Return the middle frame of each segment; a short video repeats frames."""
    return [min(total - 1, int((i + 0.5) * total / segments)) for i in range(segments)]


def read_clip(path: Path, segments: int) -> tuple[Tensor, list[int]]:
    """Return a clip (1, 3, segments, 224, 224), normalised, and the frames that it holds.

    Raises:
        ValueError: if the file holds no frames.
    """
    # Containers may state no number of frames, or a wrong one: what counts is what is decoded.
    total = sum(1 for _ in frames(path))
    if total == 0:
        raise ValueError(f"{path} holds no frames")
    wanted = middle_frames(total, segments)
    found = {i: _image(frame) for i, frame in enumerate(frames(path)) if i in wanted}
    clip = torch.stack([found[i] for i in wanted], dim=1).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))
    return ((clip - mean) / std).unsqueeze(0), wanted


def _image(frame: VideoFrame) -> Tensor:
    """Return a frame as (3, 224, 224) of bytes: short side to 256, then the centre."""
    scale = SHORT_SIDE / min(frame.width, frame.height)
    width, height = round(frame.width * scale), round(frame.height * scale)
    image = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
    top, left = (height - CROP) // 2, (width - CROP) // 2
    return torch.from_numpy(image[top : top + CROP, left : left + CROP].copy()).permute(2, 0, 1)


def make_video(path: Path, count: int = 64) -> Path:
    """Write a short H.264 video of a moving square, for those who have none at hand."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 340, 256, "yuv420p"
        for i in range(count):
            image = np.full((256, 340, 3), 96, np.uint8)
            image[96:160, 4 * i : 4 * i + 64] = (230, 120, 40)
            container.mux(stream.encode(VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    return path


def find_video(given: Path | None, folder: Path) -> Path:
    """Return the video asked for, else one of the folder STSPEC_VIDEOS, else one made here."""
    if given is not None:
        return given
    shelf = os.environ.get("STSPEC_VIDEOS")
    if shelf:
        found = sorted(p for p in Path(shelf).iterdir() if p.suffix in (".mp4", ".avi", ".mkv"))
        if found:
            return found[0]
    print("no video was named: a moving square, written and read as H.264, takes its place")
    return make_video(folder / "square.mp4")


def main(arguments: Sequence[str] | None = None) -> None:
    """Score one clip and print the highest scores."""
    parser = argparse.ArgumentParser(description="Run an untrained model on a clip of a video.")
    parser.add_argument("model", help="a spec: tam_resnet50, i3d, my.yaml")
    parser.add_argument("video", nargs="?", type=Path, help="a video file")
    parser.add_argument("--top", type=int, default=5, help="how many classes to print")
    options = parser.parse_args(arguments)
    try:
        network = stspec.load(options.model)
        with tempfile.TemporaryDirectory() as folder:
            video = find_video(options.video, Path(folder))
            clip, indices = read_clip(video, network.spec.model.clip.frames)
    except (stspec.SpecError, ValueError) as error:
        raise SystemExit(f"run_on_video: {error}") from error

    torch.manual_seed(0)
    model = stspec.build(network).eval()
    with torch.inference_mode():
        scores = model(clip).softmax(-1)[0]

    print(f"{video.name}: frames {', '.join(map(str, indices))}; clip {tuple(clip.shape)}")
    print(f"{network.name}, untrained (seed 0): these scores mean nothing yet")
    for score, index in zip(*scores.topk(min(options.top, len(scores))), strict=True):
        print(f"  class {int(index):3}  {float(score):.4f}")


if __name__ == "__main__":
    main()
