"""Recipes: how a model is trained and tested, in YAML, with `extends` and `--set` as specs have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import ConfigDict, Field, model_validator

from stspec.compose.paths import Override, parse_overrides, put
from stspec.compose.shelf import Shelf
from stspec.compose.version import LANGUAGE
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.schema.jsonschema import keys_schema
from stspec.schema.models import Model, Strict
from stspec.schema.validate import InvalidError, field_keys, validate
from stspec.source import Mapping, Scalar
from stspec.source.python import caller_span

RECIPES = Shelf("recipe", "recipes")

DEFAULT = "study2021"
"""The recipe where none is named."""

Channels = Annotated[list[float], Field(min_length=1, max_length=64)]
Positive = Annotated[float, Field(gt=0)]
Sampling = Literal["uniform", "dense", "tsn", "tsm", "vmz"]


class Keys(Strict):
    """Base: defaults are checked as what is written is, so that a recipe reads back the same."""

    model_config = ConfigDict(validate_default=True)


class DataKeys(Keys):
    """How clips are taken from videos for training."""

    sampling: Sampling = Field(default="uniform", description="how frames are chosen")
    stride: int = Field(default=1, ge=1, description="frames between frames (dense)")
    short_side: int | Annotated[list[int], Field(min_length=2, max_length=2)] = Field(
        default=256, description="short side in pixels, or a range that is drawn from"
    )
    resize: Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="height and width in place of a short side"
    )
    crop: Literal["multi_scale", "random", "random_resized", "center", "none"] = Field(
        default="multi_scale", description="how a clip is cut out of its frames"
    )
    scales: Annotated[list[Positive], Field(min_length=1)] = Field(
        default=[1, 0.875, 0.75, 0.66], description="sides of multi-scale crops"
    )
    size: int | None = Field(default=None, ge=1, description="side of a clip; the spec's if null")
    flip: Literal["auto"] | bool = Field(default="auto", description="mirror half of the clips")
    filter: Literal["nearest", "bilinear", "bicubic"] = Field(
        default="bilinear", description="filter of resizing"
    )
    antialias: bool = Field(default=True, description="smooth before making smaller")
    mean: Channels = Field(default=[0.485, 0.456, 0.406], description="subtracted, of 0 to 1")
    std: Annotated[list[Positive], Field(min_length=1)] = Field(
        default=[0.229, 0.224, 0.225], description="divided by"
    )
    differences: bool = Field(default=False, description="differences of frames in place of RGB")
    broken: Literal["error", "skip", "substitute"] = Field(
        default="error", description="what to do with a video that cannot be read"
    )

    @model_validator(mode="after")
    def _in_step(self) -> Self:
        if len(self.mean) != len(self.std):
            raise InvalidError("`mean` and `std` have a number for each channel", at=("std",))
        return self

    def statistics(self, channels: int) -> tuple[list[float], list[float]]:
        """Return mean and deviation of so many channels: those written, in turn."""
        times = range(channels)
        count = len(self.mean)
        return [self.mean[i % count] for i in times], [self.std[i % count] for i in times]


class TestKeys(Keys):
    """How videos are seen in validation and evaluation."""

    __test__ = False

    clips: int = Field(default=1, ge=1, description="clips of a video")
    crops: Literal[1, 3, 5, 10] = Field(default=1, description="crops of a clip")
    sampling: Sampling = Field(default="uniform", description="how frames are chosen")
    size: int | None = Field(default=None, ge=1, description="side of a crop; the clip's if null")
    fuse: Literal["probabilities", "logits"] = Field(
        default="probabilities", description="what is fused over views"
    )
    by: Literal["mean", "max"] = Field(default="mean", description="how it is fused")


class Optimizer(Keys):
    """Steps from gradients."""

    kind: Literal["sgd", "adamw"] = Field(default="sgd", description="SGD, or AdamW")
    lr: float = Field(default=0.01, gt=0, description="learning rate at its highest")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(default=5e-4, ge=0, description="pull towards zero")
    nesterov: bool = Field(default=False, description="look-ahead momentum")
    groups: Literal["plain", "tsn", "tsm"] = Field(
        default="plain", description="rates and decays by kind of parameter"
    )
    betas: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(
        default=[0.9, 0.999], description="of AdamW"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise InvalidError("Nesterov's momentum needs momentum", at=("nesterov",))
        for index, beta in enumerate(self.betas):
            if not 0 <= beta < 1:
                raise InvalidError("a beta is at least 0 and below 1", at=("betas", index))
        return self


class Schedule(Keys):
    """The learning rate by step."""

    kind: Literal["cosine", "multi_step", "plateau", "constant"] = Field(
        default="cosine", description="how it falls"
    )
    milestones: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="epochs before which it drops (multi_step)"
    )
    gamma: float = Field(default=0.1, gt=0, le=1, description="factor of a drop")
    patience: int = Field(
        default=5, ge=0, description="epochs without a lower validation loss (plateau)"
    )
    drops: int | None = Field(default=None, ge=1, description="most drops (plateau)")
    warmup: float = Field(default=0, ge=0, description="epochs in which it rises")
    warmup_lr: float = Field(default=0, ge=0, description="where it rises from")
    base_batch: int | None = Field(
        default=None, ge=1, description="linear scaling: lr is meant for this batch"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.milestones != sorted(set(self.milestones)):
            raise InvalidError("milestones are in order, each once", at=("milestones",))
        if self.kind == "multi_step" and not self.milestones:
            raise InvalidError("`multi_step` needs `milestones`", at=("kind",))
        return self


class Norm(Keys):
    """Batch norms in training."""

    mode: Literal["train", "partial", "frozen", "sync"] = Field(
        default="train", description="partial: all but the first frozen; sync: over processes"
    )
    precise: int = Field(
        default=0, ge=0, description="batches for exact statistics after each epoch; 0: none"
    )


class Stage(Keys):
    """One stage of a run; what it leaves out is the recipe's."""

    frames: int | None = Field(default=None, ge=1, le=4096, description="frames of a clip")
    epochs: int | None = Field(default=None, ge=1, description="times through the data")
    batch: int | None = Field(default=None, ge=1, description="clips of a step, of all processes")
    accumulate: int | None = Field(default=None, ge=1, description="parts of a batch")
    lr: float | None = Field(default=None, gt=0, description="learning rate at its highest")
    schedule: Schedule | None = Field(default=None, description="the learning rate by step")
    norm: Norm | None = Field(default=None, description="batch norms")


