"""Taking videos apart: a folder of JPEG frames for every sample of a list."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath

import torch
import torch.nn.functional as F
from torch import Tensor

from stspec.data.images import count_pictures
from stspec.data.inspect import batches
from stspec.data.manifest import save_manifest
from stspec.data.open import Decoder, open_sample
from stspec.data.pyav import one_thread
from stspec.data.sample import Manifest, Sample
from stspec.data.video import DecodeError
from stspec.diagnostics import Diagnostic, SpecError, display_path

TEMPLATE = "img_{:05d}.jpg"
START = 1


@dataclass(frozen=True, slots=True)
class Extracted:
    """A sample that was taken apart, or why it was not."""

    sample: Sample
    again: bool = False
    """Whether it was there before."""
    fault: str | None = None


def extract(
    manifest: Manifest,
    folder: Path,
    list_name: str,
    *,
    short_side: int | None = None,
    quality: int = 2,
    decoder: Decoder = "auto",
) -> Iterator[Extracted]:
    """Write every frame of every sample as JPEG, and the list of the result; yields as it goes.

    Folders appear whole, so that a run that was stopped goes on where it was. What cannot be read
    is told and left out of the list.

    Args:
        manifest: of videos.
        folder: where to; a folder for each sample within.
        list_name: name of the list of the result, within the folder.
        short_side: pixels that the short side is made to have (bilinear, antialiased).
        quality: FFmpeg's scale for JPEG, 2 (best) to 31.
        decoder: what reads the videos.

    Raises:
        SpecError: if the folder cannot be written, or the samples are no videos.
    """
    if manifest.kind != "video":
        message = f"{display_path(manifest.source)} lists {manifest.kind}, which are apart already"
        raise SpecError(Diagnostic("not-videos", message, help="name a list of video files"))
    done = []
    names = _folder_names(manifest)
    for sample in manifest:
        target = folder / names[sample.id]
        try:
            found = _one(manifest, sample, target, short_side, quality, decoder)
        except DecodeError as error:
            yield Extracted(sample, fault=error.reason)
            continue
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            message = f"cannot write {display_path(target)}: {reason}"
            raise SpecError(Diagnostic("cannot-write", message, help="another folder?")) from error
        apart = replace(found.sample, path=names[sample.id], first=None, last=None)
        done.append(apart)
        yield Extracted(apart, found.again)
    result = replace(manifest, root=folder, kind="frames", template=TEMPLATE, start=START)
    save_manifest(result.with_samples(tuple(done)), folder / list_name)


def _folder_names(manifest: Manifest) -> dict[str, str]:
    """Return a folder for each sample: its path without suffix, told apart where that is not."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for sample in manifest:
        path = PurePosixPath(sample.path)
        parts = [part for part in path.with_suffix("").parts if part not in ("/", "..", ".")]
        name = "/".join(parts)
        if sample.first is not None or sample.last is not None:
            name += f"_{sample.first or 0}_{'end' if sample.last is None else sample.last}"
        plain, number = name, 1
        while name in used:
            number += 1
            name = f"{plain}_{number}"
        used.add(name)
        names[sample.id] = name
    return names


def _one(
    manifest: Manifest, sample: Sample, target: Path, short_side: int | None, quality: int,
    decoder: Decoder,
) -> Extracted:  # fmt: skip
    with open_sample(manifest, sample, decoder) as video:
        apart = replace(sample, frames=video.count, rate=video.rate)
        if target.is_dir() and count_pictures(target, TEMPLATE, START) == video.count:
            return Extracted(apart, again=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        half_made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            for indices in batches(video.count):
                for index, frame in zip(indices, video.read(indices), strict=True):
                    data = encode_jpeg(_resized(frame, short_side), quality)
                    (half_made / TEMPLATE.format(START + index)).write_bytes(data)
            half_made.chmod(0o755)
            if target.is_dir():
                shutil.rmtree(target)  # of another video, or left by hand
            half_made.replace(target)
        finally:
            shutil.rmtree(half_made, ignore_errors=True)
    return Extracted(apart)


def _resized(frame: Tensor, short_side: int | None) -> Tensor:
    """Return a frame (H, W, 3) with the short side wanted; its shape is kept, to a pixel."""
    if short_side is None or min(frame.shape[:2]) == short_side:
        return frame
    height, width = frame.shape[:2]
    factor = short_side / min(height, width)
    size = (round(height * factor), round(width * factor))
    planes = frame.permute(2, 0, 1)[None].float()
    scaled = F.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
    return scaled[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous()


def encode_jpeg(frame: Tensor, quality: int = 2) -> bytes:
    """Return a frame, uint8 (H, W, 3), as a JPEG file with full colour resolution."""
    import av
    from av.video.codeccontext import VideoCodecContext

    context = av.CodecContext.create("mjpeg", "w")
    assert isinstance(context, VideoCodecContext)
    context.height, context.width = frame.shape[:2]
    context.pix_fmt, context.time_base = "yuvj444p", Fraction(1, 25)
    context.thread_type, context.thread_count = "NONE", 1
    context.qmin = context.qmax = quality
    picture = av.VideoFrame.from_ndarray(frame.numpy(), format="rgb24")
    picture = picture.reformat(format="yuvj444p", dst_color_range="JPEG", **one_thread())
    packets = [*context.encode(picture), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
