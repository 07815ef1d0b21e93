"""Batches in an order that depends on seed and epoch alone, whatever the workers and the ranks."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from stspec.data.dataset import Broken, ClipDataset, Item, TrainKey, ViewKey
from stspec.diagnostics import Diagnostic, SpecError
from stspec.rng import keyed

Key = TrainKey | ViewKey

LOST_READER = "lost-reader"
"""Code of the diagnosis of a process that reads and has ended."""


class Batch(TypedDict):
    """Clips that are learnt from, or scored, at once."""

    clips: Tensor
    """uint8 (B, C, T, H, W)."""
    labels: Tensor
    """int64 (B,), or float32 (B, classes) of several labels."""
    indices: Tensor
    """int64 (B,): places in the manifest."""
    views: Tensor
    """int64 (B,)."""
    faults: list[str]
    """Videos that could not be read; unless another stands in, B is smaller for it."""


def epoch_order(seed: int, epoch: int, n: int) -> list[int]:
    """Return the order in which an epoch visits n samples."""
    order = list(range(n))
    keyed(seed, "order", epoch).shuffle(order)
    return order


class Loader:
    """Batches that workers read; what they cannot read is raised here, by name."""

    def __init__(
        self,
        dataset: ClipDataset,
        plan: TrainPlan | ViewPlan,
        workers: int,
        persistent: bool,
        pin_memory: bool,
    ) -> None:
        self.plan = plan
        self._broken: Broken = dataset.broken
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=plan,
            num_workers=workers,
            collate_fn=_collate,
            worker_init_fn=_start_worker,
            persistent_workers=persistent and workers > 0,
            pin_memory=pin_memory,
            # Without one of its own it would draw from the global generator.
            generator=torch.Generator(),
        )

    def start(self, epoch: int, first_batch: int = 0) -> Loader:
        """Set where the next iteration begins, and return this loader.

        Raises:
            TypeError: if it is a loader of views.
        """
        if not isinstance(self.plan, TrainPlan):
            raise TypeError("views have no epochs")
        self.plan.epoch, self.plan.first_batch = epoch, first_batch
        return self

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches.

        Raises:
            SpecError: if a video cannot be read and the policy is ``error``, or a worker died.
        """
        try:
            for batch in self._loader:
                if batch["faults"] and self._broken == "error":
                    raise _unreadable(batch["faults"])
                yield batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker (pid"):
                raise
            raise _dead_worker(error) from error


class TrainPlan(Sampler[list[TrainKey]]):
    """Which clips each batch of an epoch holds, of one rank."""

    def __init__(
        self, dataset: ClipDataset, batch: int, rank: int, world: int, epoch: int, first_batch: int
    ) -> None:
        self.epoch, self.first_batch = epoch, first_batch
        self._seed, self._samples = dataset.seed, len(dataset)
        self._batch, self._share, self._rank = batch, batch // world, rank

    def __iter__(self) -> Iterator[list[TrainKey]]:
        epoch, order = self.epoch, epoch_order(self._seed, self.epoch, self._samples)
        for number in range(self.first_batch, self._samples // self._batch):
            start = number * self._batch + self._rank * self._share
            yield [TrainKey(epoch, index) for index in order[start : start + self._share]]

    def __len__(self) -> int:
        return max(0, self._samples // self._batch - self.first_batch)


class ViewPlan(Sampler[list[ViewKey]]):
    """Every view of every sample once over all ranks; each rank takes whole samples in a row."""

    def __init__(self, dataset: ClipDataset, batch: int, rank: int, world: int) -> None:
        samples = len(dataset)
        self._views, self._batch = dataset.augmentation.view_count, batch
        self._first = samples * rank // world * self._views
        self._past = samples * (rank + 1) // world * self._views

    def __iter__(self) -> Iterator[list[ViewKey]]:
        for start in range(self._first, self._past, self._batch):
            numbers = range(start, min(start + self._batch, self._past))
            yield [ViewKey(*divmod(number, self._views)) for number in numbers]

    def __len__(self) -> int:
        return -(-(self._past - self._first) // self._batch)


def train_loader(
    dataset: ClipDataset,
    *,
    batch: int,
    rank: int = 0,
    world: int = 1,
    epoch: int = 0,
    first_batch: int = 0,
    workers: int = 0,
    persistent: bool = False,
    pin_memory: bool = False,
) -> Loader:
    """Return a loader of an epoch's batches, or of its rest.

    Args:
        dataset: the clips.
        batch: clips of all ranks together; a last part of an epoch that is smaller is dropped.
        rank: which equal share of each batch.
        world: number of ranks.
        epoch: which epoch; ``.start(epoch)`` sets the next one.
        first_batch: where to begin in it.
        workers: processes that read; 0 reads in this one.
        persistent: the workers stay for further epochs.
        pin_memory: batches lie where a GPU can fetch them while it works.

    Raises:
        SpecError: if the batch cannot be shared equally, or is larger than the data set.
    """
    _check(batch, rank, world)
    if batch % world:
        raise SpecError(
            Diagnostic(
                "batch-not-shared",
                f"a batch of {batch} clips cannot be shared equally by {world} processes",
                help=f"batch: {max(1, batch // world) * world}",
            )
        )
    if batch > len(dataset):
        raise SpecError(
            Diagnostic(
                "batch-too-large",
                f"a batch takes {batch} clips, the data set has {len(dataset)}",
                help=f"batch: {len(dataset)}, or less",
            )
        )
    plan = TrainPlan(dataset, batch, rank, world, epoch, first_batch)
    return Loader(dataset, plan, workers, persistent, pin_memory)


def eval_loader(
    dataset: ClipDataset,
    *,
    batch: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    pin_memory: bool = False,
) -> Loader:
    """Return a loader of every view of the samples of this rank, none twice, nothing padded.

    Args:
        dataset: the clips.
        batch: views at once, of this rank; the last may be fewer.
        rank: which share of the samples.
        world: number of ranks.
        workers: processes that read; 0 reads in this one.
        pin_memory: batches lie where a GPU can fetch them while it works.

    Raises:
        SpecError: if the batch is not positive.
    """
    _check(batch, rank, world)
    plan = ViewPlan(dataset, batch, rank, world)
    return Loader(dataset, plan, workers, persistent=False, pin_memory=pin_memory)


def _check(batch: int, rank: int, world: int) -> None:
    assert 0 <= rank < world
    if batch < 1:
        raise SpecError(Diagnostic("batch-not-positive", f"a batch of {batch} clips"))


def _collate(items: list[Item]) -> Batch:
    whole = [(item, item["clip"]) for item in items if item["clip"] is not None]
    clips = [clip for _, clip in whole if clip is not None]
    kept = [item for item, _ in whole]
    return Batch(
        clips=torch.stack(clips) if clips else torch.empty(0, dtype=torch.uint8),
        labels=torch.stack([item["labels"] for item in kept or items])[: len(kept)],
        indices=torch.tensor([item["index"] for item in kept], dtype=torch.int64),
        views=torch.tensor([item["view"] for item in kept], dtype=torch.int64),
        faults=[item["fault"] for item in items if item["fault"] is not None],
    )


def _start_worker(number: int) -> None:
    torch.set_num_threads(1)
    # What was made before the fork is neither looked at nor written to again, thus stays shared.
    gc.freeze()


def _unreadable(faults: list[str]) -> SpecError:
    return SpecError(
        Diagnostic(
            "broken-video",
            f"cannot read {'; '.join(faults)}",
            help="skip leaves such videos out: --set data.broken=skip in training (substitute "
            "takes others), --broken skip in stspec eval",
        )
    )


def _dead_worker(error: RuntimeError) -> SpecError:
    return SpecError(
        Diagnostic(
            LOST_READER,
            f"a process that reads videos has ended: {str(error).splitlines()[0]}",
            help="most often memory ran out: take fewer workers, or a smaller batch",
        )
    )
