"""Predictions as a file: of every view and fused, enough to compute all metrics anew.

One ``.npz`` of plain arrays and, beside it, ``.npz.json`` that says what they are.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.evaluate.fuse import By, Exact, Fuse, Scores, fuse
from stspec.evaluate.metrics import Metrics, hot, measure
from stspec.evaluate.views import Views
from stspec.output import write_bytes

FORM = 1
"""Version of the file's layout."""

NOT_FINITE = "not-finite"
"""Code of the diagnosis of scores that are no numbers."""

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,  # zipfile's of encrypted parts and of compressions that it does not know
    TypeError,
    ValueError,
)
"""What reading a damaged file has been seen to raise."""


@dataclass(frozen=True)
class Predictions:
    """Scores of N videos from V views each, over K classes."""

    ids: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    logits: Scores
    """(N, V, K), as the model gave them."""
    classes: tuple[str, ...]
    views: Views
    fuse: Fuse = "probabilities"
    by: By = "mean"
    multi_label: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    """Videos that could not be read and are not among the ids: id and reason."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where they are from: spec, weights, data."""

    def __post_init__(self) -> None:
        assert self.logits.shape == (len(self.ids), self.views.count, len(self.classes))
        assert len(self.labels) == len(self.ids) == len(set(self.ids))

    @cached_property
    def answers(self) -> Answers:
        """Return the first class of every video.

        Raises:
            SpecError: if a score is not finite, or videos lack labels.
        """
        self.check()
        first = self.fused.argmax(axis=1)
        return Answers(self.ids, self.labels, self.classes, first, self.multi_label)

    @cached_property
    def fused(self) -> Exact:
        """Return probabilities (N, K) of the videos."""
        return fuse(self.logits, self.fuse, self.by, multi_label=self.multi_label)

    def metrics(self) -> Metrics:
        """Return the metrics of the videos.

        Raises:
            SpecError: if a score is not finite, or videos lack labels.
        """
        return self._measure(self.fused)

    def view_metrics(self) -> list[Metrics]:
        """Return the metrics of each view taken alone; their mean is the 2018 study's clip@1.

        Raises:
            SpecError: if a score is not finite, or videos lack labels.
        """
        alone = (self.logits[:, view : view + 1] for view in range(self.views.count))
        return [self._measure(fuse(each, multi_label=self.multi_label)) for each in alone]

    @property
    def clip_top1(self) -> float | None:
        """Return the mean top-1 accuracy of the views, each taken alone; None without videos.

        It is that of `view_metrics`, in less time.
        """
        if not self.ids:
            return None
        self.check()
        truth = hot(self.labels, len(self.classes))
        first = self.logits.argmax(axis=2)
        return float(np.take_along_axis(truth, first, axis=1).mean())

    def _measure(self, scores: Exact) -> Metrics:
        self.check()
        return measure(scores, self.labels, self.classes, multi_label=self.multi_label)

    def check(self) -> None:
        """Refuse scores that are not finite, and videos without the label that metrics need.

        Raises:
            SpecError: naming the first.
        """
        _check(self.ids, self.labels, self._finite, self.multi_label)

    @property
    def _finite(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.logits).all(axis=(1, 2)))


@dataclass(frozen=True)
class Answers:
    """The first class that a model gives each of N videos: all that accuracies are made of."""

    ids: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    first: NDArray[np.int64]
    """(N,), numbers of classes."""
    multi_label: bool = False


def _check(
    ids: tuple[str, ...],
    labels: tuple[tuple[int, ...], ...],
    finite: NDArray[np.bool_],
    multi_label: bool,
) -> None:
    if not finite.all():
        first = ids[int(np.argmin(finite))]
        count = len(ids) - int(finite.sum())
        message = f"scores of {count} of {len(ids)} videos are not finite, `{first}` first"
        help = "use --precision float32 or bfloat16; if it stays, the weights have diverged"
        raise SpecError(Diagnostic(NOT_FINITE, message, help=help))
    if not multi_label and not all(labels):
        name = next(name for name, numbers in zip(ids, labels, strict=True) if not numbers)
        message = f"`{name}` has no label, and without labels there are no metrics"
        raise SpecError(Diagnostic("no-labels", message))


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions to `path` (.npz) and their index beside it; each whole or not at all.

    Raises:
        SpecError: if a file cannot be written.
    """
    offsets = np.cumsum([0, *(len(numbers) for numbers in predictions.labels)])
    flat = [number for numbers in predictions.labels for number in numbers]
    arrays = {
        "ids": np.asarray(predictions.ids, dtype=np.str_),
        "labels": np.asarray(flat, dtype=np.int64),
        "label_offsets": offsets.astype(np.int64),
        # What comparisons of hundreds of runs read, who need no scores; -1 where one is no number.
        "first": np.where(predictions._finite, predictions.fused.argmax(axis=1), -1),
        "logits": predictions.logits,
        "fused": predictions.fused,
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    index = {
        "form": FORM,
        "sha256": hashlib.sha256(data).hexdigest(),
        "videos": len(predictions.ids),
        "classes": list(predictions.classes),
        "views": str(predictions.views),
        "fuse": predictions.fuse,
        "by": predictions.by,
        "multi_label": predictions.multi_label,
        "faults": dict(predictions.faults),
        "about": dict(predictions.about),
    }
    _write(path, data)
    text = json.dumps({**index, "check": _check_sum(index)}, indent=1) + "\n"
    _write(index_path(path), text.encode())


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote. Runs no code of the file.

    Raises:
        SpecError: if a file is missing, damaged, or belongs to another one.
    """
    with _damage_told(path):
        data, index = path.read_bytes(), _index(path)
        if hashlib.sha256(data).hexdigest() != index["sha256"]:
            raise _damaged(path, "its content is not what its index says")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _predictions(arrays, index)


