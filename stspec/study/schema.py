"""The keys of a study, checked as all that is written in YAML is."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from stspec.compose.shelf import Shelf
from stspec.compose.version import LANGUAGE
from stspec.schema.jsonschema import keys_schema
from stspec.schema.models import Strict
from stspec.schema.validate import InvalidError
from stspec.train.recipe import DEFAULT

STUDIES = Shelf("study", "studies")

Value = str | int | float | bool | None
Settings = Annotated[dict[str, Any], Field(min_length=1)]
Axes = dict[str, list[Value] | dict[str, dict[str, Any]]]
"""Values of the path that an axis is called by; or names, and the settings that each stands for."""
Conditions = Annotated[dict[str, Value | list[Value]], Field(min_length=1)]


class MotionsKeys(Strict):
    """The built-in data set of moving shapes, made where it is not there."""

    train: int = Field(default=2400, ge=12, description="clips to learn from")
    val: int = Field(default=600, ge=12, description="clips to check with")
    frames: int = Field(default=24, ge=2, description="frames of a clip")
    size: int = Field(default=48, ge=16, multiple_of=2, description="height and width in pixels")
    seed: int = Field(default=0, ge=0, description="of everything that is drawn")


class ListKeys(Strict):
    """How lists are read, where that is not recognised; as `stspec train` takes it."""

    root: str | None = Field(default=None, description="where the paths of lists start")
    classes: str | None = Field(default=None, description="a file of class names")
    kind: Literal["video", "frames", "flow"] | None = Field(
        default=None, description="video files, folders of frames, or folders of flow"
    )
    template: str | None = Field(default=None, description="name of a frame's file")
    form: str | None = Field(default=None, description="form of the list")
    separator: str | None = Field(default=None, description="what separates columns")
    start: int | None = Field(default=None, ge=0, description="number of the first frame's file")
    val_share: float | None = Field(
        default=None, gt=0, lt=1, description="share of each class's files that is held out"
    )


class DataSetKeys(Strict):
    """A data set of a study."""

    path: str | None = Field(
        default=None, description="a list, or a folder with train and val; else --data NAME=DIR"
    )
    lists: ListKeys = Field(default=ListKeys(), description="how lists are read")
    motions: MotionsKeys | None = Field(default=None, description="the built-in data set")
    of: str | None = Field(default=None, description="another data set that this is a part of")
    without: list[str] | str | None = Field(
        default=None, description="classes that are left out, or a file of their names, one a line"
    )
    classes: int | None = Field(
        default=None, ge=1, description="classes, for planning before the data are there"
    )
    clips: int | None = Field(
        default=None, ge=1, description="clips to learn from, for planning before they are there"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [key for key in ("path", "motions", "of") if getattr(self, key) is not None]
        if len(given) > 1:
            raise InvalidError(
                f"a data set has either `{given[0]}` or `{given[1]}`", at=(given[1],)
            )
        if self.motions is not None and self.without is not None:
            raise InvalidError(
                "`without` leaves classes out of the data set that `of` names", at=("without",),
                help="name the built-in data set, and say `of:` with that name",
            )  # fmt: skip
        return self


class AdjustKeys(Strict):
    """Settings of those runs that meet conditions."""

    when: Conditions = Field(description="values of axes that a run has; a list means any of them")
    set: Settings = Field(description="values by path")


class StudyKeys(Strict):
    """A study: many models, one protocol."""

    stspec: int = LANGUAGE
    name: str = "custom"
    about: str | None = Field(default=None, description="one line")
    paper: str | None = Field(default=None, description="reference")
    base: str = Field(description="the model that runs differ from: a name, or a relative path")
    recipe: str = Field(default=DEFAULT, description="how they are trained: a name, or a path")
    seed: int = Field(default=0, ge=0, description="of everything that is drawn")
    data: dict[str, DataSetKeys | str] = Field(
        default={}, description="data sets by name: a folder or list, or more about it"
    )
    imagenet: dict[str, str] = Field(
        default={}, description="checkpoints of image networks, by the name of the backbone"
    )
    set: dict[str, Any] = Field(default={}, description="settings of all runs, by path")
    grid: Axes = Field(default={}, description="axes, each value with each of the others")
    zip: list[Axes] = Field(
        default=[], description="groups of axes of equal length that go in step"
    )
    include: list[Settings] = Field(
        default=[], description="more runs: values by axis or path, a list means each of them"
    )
    exclude: list[Conditions] = Field(
        default=[], description="runs to leave out, by the values of axes"
    )
    adjust: list[AdjustKeys] = Field(
        default=[], description="settings of those runs that meet conditions"
    )
    after: dict[str, Value] = Field(
        default={}, max_length=1,
        description="an axis, and `previous` or one of its values: the run to start from",
    )  # fmt: skip


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of studies, for editors."""
    return keys_schema(StudyKeys, "study", hidden=("name",))


def study_names() -> list[str]:
    """Return the names of the shipped studies."""
    return STUDIES.names()
