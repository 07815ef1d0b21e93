"""What is in a data set: frames, rate, hash of every sample, and what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from stspec.data.images import AXES, count_pictures, picture_name
from stspec.data.lists.saved import heading, row
from stspec.data.open import Decoder, open_sample
from stspec.data.sample import Manifest, Sample
from stspec.data.video import DecodeError
from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.output import write_output

_AT_ONCE = 16
"""Frames that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a sample."""

    sample: Sample
    """With the frames and rate that were found."""
    size: int
    modified: int
    """Bytes, and nanoseconds of the last change: what tells that it must be looked at again."""
    hash: str = ""
    fault: str | None = None
    """Why it cannot be read."""
    stale: str | None = None
    """How the list is wrong about it, though it can be read."""


def inspect(
    manifest: Manifest, sample: Sample, *, every_frame: bool = False, decoder: Decoder = "auto"
) -> Finding:
    """Look at a sample: count its frames and decode the first, middle and last, or every one."""
    path = manifest.path(sample)
    size, modified = stamp(manifest, sample)
    try:
        with open_sample(manifest, sample, decoder) as video:
            count, rate = video.count, video.rate
            ends = sorted({0, count // 2, count - 1})
            runs = batches(count) if every_frame else [ends]
            for indices in runs:
                video.read(indices)
        digest = _hash(manifest, sample)
    except DecodeError as error:
        return Finding(sample, size, modified, fault=_reason(error, path))
    except OSError as error:
        return Finding(sample, size, modified, fault=(error.strerror or str(error)).lower())
    found = replace(sample, frames=count, rate=rate if rate is not None else sample.rate)
    return Finding(found, size, modified, digest, stale=_stale(manifest, sample, count))


def batches(count: int) -> Iterator[list[int]]:
    """Yield the numbers of all frames, a few at a time."""
    for start in range(0, count, _AT_ONCE):
        yield list(range(start, min(start + _AT_ONCE, count)))


def inspect_all(
    manifest: Manifest,
    samples: Iterable[Sample],
    *,
    every_frame: bool = False,
    workers: int = 1,
    decoder: Decoder = "auto",
) -> Iterator[Finding]:
    """Yield what is found of samples, in order.

    A worker that dies does not take the others along: what it had is looked at apart, and the
    sample that killed it is told as broken.
    """
    look = partial(_inspect, manifest, every_frame, decoder)
    samples = list(samples)
    if workers <= 1:
        yield from map(look, samples)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    done = 0
    while done < len(samples):
        try:
            with ProcessPoolExecutor(workers, context, initializer=_one_thread) as pool:
                for finding in pool.map(look, samples[done:], chunksize=4):
                    yield finding
                    done += 1
        except BrokenProcessPool:
            yield _alone(manifest, samples[done], look)
            done += 1


def _alone(manifest: Manifest, sample: Sample, look: partial[Finding]) -> Finding:
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, context, initializer=_one_thread) as pool:
            return pool.submit(look, sample).result()
    except BrokenProcessPool:
        size, modified = stamp(manifest, sample)
        return Finding(sample, size, modified, fault="the decoder crashes on it")


def _inspect(manifest: Manifest, every_frame: bool, decoder: Decoder, sample: Sample) -> Finding:
    return inspect(manifest, sample, every_frame=every_frame, decoder=decoder)


def _one_thread() -> None:
    torch.set_num_threads(1)


def stamp(manifest: Manifest, sample: Sample) -> tuple[int, int]:
    """Return size and time of the last change of a file or folder; zeros where there is none."""
    try:
        about = manifest.path(sample).stat()
    except (OSError, ValueError):
        return 0, 0
    return about.st_size, about.st_mtime_ns


def _hash(manifest: Manifest, sample: Sample) -> str:
    """Return the fingerprint of a file's bytes, or of the sizes of a folder's pictures."""
    digest = hashlib.blake2b(digest_size=16)
    path = manifest.path(sample)
    if manifest.kind == "video":
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    axes = AXES if manifest.kind == "flow" else AXES[:1]
    count = count_pictures(path, manifest.template, manifest.start)
    for number in range(manifest.start, manifest.start + count):
        for axis in axes:
            name = picture_name(manifest.template, number, axis)
            digest.update(f"{name}:{(path / name).stat().st_size}\n".encode())
    return digest.hexdigest()


def _stale(manifest: Manifest, sample: Sample, count: int) -> str | None:
    """Return how a list's count of frames differs from what is there, though enough are."""
    if sample.frames is None or sample.last is not None:
        return None
    if manifest.kind != "video":
        path = manifest.path(sample)
        count = count_pictures(path, manifest.template, manifest.start) - (sample.first or 0)
    if count == sample.frames:
        return None
    return f"the list promises {sample.frames} frames, {count} are there"


