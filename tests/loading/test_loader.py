"""Batches: the same order and pixels whatever the workers and ranks, and nothing silent."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stspec.data.dataset import ClipDataset, TrainKey, ViewKey
from stspec.data.loader import Batch, Loader, epoch_order, eval_loader, train_loader
from stspec.data.sample import Manifest, Sample
from stspec.diagnostics import SpecError
from tests.loading.made import MadeVideo, augmentation, dataset, manifest, opener


def indices(loader: Loader) -> list[list[int]]:
    return [batch["indices"].tolist() for batch in loader]


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(one[key], other[key]) for key in ("clips", "labels", "indices", "views"))


@given(st.integers(0, 2**40), st.integers(0, 300), st.integers(1, 200))
def test_an_epoch_visits_every_sample_once(seed: int, epoch: int, n: int) -> None:
    assert sorted(epoch_order(seed, epoch, n)) == list(range(n))
    assert epoch_order(seed, epoch, n) == epoch_order(seed, epoch, n)


def test_epochs_and_seeds_are_ordered_apart() -> None:
    orders = {tuple(epoch_order(seed, epoch, 20)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_the_same_global_batches(world: int) -> None:
    data = dataset()
    order = epoch_order(5, 2, 23)
    shares = [
        indices(train_loader(data, batch=6, rank=rank, world=world, epoch=2))
        for rank in range(world)
    ]
    whole = [list(chain(*parts)) for parts in zip(*shares, strict=True)]
    assert whole == [order[b * 6 : b * 6 + 6] for b in range(3)]  # the last 5 are dropped


def test_pixels_do_not_depend_on_workers() -> None:
    data = dataset()
    alone = list(train_loader(data, batch=4, epoch=1))
    helped = list(train_loader(data, batch=4, epoch=1, workers=2))
    assert len(alone) == len(helped) == 5
    assert all(same(one, other) for one, other in zip(alone, helped, strict=True))
    assert alone[0]["clips"].shape == (4, 3, 4, 8, 8)
    assert alone[0]["clips"].dtype == torch.uint8
    assert alone[0]["labels"].dtype == torch.int64


def test_persistent_workers_serve_all_epochs_from_anywhere() -> None:
    data = dataset()
    loader = train_loader(data, batch=4, workers=2, persistent=True)
    for epoch, first in ((0, 0), (1, 3), (2, 0), (2, 4), (2, 5)):
        wanted = list(train_loader(data, batch=4, epoch=epoch))[first:]
        found = list(loader.start(epoch, first))
        assert len(loader) == len(found) == len(wanted)
        assert all(same(one, other) for one, other in zip(found, wanted, strict=True))


def test_nothing_is_drawn_from_global_generators() -> None:
    torch.manual_seed(0)
    states = torch.get_rng_state(), random.getstate()
    list(train_loader(dataset(), batch=4))
    list(train_loader(dataset(), batch=4, workers=1))
    list(eval_loader(dataset(), batch=4))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (1, 2), (3, 0)])
def test_every_view_is_seen_once(world: int, workers: int) -> None:
    data = dataset(7, clips=2, crops=3)
    seen: list[tuple[int, int]] = []
    for rank in range(world):
        loader = eval_loader(data, batch=4, rank=rank, world=world, workers=workers)
        for batch in loader:
            seen += zip(batch["indices"].tolist(), batch["views"].tolist(), strict=True)
    assert sorted(seen) == [(index, view) for index in range(7) for view in range(6)]


@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 7), st.integers(1, 3))
def test_shards_of_views_cover_all_without_repeats(
    samples: int, world: int, batch: int, clips: int
) -> None:
    data = ClipDataset(manifest(samples), augmentation(clips=clips), seed=0, opener=opener)
    loaders = [eval_loader(data, batch=batch, rank=rank, world=world) for rank in range(world)]
    keys = Counter(key for loader in loaders for part in loader.plan for key in part)
    assert set(keys.values()) == {1}
    assert set(keys) == {ViewKey(i, v) for i in range(samples) for v in range(clips)}
    assert [len(loader) for loader in loaders] == [len(list(loader.plan)) for loader in loaders]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_video_stops_by_name(workers: int) -> None:
    with pytest.raises(SpecError) as raised:
        list(train_loader(dataset(broken=[3]), batch=23, workers=workers))
    assert "v3.bad: made to be broken" in str(raised.value)
    with pytest.raises(SpecError, match=r"v3\.bad"):
        list(eval_loader(dataset(broken=[3]), batch=4, workers=workers))


def test_broken_videos_are_left_out_and_named() -> None:
    (batch,) = train_loader(dataset(broken=[3, 8], policy="skip"), batch=23)
    assert sorted(batch["indices"].tolist()) == [k for k in range(23) if k not in (3, 8)]
    assert len(batch["clips"]) == len(batch["labels"]) == 21
    assert sorted(batch["faults"]) == [f"v{k}.bad: made to be broken" for k in (3, 8)]


def test_a_batch_of_nothing_but_broken_videos_is_empty() -> None:
    batches = list(train_loader(dataset(4, broken=range(4), policy="skip"), batch=2))
    assert [len(batch["labels"]) for batch in batches] == [0, 0]
    assert [len(batch["faults"]) for batch in batches] == [2, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_others_stand_in_for_broken_videos(workers: int) -> None:
    data = dataset(broken=[3, 8], policy="substitute")
    (batch,) = train_loader(data, batch=23, workers=workers)
    assert sorted(batch["indices"].tolist()) == list(range(23))
    for fault in batch["faults"]:
        name, _, other = fault.removesuffix(" stands in").partition(": made to be broken; ")
        place = batch["indices"].tolist().index(int(name[1:-4]))
        assert int(batch["clips"][place, 0, 0, 0, 0]) == int(other[1:])
    assert len(batch["faults"]) == 2
    (again,) = train_loader(data, batch=23)
    assert same(batch, again)


def test_nothing_stands_in_for_a_video_in_testing() -> None:
    data = dataset(4, broken=[2], policy="substitute", clips=2)
    batches = list(eval_loader(data, batch=8))
    assert batches[0]["indices"].tolist() == [0, 0, 1, 1, 3, 3]
    assert len(batches[0]["faults"]) == 2


def test_where_nothing_can_stand_in_it_is_told() -> None:
    (batch,) = train_loader(dataset(2, broken=[0, 1], policy="substitute"), batch=2)
    assert len(batch["labels"]) == 0
    assert all("cannot be read either" in fault for fault in batch["faults"])


def test_several_labels_become_zeros_and_ones() -> None:
    samples = (Sample("v0", "v0.mp4", (0, 2)), Sample("v1", "v1.mp4", ()))
    many = Manifest(Path("/made"), samples, ("a", "b", "c"), multi_label=True)
    data = ClipDataset(many, augmentation(classes=("a", "b", "c")), seed=0, opener=opener)
    (batch,) = eval_loader(data, batch=2)
    assert batch["labels"].tolist() == [[1, 0, 1], [0, 0, 0]]


def test_what_has_no_label_says_so() -> None:
    bare = Manifest(Path("/made"), (Sample("v0", "v0.mp4"),), ())
    data = ClipDataset(bare, augmentation(classes=()), seed=0, opener=opener)
    (batch,) = eval_loader(data, batch=1)
    assert batch["labels"].tolist() == [-1]


@pytest.mark.parametrize(
    ("batch", "world", "told"),
    [(5, 2, "shared equally by 2"), (40, 1, "the data set has 23"), (0, 1, "a batch of 0")],
)
def test_batches_that_cannot_be_are_told(batch: int, world: int, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        train_loader(dataset(), batch=batch, world=world)


def test_keys_are_of_two_kinds() -> None:
    data = dataset()
    assert data[TrainKey(0, 3)]["index"] == 3
    assert data[ViewKey(4, 0)]["index"] == 4
    with pytest.raises(TypeError, match="TrainKey"):
        data[(0, 1)]  # type: ignore[index]
    with pytest.raises(IndexError):
        data[TrainKey(0, 23)]


def test_a_video_stays_open_for_its_views_only() -> None:
    opened: list[MadeVideo] = []

    def watch(found: Manifest, sample: Sample) -> MadeVideo:
        opened.append(opener(found, sample))
        return opened[-1]

    data = ClipDataset(manifest(3), augmentation(clips=4), seed=0, opener=watch)
    list(eval_loader(data, batch=3))
    assert len(opened) == 3
    assert all(video.closed for video in opened)


class Suicide(MadeVideo):
    """A video whose reader is killed, as for want of memory."""

    def read(self, indices: object) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it is dead")


def killing(found: Manifest, sample: Sample) -> MadeVideo:
    return Suicide(0)


def test_a_killed_worker_is_told() -> None:
    data = ClipDataset(manifest(8), augmentation(), seed=0, opener=killing)
    with pytest.raises(SpecError) as raised:
        list(train_loader(data, batch=2, workers=1))
    assert "a process that reads videos has ended" in str(raised.value)
