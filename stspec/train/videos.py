"""Videos as a feed: lists, clips, and tests of what is learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from torch import nn

from stspec.data.augment import Augmentation
from stspec.data.dataset import ClipDataset, Decoder
from stspec.data.lists.splits import split_source
from stspec.data.loader import Loader, eval_loader, train_loader
from stspec.data.manifest import load_split, require_files
from stspec.data.sample import Manifest
from stspec.data.transforms import check_channels
from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.runner import evaluate
from stspec.evaluate.views import Views
from stspec.network import Network
from stspec.train.distributed import World
from stspec.train.feed import Batch
from stspec.train.recipe import Recipe


class VideoFeed:
    """Clips of the videos on a list, and a second list that is tested after each epoch."""

    def __init__(
        self,
        training: Manifest,
        validation: Manifest | None,
        recipe: Recipe,
        seed: int,
        workers: int,
        decoder: Decoder = "auto",
        persistent: bool = True,
    ) -> None:
        self.training, self.validation = training, validation
        self.recipe, self.seed, self.workers, self.decoder = recipe, seed, workers, decoder
        self.persistent = persistent
        self._loader: tuple[tuple[int, int, int], Loader] | None = None

    @classmethod
    def open(
        cls, about: Mapping[str, Any], recipe: Recipe, seed: int, workers: int, decoder: Decoder
    ) -> Self:
        """Read the lists; all files that are missing are named before anything is trained.

        Args:
            about: `path` of a folder or list, and `lists`: how it is read.
            recipe: how clips are taken.
            seed: of the run.
            workers: processes that read.
            decoder: which library decodes.

        Raises:
            SpecError: if the lists cannot be read, do not agree, or name files that are not there.
        """
        path, how = Path(about["path"]), dict(about.get("lists") or {})
        training = load_split(path, "train", **how)
        validation = None
        if "val_share" in how or split_source(path, "val", needed=False) is not None:
            validation = load_split(path, "val", **how)
        _require_all_files([training] if validation is None else [training, validation])
        _require_labels(training)
        if validation is not None and validation.classes != training.classes:
            message = "the lists for training and validation name different classes"
            help = "name them in a file, with --classes"
            raise SpecError(Diagnostic("other-classes", message, help=help))
        return cls(training, validation, recipe, seed, workers, decoder)

    @property
    def notes(self) -> list[str]:
        """Return how the lists were read: what is guessed can be seen, and overridden."""
        own = [f"data: {note}" for note in self.training.notes]
        others = self.validation.notes if self.validation is not None else ()
        return own + [f"validation: {n}" for n in others if n not in self.training.notes]

    def check(self, network: Network) -> None:
        """Refuse data that have other channels than the network takes.

        Raises:
            SpecError: if flow, or pictures, meet a network for the other.
        """
        check_channels(2 if self.training.kind == "flow" else 3, network.spec.model.clip.channels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return self.training.classes

    @property
    def multi_label(self) -> bool:
        """Tell whether a clip may have several classes."""
        return self.training.multi_label

    @property
    def count(self) -> int:
        """Return the number of clips of an epoch."""
        return len(self.training)

    @property
    def about(self) -> dict[str, Any]:
        """Return the fingerprints of the lists."""
        validation = self.validation
        return {
            "train": {"digest": self.training.digest, "count": len(self.training)},
            "val": validation and {"digest": validation.digest, "count": len(validation)},
            "kind": self.training.kind,
            "multi_label": self.multi_label,
        }

    def train(
        self, network: Network, batch: int, epoch: int, first: int, world: World
    ) -> Iterator[Batch]:
        """Yield this process's shares of an epoch's batches, from number `first` on."""
        key = network.spec.model.clip.frames, batch, world.size
        if self._loader is None or self._loader[0] != key:
            self.close()
            loader = train_loader(
                self._dataset(self.training, network), batch=batch, rank=world.rank,
                world=world.size, workers=self.workers, persistent=self.persistent,
                pin_memory=world.device.type == "cuda",
            )  # fmt: skip
            self._loader = key, loader
        for found in self._loader[1].start(epoch, first):
            yield Batch(clips=found["clips"], labels=found["labels"], faults=found["faults"])

    def validate(self, network: Network, module: nn.Module, world: World) -> dict[str, Any] | None:
        """Return the metrics of a module on the validation list; None where there is none."""
        if self.validation is None:
            return None
        test = self.recipe.test
        clip = network.spec.model.clip
        mean, std = self.recipe.data.statistics(clip.channels)
        loader = eval_loader(
            self._dataset(self.validation, network), batch=self._views_at_once(network, world),
            rank=world.rank, world=world.size, workers=self.workers,
            pin_memory=world.device.type == "cuda",
        )  # fmt: skip
        predictions = evaluate(
            module, loader, self.validation, views=Views(test.clips, test.crops), mean=mean,
            std=std, fuse=test.fuse, by=test.by, precision=self.recipe.precision,
            rank=world.rank, world=world.size,
        )  # fmt: skip
        found = predictions.metrics().to_json(confusion=False)
        metrics = {key: value for key, value in found.items() if key != "classes"}
        return metrics | ({"left_out": dict(predictions.faults)} if predictions.faults else {})

    def close(self) -> None:
        """Let go of workers."""
        self._loader = None

    def _views_at_once(self, network: Network, world: World) -> int:
        return max(1, self.recipe.batch // (self.recipe.accumulate * world.size))

    def _dataset(self, manifest: Manifest, network: Network) -> ClipDataset:
        return ClipDataset(
            manifest, augmentation(self.recipe, network, manifest.classes), seed=self.seed,
            broken=self.recipe.data.broken, decoder=self.decoder,
        )  # fmt: skip


def augmentation(recipe: Recipe, network: Network, classes: tuple[str, ...]) -> Augmentation:
    """Return how clips of a network are taken from videos.

    Raises:
        SpecError: if sizes do not go together.
    """
    data, test, clip = recipe.data, recipe.test, network.spec.model.clip
    values: dict[str, Any] = {
        "frames": clip.frames,
        "size": data.size or clip.sides,
        "sampling": data.sampling,
        "stride": data.stride,
        "short_side": tuple(data.short_side)
        if isinstance(data.short_side, list)
        else data.short_side,
        "resize": data.resize and tuple(data.resize),
        "crop": data.crop,
        "scales": tuple(data.scales),
        "flip": data.flip,
        "classes": classes,
        "filter": data.filter,
        "antialias": data.antialias,
        "differences": data.differences,
        "clips": test.clips,
        "crops": test.crops,
        "test_sampling": test.sampling,
        "test_size": test.size,
    }
    try:
        return Augmentation(**values)
    except ValueError as error:
        text = str(error).splitlines()
        reason = next((line.strip() for line in text if "Value error" in line), text[0])
        reason = reason.removeprefix("Value error, ").partition(" [type=")[0]
        help = "change `data` or `test` of the recipe with --set, or clip.size of the spec"
        raise SpecError(Diagnostic("bad-sizes", reason, help=help)) from None


def _require_all_files(manifests: Iterable[Manifest]) -> None:
    """Refuse lists that name files which are not there, naming those of all lists at once."""
    told: list[Diagnostic] = []
    for manifest in manifests:
        try:
            require_files(manifest)
        except SpecError as error:
            told += error.diagnostics
    if told:
        raise SpecError(*told)


def _require_labels(manifest: Manifest) -> None:
    """Refuse samples without a label, or with one of no class."""
    count = len(manifest.classes)
    for sample in manifest:
        if not manifest.multi_label and len(sample.labels) != 1:
            message = f"`{sample.id}` has {len(sample.labels)} labels; training needs one"
            raise SpecError(Diagnostic("no-label", message))
        wrong = [label for label in sample.labels if not 0 <= label < count]
        if wrong:
            message = (
                f"`{sample.id}` is of class {wrong[0]}, and there are {count}: 0 to {count - 1}"
            )
            help = "labels are counted from 0; name the classes with --classes"
            raise SpecError(Diagnostic("wrong-classes", message, help=help))
