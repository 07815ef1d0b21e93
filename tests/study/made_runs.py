"""Results of a study that was never trained: folders of runs as `stspec train` leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from stspec.evaluate.predictions import Predictions, write_predictions
from stspec.evaluate.views import Views
from stspec.source.nodes import Plain
from stspec.study.lease import Leases, this_process
from stspec.study.records import Facets, PlannedRun, Result
from stspec.study.store import Store

POLICIES = {"tsn": 0.0, "i3d": 0.12, "tam": 0.2}
"""By how much the share of videos that are right rises."""
SPEC = """# {name}, resolved.
model:
  backbone: {backbone}
  policy: {policy}
  pooling: {pooling}
  clip: {{frames: {frames}, size: 224}}
  classes: {classes}
"""
RECIPE = "# made, resolved.\nname: made\nepochs: {epochs}\nlr: {lr}\n"


@dataclass(frozen=True)
class Made:
    """What a made study varies, and how large it is."""

    data: Sequence[str] = ("made",)
    backbones: Sequence[str] = ("resnet18", "resnet50")
    policies: Sequence[str] = ("tsn", "tam")
    poolings: Sequence[bool] = (False, True)
    frames: Sequence[int] = (8,)
    seeds: Sequence[int] = (0,)
    classes: Sequence[str] = ("push", "pull", "lift", "drop")
    videos: int = 60
    epochs: int = 3
    steps: int = 4
    """Of an epoch."""
    latency: bool = False
    spec: str = SPEC

    def results(self, folder: Path) -> list[Result]:
        """Make all runs in a folder, and return their results."""
        every = product(
            self.data, self.backbones, self.policies, self.poolings, self.frames, self.seeds
        )
        return [
            self._result(folder / f"{number:016x}", Facets(a, b, c, d, e), seed, number)
            for number, (a, b, c, d, e, seed) in enumerate(every)
        ]

    def planned(
        self, store: Store, runs: Sequence[PlannedRun], texts: Mapping[str, str] | None = None
    ) -> None:
        """Make planned runs of a store, finished as if they had been trained.

        Args:
            store: where they lie.
            runs: which.
            texts: specs and recipes by their digests, if runs are to have those of their plan.
        """
        leases = Leases(store.leases, this_process(1.0))
        for number, run in enumerate(runs):
            lease = leases.claim(run.key, None)
            assert lease is not None
            made = self._result(store.begin(lease), run.facets, run.seed, number)
            named = replace(
                made, key=run.key, name=run.name, settings=run.settings, params=run.params,
                macs=run.macs, folder=None,
            )  # fmt: skip
            assert made.folder is not None
            for name, digest in (("spec", run.spec), ("recipe", run.recipe)):
                if texts is not None:
                    (made.folder / f"{name}.yaml").write_text(texts[digest], encoding="utf-8")
            assert store.finish(lease, made.folder, named)
            lease.release()

    def _result(self, folder: Path, facets: Facets, seed: int, number: int) -> Result:
        pooling = "-tp" if facets.temporal_pooling else ""
        name = f"{facets.data}/{facets.policy}_{facets.backbone}{pooling}-f{facets.frames}-s{seed}"
        settings: dict[str, Plain] = {
            "data": facets.data, "backbone": facets.backbone, "policy": facets.policy,
            "policy.pooling": facets.temporal_pooling, "clip.frames": facets.frames,
            "seed": seed,
        }  # fmt: skip
        folder.mkdir(parents=True)
        self._write(folder, facets, name, seed)
        predictions = self._predictions(facets, number)
        write_predictions(folder / "predictions.npz", predictions)
        told = predictions.metrics()
        return Result(
            folder.name, name, facets, settings, told.top1, told.top5, told.mean_class,
            params=11_000_000 + number, macs=facets.frames * (2 if pooling else 4) * 10**9,
            seed=seed, folder=folder,
            extra={"latency_ms": 10.0 + number} if self.latency else {},
        )  # fmt: skip

    def _write(self, folder: Path, facets: Facets, name: str, seed: int) -> None:
        spec = self.spec.format(
            name=name, backbone=facets.backbone, policy=facets.policy, frames=facets.frames,
            pooling=facets.temporal_pooling, classes=len(self.classes),
        )  # fmt: skip
        (folder / "spec.yaml").write_text(spec, encoding="utf-8")
        recipe = RECIPE.format(epochs=self.epochs, lr=0.01 if facets.frames == 8 else 0.001)
        (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
        part = {"digest": "5" * 64, "count": self.videos}
        about = {"name": name, "recipe": "made", "seed": seed, "data": {"path": facets.data}}
        files = {
            "run.json": about,
            "data.json": {"classes": list(self.classes), "train": part, "val": part},
            "environment.json": {"stspec": "0.1.0", "torch": "2.6.0", "device": "cpu"},
        }
        for file, values in files.items():
            (folder / file).write_text(json.dumps(values), encoding="utf-8")
        (folder / "log.jsonl").write_text("".join(self._log()), encoding="utf-8")

    def _log(self) -> list[str]:
        lines = []
        for epoch in range(self.epochs):
            step = {"kind": "step", "stage": 0, "epoch": epoch, "step": 0, "loss": 1.0}
            lines += [json.dumps(step) + "\n"] * self.steps
            loss = 2.0 / (epoch + 1)
            tested = {"loss": loss + 0.1, "top1": 1 - loss / 3, "top5": 1 - loss / 9}
            record = {"kind": "epoch", "stage": 0, "epoch": epoch, "train_loss": loss}
            lines.append(json.dumps({**record, "val": tested}) + "\n")
        return lines

    def _predictions(self, facets: Facets, number: int) -> Predictions:
        generator = np.random.default_rng(number)
        size = len(self.classes)
        labels = np.arange(self.videos) % size
        share = 0.4 + POLICIES.get(facets.policy, 0.1) + 0.1 * facets.temporal_pooling
        # Mistakes are of classes near by, as they are of real models.
        wrong = (labels + 1 + generator.geometric(0.3, self.videos)) % size
        seen = np.where(generator.random(self.videos) < share, labels, wrong)
        logits = generator.normal(size=(self.videos, 1, size)).astype(np.float32)
        logits[np.arange(self.videos), 0, seen] += 12
        ids = tuple(f"video{number:05d}" for number in range(self.videos))
        return Predictions(
            ids, tuple((int(label),) for label in labels), logits, tuple(self.classes),
            Views(1, 1),
        )  # fmt: skip