def read_answers(path: Path) -> Answers:
    """Read the first classes alone of what `write_predictions` wrote, in little time.

    Only those parts of the file are read, and held to their checksums, that this takes.

    Raises:
        SpecError: as `read_predictions`; if a score is not finite, or videos lack labels.
    """
    with _damage_told(path):
        index = _index(path)
        with np.load(path, allow_pickle=False) as arrays:
            if "first" not in arrays.files:  # written before there was such a part
                return read_predictions(path).answers
            first = arrays["first"]
            ids, labels = _videos(*(arrays[name] for name in _VIDEOS))
        assert first.shape == (len(ids),), "a first class for each video"
        assert (first < len(index["classes"])).all(), "a first class is one of the classes"
    _check(ids, labels, first >= 0, index["multi_label"])
    return Answers(ids, labels, tuple(index["classes"]), first, index["multi_label"])


_VIDEOS = ("ids", "labels", "label_offsets")


def _index(path: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads(index_path(path).read_text(encoding="utf-8"))
    if index.pop("check") != _check_sum(index):
        raise _damaged(path, "its index is damaged")
    if index["form"] != FORM:
        raise _damaged(path, f"its layout is number {index['form']}, not {FORM}")
    return index


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Tell what a damaged file raises as a diagnosis of it."""
    try:
        yield
    except FileNotFoundError as error:
        message = f"there is no {display_path(Path(str(error.filename)))}"
        raise SpecError(Diagnostic("no-predictions", message)) from None
    except (*_DAMAGE, AssertionError) as error:
        # numpy's word on what is no archive of its own is advice that nobody should follow.
        reason = "it is no archive of arrays" if "pickle" in str(error) else str(error)
        raise _damaged(path, reason or type(error).__name__) from None


def index_path(path: Path) -> Path:
    """Return where the index of a file of predictions lies."""
    return path.with_name(path.name + ".json")


def _check_sum(index: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def _predictions(arrays: Mapping[str, NDArray[Any]], index: Mapping[str, Any]) -> Predictions:
    ids, labels = _videos(*(arrays[name] for name in _VIDEOS))
    return Predictions(
        ids=ids,
        labels=labels,
        logits=np.asarray(arrays["logits"], dtype=np.float32),
        classes=tuple(index["classes"]),
        views=Views.parse(index["views"]),
        fuse=index["fuse"],
        by=index["by"],
        multi_label=index["multi_label"],
        faults=index["faults"],
        about=index["about"],
    )


Videos = tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]


def _videos(ids: NDArray[Any], labels: NDArray[Any], offsets: NDArray[Any]) -> Videos:
    """Return names and labels; those of runs on the same videos are the same objects."""
    return _decoded(ids.tobytes(), ids.dtype.str, labels.tobytes(), offsets.tobytes())


@lru_cache(maxsize=4)
def _decoded(ids: bytes, form: str, labels: bytes, offsets: bytes) -> Videos:
    flat = np.frombuffer(labels, dtype=np.int64).tolist()
    spans = itertools.pairwise(np.frombuffer(offsets, dtype=np.int64).tolist())
    names = np.frombuffer(ids, dtype=form) if ids else np.empty(0, dtype=np.str_)
    return tuple(map(str, names.tolist())), tuple(tuple(flat[a:b]) for a, b in spans)


def _damaged(path: Path, reason: str) -> SpecError:
    message = f"{display_path(path)} holds no predictions: {reason}"
    return SpecError(Diagnostic("bad-predictions", message, help="run `stspec eval` again"))


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot write {display_path(path)}: {reason}"
        raise SpecError(Diagnostic("cannot-write", message)) from error
