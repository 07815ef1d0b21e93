"""A run that is small: two layers, clips of noise held in memory. Also a program of its own.

python -m tests.train.tiny RUN '{"epochs": 2, ...}'
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stspec.diagnostics import SpecError
from stspec.network import Network
from stspec.rng import keyed, keyed_seed
from stspec.runs.directory import Run
from stspec.train import Recipe, load_recipe, train
from stspec.train.distributed import World
from stspec.train.feed import Batch
from stspec.train.step import Stepper
from stspec.train.videos import VideoFeed

CLASSES = 4


def spec(**changes: Any) -> dict[str, Any]:
    """A network of two convolutions; `norm` adds batch norms, `dropout` drops."""
    norm, dropout = changes.get("norm", True), changes.get("dropout", 0.5)
    layers: dict[str, Any] = {
        "conv1": {"op": "conv2d", "width": 6, "kernel": 3, "stride": 2, "stage": 1, "role": "stem"},
    }
    if norm:
        layers["bn1"] = {"op": "batch_norm", "stage": 1}
    layers["relu"] = {"op": "relu", "stage": 1}
    layers["conv2"] = {"op": "conv2d", "width": 8, "kernel": 3, "stride": 2, "stage": 2}
    if norm:
        layers["bn2"] = {"op": "batch_norm", "stage": 2}
    layers["relu2"] = {"op": "relu", "stage": 2}
    return {
        "stspec": 1,
        "name": "tiny",
        "backbone": {"name": "two", "norm": {} if norm else "none", "layers": layers},
        "clip": {"frames": 4, "size": 16},
        "policy": {"name": "none"},
        "head": {"dropout": dropout},
        "classes": changes.get("classes", CLASSES),
    }


class Noise(torch.utils.data.Dataset[dict[str, Any]]):
    """Clips that differ by their class in brightness; drawn anew in each epoch."""

    def __init__(self, count: int, frames: int, seed: int, classes: int = CLASSES) -> None:
        self.count, self.frames, self.seed, self.classes = count, frames, seed, classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        generator = torch.Generator().manual_seed(keyed_seed(self.seed, "clip", epoch, index))
        label = index % self.classes
        clip = torch.randint(0, 128, (3, self.frames, 16, 16), generator=generator)
        clip += 30 * label
        return {
            "clip": clip.to(torch.uint8), "labels": torch.tensor(label), "index": index,
            "view": 0, "fault": None,
        }  # fmt: skip


class TinyFeed:
    """Noise in order of the seed, without workers."""

    multi_label = False

    def __init__(self, count: int = 24, seed: int = 0, classes: int = CLASSES) -> None:
        self.count, self.seed = count, seed
        self.classes = tuple(f"class {number}" for number in range(classes))
        self.seen: list[tuple[int, list[int]]] = []

    @property
    def about(self) -> dict[str, Any]:
        return {"train": {"count": self.count, "seed": self.seed}}

    def train(
        self, network: Network, batch: int, epoch: int, first: int, world: World
    ) -> Iterator[Batch]:
        data = Noise(self.count, network.spec.model.clip.frames, self.seed, len(self.classes))
        order = list(range(self.count))
        keyed(self.seed, "order", epoch).shuffle(order)
        share = batch // world.size
        for number in range(first, self.count // batch):
            start = number * batch + world.rank * share
            chosen = order[start : start + share]
            self.seen.append((epoch, chosen))
            items = [data[epoch, index] for index in chosen]
            yield {
                "clips": torch.stack([item["clip"] for item in items]),
                "labels": torch.stack([item["labels"] for item in items]),
                "faults": [],
            }

    def validate(self, network: Network, module: nn.Module, world: World) -> dict[str, Any] | None:
        data = Noise(12, network.spec.model.clip.frames, self.seed + 1, len(self.classes))
        items = [data[0, index] for index in range(len(data))]
        was = module.training
        module.eval()
        with torch.no_grad():
            scores: Tensor = module(torch.stack([item["clip"] for item in items]).float() / 255)
        module.train(was)
        labels = torch.stack([item["labels"] for item in items])
        loss = nn.functional.cross_entropy(scores, labels)
        return {"loss": float(loss), "top1": float((scores.argmax(1) == labels).float().mean())}

    def close(self) -> None:
        """Nothing to let go of."""


BASE: dict[str, Any] = {
    "batch": 8,
    "epochs": 2,
    "optimizer.lr": 0.05,
    "schedule.warmup": 0.5,
}


def tiny_train(run: Path | str, changes: dict[str, Any] | None = None, **options: Any) -> Run:
    """Train the small network in a folder, or let it go on where there is a run already."""
    changes = dict(changes or {})
    network = spec(**changes.pop("spec", {}))
    sizes = changes.pop("feed", {})
    recipe = load_recipe("motions", [*BASE.items(), *changes.items()])
    videos = options.pop("videos", None)
    feed = options.pop("feed", None) or (
        video_feed(recipe=recipe, **videos) if videos else TinyFeed(**sizes)
    )
    settings = {"quiet": True, "feed": feed, **options}
    if (Path(run) / "run.json").is_file():
        return train(resume=run, **settings)
    return train(network, recipe=recipe, run=run, **settings)


def video_feed(data: Path, recipe: Recipe, workers: int, persistent: bool) -> VideoFeed:
    """Videos of a folder, read by workers that stay or go."""
    feed = VideoFeed.open({"path": str(data)}, recipe, 0, workers, "pyav")
    feed.persistent = persistent
    return feed


def _die_at(rank: str, step: int) -> None:
    """Let one of several processes be killed at a step."""
    own = Stepper.step

    def deadly(self: Stepper, batch: Batch, number: int, asked: bool) -> Tensor:
        if number == step and os.environ.get("RANK") == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(self, batch, number, asked)

    setattr(Stepper, "step", deadly)  # noqa: B010 (mypy knows that methods stay)


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    if "TINY_DIES" in os.environ:
        who, when = os.environ["TINY_DIES"].split(":")
        _die_at(who, int(when))
    try:
        tiny_train(sys.argv[1], given.pop("recipe", {}), **given)
    except SpecError as error:
        sys.exit(str(error))
