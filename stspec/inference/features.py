"""Features of many videos: a file each, an index that grows line by line, safe to interrupt.

The folder holds ``features.json`` (what they are), ``index.jsonl`` (one line a video, written
after its file is whole), ``broken.jsonl`` (videos that could not be read) and the files.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from stspec.data.sample import Manifest, Sample
from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.inference.stream import Cut, Engine, Stream, Whole, loader, run
from stspec.output import write_bytes, write_text

INDEX, BROKEN, ABOUT = "index.jsonl", "broken.jsonl", "features.json"
Form = Literal["npy", "safetensors"]
Broken = Literal["error", "skip"]


@dataclass(slots=True)
class Summary:
    """What became of the videos."""

    written: int = 0
    before: int = 0
    """Videos whose features an earlier run had written."""
    broken: int = 0


def extract(
    engine: Engine,
    cut: Cut,
    manifest: Manifest,
    folder: Path,
    about: Mapping[str, Any],
    *,
    form: Form = "npy",
    half: bool = False,
    batch: int = 8,
    workers: int = 0,
    broken: Broken = "error",
    progress: Callable[[Summary, Sample, str | None], None] | None = None,
) -> Summary:
    """Write the features of every video that has none yet.

    A video's file holds (W, ...) for W windows, or (...) where the video is not cut into such;
    the values of several views of a window are averaged. What a
    run that was killed has left is completed by the next one. Videos that were broken are tried
    again.

    Args:
        engine: gives values of clips.
        cut: gives clips of videos.
        manifest: the videos; their ids name the files.
        folder: where to write.
        about: what the features are; another run may go on only with an equal one.
        form: of the files; safetensors hold ``features`` and ``frames``, the first and last
            frame of each window.
        half: write float16 in place of float32.
        batch: clips at once.
        workers: processes that read videos.
        broken: ``error`` stops at the first video that cannot be read, ``skip`` leaves it out
            of the index and names it in broken.jsonl.
        progress: is told after each video, with the reason if it is broken.

    Raises:
        SpecError: if the folder holds other features or is in use, a video is broken and the
            policy is ``error``, or a file cannot be written.
    """
    with _store(folder, {**about, "form": form, "half": half}) as store:
        done = store.done()
        numbers = [n for n, sample in enumerate(manifest) if sample.id not in done]
        summary = Summary(before=len(manifest) - len(numbers))
        stream = Stream(manifest, numbers, cut)
        for whole in run(engine, loader(stream, workers), batch):
            sample = manifest.samples[whole.index]
            if whole.fault is not None:
                summary.broken += 1
                store.note_broken(sample, whole.fault)
                if broken == "error":
                    raise _broken(manifest, sample, whole.fault)
            else:
                summary.written += 1
                store.add(sample, whole, form, half)
            if progress is not None:
                progress(summary, sample, whole.fault)
    return summary


def file_name(id: str, form: Form) -> str:
    """Return the path of a video's features below the folder; no id leads out of it."""
    parts = [part for part in PurePosixPath(id).parts if part not in ("/", "//", "..", ".")]
    if not parts or "/".join(parts) != id or not all(map(_is_plain, parts)):
        parts = [re.sub(r"[^\w .-]", "_", part)[:40].lstrip(".") or "_" for part in parts]
        digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
        parts = [*parts[:-1], f"{parts[-1] if parts else '_'}-{digest[:12]}"]
    return "/".join(parts) + f".{form}"


def _is_plain(part: str) -> bool:
    """Tell whether every file system takes a name as it is."""
    return part.isprintable() and not part.startswith(".") and len(part.encode()) <= 200