def _reason(error: DecodeError, path: Path) -> str:
    """Return a reason, with the file where it is not the sample's own."""
    return error.reason if error.path == str(path) else str(error)


def write_index(
    manifest: Manifest,
    path: Path,
    *,
    every_frame: bool = False,
    workers: int = 1,
    skip_broken: bool = False,
) -> Iterator[Finding]:
    """Look at every sample and write a manifest with what was found; yields as it goes.

    What was found is kept in ``NAME.part`` beside the file, so that a run that was stopped goes on
    where it was; files that changed since are looked at again. The same file is written, however
    often the run was stopped.

    Raises:
        SpecError: if the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    known = {**_read_findings(path), **_read_findings(part)}
    findings: dict[str, Finding] = {}
    todo = []
    for sample in manifest:
        seen = known.get(sample.id)
        if seen and _still(manifest, sample, seen, every_frame):
            findings[sample.id] = _restored(sample, seen)
            yield findings[sample.id]
        else:
            todo.append(sample)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("a", encoding="utf-8") as file:
            found = inspect_all(manifest, todo, every_frame=every_frame, workers=workers)
            for finding in found:
                findings[finding.sample.id] = finding
                file.write(_line(finding, every_frame) + "\n")
                file.flush()
                yield finding
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot write {display_path(part)}: {reason}"
        raise SpecError(
            Diagnostic("cannot-write", message, help="name another file with -o")
        ) from error
    kept = [findings[sample.id] for sample in manifest]
    kept = [finding for finding in kept if not (skip_broken and finding.fault)]
    lines = [heading(manifest, path), *(_line(finding, every_frame) for finding in kept)]
    write_output(path, "\n".join(lines) + "\n")
    part.unlink(missing_ok=True)


def _line(finding: Finding, every_frame: bool) -> str:
    more: dict[str, object] = {"size": finding.size, "modified": finding.modified}
    if finding.hash:
        more["hash"] = finding.hash
    for name in ("fault", "stale"):
        if getattr(finding, name):
            more[name] = getattr(finding, name)
    return row(finding.sample, **more, readable=finding.fault is None, every_frame=every_frame)


def _read_findings(path: Path) -> dict[str, dict[str, object]]:
    """Return rows by id; what a stopped run left half written is left out."""
    found = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            seen = json.loads(line)
            found[str(seen["id"])] = seen
        except (ValueError, LookupError, TypeError):
            continue
    return found


def _still(manifest: Manifest, sample: Sample, seen: dict[str, object], every_frame: bool) -> bool:
    """Tell whether a row says of a sample, as it is now, what is asked for."""
    same = (seen.get("size"), seen.get("modified")) == stamp(manifest, sample)
    ours = seen.get("path") == sample.path and seen.get("fault") is None
    piece = (seen.get("first"), seen.get("last")) == (sample.first, sample.last)
    return same and ours and piece and (not every_frame or bool(seen.get("every_frame")))


def _restored(sample: Sample, seen: dict[str, object]) -> Finding:
    size, modified = int(str(seen["size"])), int(str(seen["modified"]))
    frames, rate = seen.get("frames"), seen.get("rate")
    found = replace(
        sample,
        frames=frames if isinstance(frames, int) else None,
        rate=float(rate) if isinstance(rate, int | float) else None,
    )
    stale = seen.get("stale")
    return Finding(
        found, size, modified, str(seen.get("hash", "")), None, str(stale) if stale else None
    )
