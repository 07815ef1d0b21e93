"""Results with predictions that tests make, of any accuracy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stspec.evaluate.predictions import Predictions, write_predictions
from stspec.evaluate.views import Views
from stspec.source import Plain
from stspec.study.lease import Leases, this_process
from stspec.study.records import Facets, Result
from stspec.study.store import Store, create_store

TSN = Facets("toy", "resnet18", "tsn", False, 8)
TAM = replace(TSN, policy="tam")


def predictions(
    right: Sequence[bool], labels: Sequence[int], classes: Sequence[str]
) -> Predictions:
    """Return predictions of which the videos given are right, the others a class beside it."""
    logits = np.zeros((len(right), 1, len(classes)), dtype=np.float32)
    for row, (is_right, label) in enumerate(zip(right, labels, strict=True)):
        logits[row, 0, label if is_right else (label + 1) % len(classes)] = 4.0
    ids = tuple(f"v{number}" for number in range(len(right)))
    return Predictions(ids, tuple((n,) for n in labels), logits, tuple(classes), Views())


def result(
    folder: Path,
    facets: Facets,
    right: Sequence[bool],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    seed: int = 0,
) -> Result:
    """Write predictions into a folder, and return the result of a run that has them."""
    name = f"{facets.data}-{facets.policy}-{facets.backbone}-f{facets.frames}-s{seed}"
    name += "-tp" if facets.temporal_pooling else ""
    name += f"-{facets.sampling}"
    own = folder / name
    write_predictions(own / "predictions.npz", predictions(right, labels, classes))
    settings: dict[str, Plain] = {"policy": facets.policy, "seed": seed}
    top1 = float(np.mean(right))
    return Result(
        name, name, facets, settings, top1, None, None, 1000, 10**9, seed=seed, folder=own
    )


def bare(facets: Facets, top1: float, *, seed: int = 0, macs: int = 10**9) -> Result:
    """Return a result without predictions."""
    name = f"{facets}-{seed}"
    return Result(name, name, facets, {"seed": seed}, top1, None, None, 1000, macs, seed=seed)


def store_of(root: Path, results: Sequence[Result]) -> Store:
    """Return a store in which the results are finished runs, with all that their folders hold."""
    store = create_store(root)
    leases = Leases(store.leases, this_process(1.0))
    for number, each in enumerate(results):
        assert each.folder is not None
        key = f"{number:016x}"
        lease = leases.claim(key, None)
        assert lease is not None
        work = store.begin(lease)
        shutil.copytree(each.folder, work, dirs_exist_ok=True)
        assert store.finish(lease, work, replace(each, key=key, folder=None))
        lease.release()
    return store