def read_index(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of an index; one that was cut short by a kill is left out."""
    try:
        data = (folder / INDEX).read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


class _Store:
    """The folder, locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: set[Path] = set()

    def done(self) -> set[str]:
        """Return the ids of videos whose files are there, and mend the index for appending."""
        path = self.folder / INDEX
        try:
            rows = read_index(self.folder)
            there = [row for row in rows if (self.folder / row["file"]).is_file()]
            text = "".join(_line(row) for row in there)
        except (ValueError, LookupError, TypeError):
            message = f"{display_path(path)} is damaged"
            help = "remove it, and what is missing in it is computed again"
            raise SpecError(Diagnostic("damaged-index", message, help=help)) from None
        if path.is_file() and path.stat().st_size != len(text.encode()):
            write_text(path, text)
        (self.folder / BROKEN).unlink(missing_ok=True)
        return {row["id"] for row in there}

    def add(self, sample: Sample, whole: Whole, form: Form, half: bool) -> None:
        """Write a video's file, and then its line."""
        spans = [(w.first, w.last) for w in whole.windows if w is not None]
        values = torch.stack([value.mean(0) for value in whole.values])
        if not spans:
            values = values.squeeze(0)
        array = values.to(torch.float16 if half else torch.float32).contiguous()
        name = file_name(sample.id, form)
        path = self.folder / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        write_bytes(path, _encoded(array, spans, form))
        row: dict[str, Any] = {
            "id": sample.id, "file": name, "shape": list(array.shape),
            "dtype": str(array.dtype).removeprefix("torch."), "frames": whole.count,
            "rate": whole.rate,
        }  # fmt: skip
        if spans:
            row["windows"] = spans
        if sample.labels:
            row["labels"] = list(sample.labels)
        self._append(INDEX, row)

    def note_broken(self, sample: Sample, reason: str) -> None:
        """Name a video that cannot be read."""
        self._append(BROKEN, {"id": sample.id, "path": sample.path, "reason": reason})

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        # One write: a kill leaves the whole line or a part of it at the end, which is mended.
        with (self.folder / name).open("ab", buffering=0) as file:
            file.write(_line(row).encode())


@contextmanager
def _store(folder: Path, about: Mapping[str, Any]) -> Iterator[_Store]:
    """Open a folder for features of one kind, and keep others from writing there.

    Raises:
        SpecError: if it is in use, holds features of another kind, or cannot be written.
    """
    lock: int | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        _lock(lock, folder)
        _check_about(folder / ABOUT, json.loads(json.dumps(about)))
        yield _Store(folder)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot write in {display_path(folder)}: {reason}"
        help = "what is written is kept; the same command goes on"
        raise SpecError(Diagnostic("cannot-write", message, help=help)) from error
    finally:
        if lock is not None:
            os.close(lock)


def _lock(handle: int, folder: Path) -> None:
    try:
        # Of the process, not of the open file: workers do not inherit it.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"another process writes features in {display_path(folder)}"
        raise SpecError(Diagnostic("folder-in-use", message)) from None


def _check_about(path: Path, about: Mapping[str, Any]) -> None:
    if not path.is_file():
        write_text(path, json.dumps(about, indent=1) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [k for k in {**before, **about} if before.get(k) != about.get(k)]
    except (ValueError, AttributeError, TypeError):
        before, changed = {}, ["all"]
    # Where the weights lie does not matter, their digest does.
    changed = [key for key in changed if key != "weights"]
    if changed:
        told = ", ".join(f"{k} ({before.get(k)} before, {about.get(k)} now)" for k in changed[:4])
        message = f"{display_path(path.parent)} holds other features: {told}"
        help = "name another folder with -o"
        raise SpecError(Diagnostic("other-features", message, help=help))


def _encoded(array: Tensor, spans: list[tuple[int, int]], form: Form) -> bytes:
    if form == "safetensors":
        from safetensors.torch import save

        tensors = {"features": array}
        if spans:
            tensors["frames"] = torch.tensor(spans)
        return save(tensors)
    buffer = io.BytesIO()
    np.save(buffer, array.numpy(), allow_pickle=False)
    return buffer.getvalue()


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _broken(manifest: Manifest, sample: Sample, reason: str) -> SpecError:
    message = f"{display_path(manifest.path(sample))} cannot be read: {reason}"
    help = "--broken skip leaves such videos out; what is written is kept"
    return SpecError(Diagnostic("broken-video", message, help=help))