class Recipe(Keys):
    """How a model is trained and tested. Everything has a default."""

    stspec: int = LANGUAGE
    name: str = "custom"
    about: str | None = Field(default=None, description="one line")
    paper: str | None = Field(default=None, description="reference")
    data: DataKeys = DataKeys()
    test: TestKeys = TestKeys()
    batch: int = Field(default=72, ge=1, description="clips of a step, of all processes")
    accumulate: int = Field(default=1, ge=1, description="parts of a batch, one after the other")
    epochs: int = Field(default=75, ge=1, description="times through the data")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="of products (AMP); weights stay float32"
    )
    channels_last: bool = Field(default=True, description="memory format of convolutions")
    compile: bool = Field(default=False, description="torch.compile")
    clip_norm: float | None = Field(default=None, gt=0, description="greatest norm of gradients")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of other classes")
    mixup: float = Field(default=0.0, ge=0, description="alpha of mixup's Beta; 0: none")
    norm: Norm = Norm()
    checkpoint_stages: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="stages whose activations are computed again in the backward"
    )
    ema: float | None = Field(default=None, gt=0, lt=1, description="decay of averaged weights")
    stages: list[Stage] = Field(default=[], max_length=16, description="stages of one run")

    @property
    def phases(self) -> tuple[Stage, ...]:
        """Return the stages in full, all but their frames set; one where none is written."""
        return tuple(
            Stage(
                frames=stage.frames,
                epochs=stage.epochs or self.epochs,
                batch=stage.batch or self.batch,
                accumulate=stage.accumulate or self.accumulate,
                lr=stage.lr or self.optimizer.lr,
                schedule=stage.schedule or self.schedule,
                norm=stage.norm or self.norm,
            )
            for stage in self.stages or [Stage()]
        )

    def text(self) -> str:
        """Return the recipe as YAML, all defaults written out."""
        plain = self.model_dump(exclude_none=True, exclude={"name"})
        return f"# {self.name}, resolved.\n" + yaml.safe_dump(
            plain, sort_keys=False, allow_unicode=True, width=100
        )


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of recipes, for editors."""
    return keys_schema(Recipe, "recipe", hidden=("name",))


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes."""
    return RECIPES.names()


def split_overrides(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Divide `--set` texts into the spec's and the recipe's, by their first key.

    No key belongs to both; one that neither has goes to the side that has the nearest.
    """
    spec_keys = set(field_keys(Model)) - {"stspec", "name", "about", "paper"}
    recipe_keys = set(field_keys(Recipe)) - {"stspec", "name", "about", "paper"}
    ours: list[str] = []
    theirs: list[str] = []
    for text in texts:
        key = text.partition("=")[0].strip().partition(".")[0]
        if key not in spec_keys | recipe_keys:
            help = did_you_mean(key, [*sorted(recipe_keys), *sorted(spec_keys)])
            message = f"neither the spec nor the recipe has a key `{key}`"
            raise SpecError(Diagnostic("unknown-key", message, help=help))
        (ours if key in recipe_keys else theirs).append(text)
    return theirs, ours


def load_recipe(
    target: str | Path = DEFAULT, overrides: Iterable[str | tuple[str, Any]] = ()
) -> Recipe:
    """Read and check a recipe.

    Args:
        target: a shipped recipe's name, or a YAML file.
        overrides: ``optimizer.lr=0.1`` texts or (path, value) pairs, as ``--set`` takes them.

    Raises:
        SpecError: with every mistake that was found.
    """
    changes, errors = parse_overrides(overrides, caller_span())
    if errors:
        raise SpecError(*errors)
    return recipe_of(RECIPES.find(str(target), Path(), None), changes)


def recipe_of(path: Path, changes: Iterable[Override] = ()) -> Recipe:
    """Return the recipe of a file, with changes in their order.

    Raises:
        SpecError: with every mistake that was found.
    """
    tree = RECIPES.read(path)
    for change in changes:
        tree = put(tree, change)
    name = Scalar("name", tree.span), Scalar(path.stem, tree.span)
    return validate(Mapping((name, *tree.entries), tree.span, tree.origin), Recipe)
