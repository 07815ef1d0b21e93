"""Weights that others publish: what they are of, where they lie, how they are to be fed. Data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stspec.compose import data_root
from stspec.compose.merge import merge
from stspec.compose.version import check_version
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.schema.validate import InvalidError, validate
from stspec.source import Mapping as Tree
from stspec.source import read_file

Channels = Annotated[list[float], Field(min_length=1)]
Side = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=100)]


class Keys(BaseModel):
    """Base of what a file of the catalogue may say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Input(Keys):
    """How clips are made for the weights."""

    mean: Channels = Field(description="subtracted, of 0 to 1")
    std: Channels = Field(description="divided by")
    channels: Literal["rgb", "bgr", "flow"] = Field(description="their order")
    short_side: Side | None = Field(default=None, description="of a frame, in pixels")
    resize: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="height and width of a frame"
    )
    size: Side = Field(description="side of a clip")
    frames: Side | None = Field(default=None, description="of a clip; None: of images")
    stride: Side | None = Field(default=None, description="frames between frames")
    sampling: Literal["uniform", "dense", "tsn", "tsm", "vmz"] | None = Field(
        default=None, description="how frames are chosen"
    )
    rate: float | None = Field(default=None, gt=0, description="frames a second, resampled")


class Accuracy(Keys):
    """What is published, in percent."""

    top1: Share | None = None
    top5: Share | None = None
    map: Share | None = None


class EntryKeys(Keys):
    """One file of weights."""

    about: str | None = Field(default=None, description="one line, where the name is not enough")
    spec: str = Field(description="the model that it fits")
    importer: str = Field(description="the code base that it is of")
    licence: str = Field(description="as SPDX names it")
    source: str = Field(pattern="^https://", description="the page that publishes it")
    url: str | None = Field(default=None, description="the file")
    page: str | None = Field(default=None, description="where a person can download it")
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{8,64}$", description="its beginning, where published"
    )
    image: bool = Field(default=False, description="of an image network")
    classes: int = Field(ge=1, description="of its classifier")
    data: str = Field(description="what it was trained on")
    input: Input = Field(description="how clips are made for it")
    accuracy: Accuracy | None = Field(default=None, description="as published")
    protocol: str | None = Field(default=None, description="of the accuracy")

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Self:
        if (self.url is None) == (self.page is None):
            raise InvalidError("weights have a `url`, or a `page` for people", at=("url",))
        return self


@dataclass(frozen=True, slots=True)
class Weights:
    """An entry of the catalogue under its name."""

    name: str
    keys: EntryKeys

    @property
    def file(self) -> str | None:
        """Return the name of the file, as caches keep it; None where a person downloads it."""
        return None if self.keys.url is None else self.keys.url.rpartition("/")[2]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, **self.keys.model_dump(exclude_none=True)}


def weights_names() -> list[str]:
    """Return the names of all weights, in order."""
    return sorted(_catalogue())


def find_weights(name: str) -> Weights:
    """Return an entry by its name.

    Raises:
        SpecError: if there is none.
    """
    found = _catalogue().get(name)
    if found is None:
        message = f"the catalogue has no weights named `{name}`"
        near = did_you_mean(name, weights_names())
        help = near or "`stspec weights list` shows them"
        raise SpecError(Diagnostic("unknown-weights", message, help=help))
    return found


def read_catalogue(path: Path) -> dict[str, Weights]:
    """Return the entries of a file by name.

    A file has `weights` by name; what all of them share stands above, and under `every`.

    Raises:
        SpecError: with all mistakes of the file.
    """
    tree = read_file(path)
    if (wrong := check_version(tree)) is not None:
        raise SpecError(wrong)
    rows, every = tree.get("weights"), tree.get("every")
    base = tree.without("stspec", "about", "weights", "every")
    if isinstance(every, Tree):
        base = merge(base, every)
    found: dict[str, Weights] = {}
    problems: list[Diagnostic] = []
    for key, node in rows.entries if isinstance(rows, Tree) else ():
        name = str(key.value)
        try:
            assert isinstance(node, Tree)
            path_of = ("weights", name)
            found[name] = Weights(name, validate(merge(base, node), EntryKeys, path=path_of))
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    return found


@cache
def _catalogue() -> dict[str, Weights]:
    found: dict[str, Weights] = {}
    for path in sorted((data_root() / "specs" / "weights").glob("*.yaml")):
        rows = read_catalogue(path)
        assert not found.keys() & rows.keys(), f"a name of {path.name} is taken"
        found |= rows
    return found
