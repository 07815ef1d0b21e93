"""From a study to its plan: every distinct model compiled once, every run known by its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from stspec.compose.paths import Override
from stspec.diagnostics import Diagnostic, Label, SpecError, display_path
from stspec.diff.figures import plural
from stspec.source import Mapping as Tree
from stspec.source import Node, Scalar, reading_once
from stspec.study.data import find_data, said_at
from stspec.study.grid import OWN, Row
from stspec.study.keys import file_digest, recipe_digest, run_key
from stspec.study.plan import DataSet, Effort, Plan
from stspec.study.pricing import Priced, Pricer, compose, shape_text
from stspec.study.records import Facets, PlannedRun
from stspec.study.study import Study
from stspec.train.effort import steps_of
from stspec.train.recipe import DEFAULT, RECIPES, Recipe, recipe_of

MOST = 20
"""Mistakes that are told; one wrong value may be in thousands of runs."""

Identity: TypeAlias = tuple[int | str | None, ...]
"""What tells apart what is compiled or read: the nodes that say it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run, divided into what decides on its model, its recipe and the rest."""

    row: Row
    base: Scalar
    spec: tuple[Override, ...]
    recipe_file: Scalar
    recipe: tuple[Override, ...]
    data: str | None
    seed: int


@dataclass
class _Model:
    """A model that is to be priced: how it is said, and the recipes that it is trained by."""

    wanted: Wanted
    classes: int | None
    recipes: dict[str, Recipe] = field(default_factory=dict)
    priced: Priced | None = None


def make_plan(study: Study) -> Plan:
    """Return the plan of a study: its runs, their keys, what they cost and start from.

    Raises:
        SpecError: with all that is wrong: settings that lead nowhere, models that cannot be,
            data that cannot be read.
    """
    wanted = [wanted_of(row) for row in study.rows]
    errors: list[Diagnostic] = []
    data: dict[str, DataSet] = {}
    try:
        used = {one.data for one in wanted if one.data is not None}
        data = find_data(study.keys.data, study.tree.get("data"), used)
    except SpecError as error:
        errors += error.diagnostics
    recipes = _recipes(wanted, errors)
    models = _models(wanted, recipes, data)
    with reading_once():
        _price(models.values(), errors)
    if errors:
        raise _all_of(errors)
    return _Planner(study, data, recipes, models).plan(wanted)


def wanted_of(row: Row) -> Wanted:
    """Return a run divided into what decides on its model, its recipe and the rest."""
    own = {key: row.sets[key].value for key in OWN if key in row.sets}
    parts = [change for path, change in row.sets.items() if path not in OWN]
    base, recipe, data, seed = (_scalar(own.get(key)) for key in ("base", "recipe", "data", "seed"))
    assert base is not None
    return Wanted(
        row,
        base,
        tuple(change for change in parts if change.path[0].value != "recipe"),
        recipe or Scalar(DEFAULT, base.span),
        tuple(
            Override(change.path[1:], change.value)
            for change in parts
            if change.path[0].value == "recipe"
        ),
        None if data is None else str(data.value),
        0 if seed is None else int(str(seed.value)),
    )


def _scalar(node: Node | None) -> Scalar | None:
    return node if isinstance(node, Scalar) else None


def _recipe_identity(wanted: Wanted) -> Identity:
    changes = (id(row) for row in (wanted.row.sets[p] for p in wanted.row.sets if _of_recipe(p)))
    return (str(wanted.recipe_file.value), *changes)


def _of_recipe(path: str) -> bool:
    return path.startswith("recipe.")


def _model_identity(wanted: Wanted, classes: int | None, side: int | None) -> Identity:
    return (str(wanted.base.value), classes, side, *map(id, wanted.spec))


def _recipes(
    wanted: Iterable[Wanted], errors: list[Diagnostic]
) -> dict[Identity, tuple[Recipe, str]]:
    """Return all recipes with their digests."""
    found: dict[Identity, tuple[Recipe, str]] = {}
    for one in wanted:
        identity = _recipe_identity(one)
        if identity in found:
            continue
        file = one.recipe_file
        try:
            path = RECIPES.find(str(file.value), Path(), file.span)
            recipe = recipe_of(path, one.recipe)
        except SpecError as error:
            errors += error.diagnostics
            recipe = Recipe()  # so that what is wrong with models is told as well
        found[identity] = recipe, recipe_digest(recipe)
    return found


def _models(
    wanted: Iterable[Wanted],
    recipes: Mapping[Identity, tuple[Recipe, str]],
    data: Mapping[str, DataSet],
) -> dict[Identity, _Model]:
    """Return the distinct models, each with the recipes that it is trained by."""
    found: dict[Identity, _Model] = {}
    for one in wanted:
        recipe, digest = recipes[_recipe_identity(one)]
        known = data.get(one.data or "")
        classes = known.classes if known is not None else None
        identity = _model_identity(one, classes, recipe.data.size)
        model = found.setdefault(identity, _Model(one, classes))
        model.recipes.setdefault(digest, recipe)
    return found


def _price(models: Iterable[_Model], errors: list[Diagnostic]) -> None:
    """Price models, those that differ in frames alone one after the other."""
    trees: list[tuple[str, Tree, _Model]] = []
    for model in models:
        one = model.wanted
        side = next(iter(model.recipes.values())).data.size
        try:
            tree = compose(one.base, one.spec, model.classes, side)
        except SpecError as error:
            errors += error.diagnostics
        else:
            trees.append((shape_text(tree), tree, model))
    pricer = Pricer()
    for _, tree, model in sorted(trees, key=lambda item: item[0]):
        if len(dict.fromkeys(errors)) >= MOST:
            return
        try:
            model.priced = pricer.price(tree, model.recipes.values())
        except SpecError as error:
            errors += error.diagnostics


def _all_of(errors: Iterable[Diagnostic]) -> SpecError:
    unique = sorted(dict.fromkeys(errors), key=lambda one: one.position)
    return SpecError(*unique[:MOST])


class _Planner:
    """Makes planned runs of wanted ones, whose models and recipes are known."""

    def __init__(
        self,
        study: Study,
        data: Mapping[str, DataSet],
        recipes: Mapping[Identity, tuple[Recipe, str]],
        models: Mapping[Identity, _Model],
    ) -> None:
        self.study, self.data, self.recipes, self.models = study, data, recipes, models
        self.runs: dict[str, PlannedRun] = {}
        self.efforts: dict[str, Effort] = {}
        self.texts: dict[str, str] = {}
        self.notes: dict[str, list[str]] = {}
        self.starts: dict[str, str] = {}

    def plan(self, wanted: list[Wanted]) -> Plan:
        """Return the plan of all runs."""
        keys: list[str] = []
        same: list[str] = []
        for one in wanted:
            run = self._run(one, None if one.row.after is None else keys[one.row.after])
            keys.append(run.key)
            if run.key in self.runs:
                same.append(f"{run.name} is the same run as {self.runs[run.key].name}")
            else:
                self.runs[run.key] = run
        specs = {m.priced.digest: m.priced.text for m in self.models.values() if m.priced}
        return Plan(
            name=self.study.name,
            base=self.study.keys.base,
            runs=tuple(self.runs.values()),
            specs=specs,
            recipes=self.texts,
            data=self.data,
            efforts=self.efforts,
            about=self.study.keys.about,
            paper=self.study.keys.paper,
            axes=self.study.space.axes,
            notes=(*same, *self._told()),
        )

    def _run(self, one: Wanted, after: str | None) -> PlannedRun:
        recipe, recipe_key = self.recipes[_recipe_identity(one)]
        data = self.data[one.data] if one.data is not None else None
        classes = data.classes if data is not None else None
        model = self.models[_model_identity(one, classes, recipe.data.size)]
        priced = model.priced
        assert priced is not None
        weights, image = (None, False) if after is not None else self._weights(one, priced)
        key = run_key(
            priced.hashes,
            recipe_key,
            "" if data is None else data.digest,
            one.seed,
            None if weights is None else self._start(weights, priced.backbone),
            after,
        )
        if recipe_key not in self.texts:
            self.texts[recipe_key] = recipe.text()
        memory = priced.memory[list(model.recipes).index(recipe_key)]
        labels = () if data is None else said_at(self.study.tree, "data", data.name)
        self.efforts[key] = _effort(recipe, data, memory, labels)
        facets = Facets(
            data="" if one.data is None else one.data,
            backbone=priced.backbone,
            policy=priced.policy,
            temporal_pooling=priced.temporal_pooling,
            frames=priced.frames,
            sampling=recipe.data.sampling,
            head=priced.head,
        )
        return PlannedRun(
            key, one.row.name, one.row.settings, facets, priced.digest, recipe_key,
            facets.data, one.seed, weights, image, after, priced.params, priced.macs,
        )  # fmt: skip

    def _weights(self, one: Wanted, priced: Priced) -> tuple[str | None, bool]:
        """Return the checkpoint that a run starts from, and whether it is of an image network."""
        if priced.start == "scratch":
            return None, False
        if priced.start != "imagenet":
            return str(Path(priced.start).expanduser().resolve()), False
        file = self.study.imagenet.get(priced.backbone)
        if file is None:
            self.notes.setdefault(priced.backbone, []).append(one.row.name)
            return None, False
        return file, True

    def _start(self, path: str, backbone: str) -> str:
        """Return the digest of a checkpoint.

        Raises:
            SpecError: if it cannot be read.
        """
        if path not in self.starts:
            try:
                self.starts[path] = file_digest(Path(path))
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                message = f"cannot read the weights in {display_path(path)}: {why}"
                tree = self.study.tree
                labels = said_at(tree, "imagenet", backbone) or said_at(tree, "set", "weights")
                raise SpecError(Diagnostic("bad-checkpoint", message, labels)) from None
        return self.starts[path]

    def _told(self) -> list[str]:
        """Return what is worth knowing of how runs start, and of data that are not there."""
        told = [
            f"{plural(len(names), 'run')} on {backbone} meant to start from ImageNet weights "
            f"will start from scratch: --set imagenet.{backbone}=FILE names a checkpoint"
            for backbone, names in self.notes.items()
        ]
        absent = [
            name
            for name, one in self.data.items()
            if one.path is None and one.made is None and one.of is None
        ]
        if absent:
            given = " ".join(f"--data {name}=DIR" for name in absent)
            told.append(f"it is not said where data lie: {given}; keys will follow from the data")
        told += [
            f"it is not said which classes {name} lacks: --set data.{name}.without=FILE"
            for name, one in self.data.items()
            if one.of is not None
        ]
        return told


def _effort(recipe: Recipe, data: DataSet | None, memory: int, labels: tuple[Label, ...]) -> Effort:
    """Return what a run takes.

    Raises:
        SpecError: if the data do not fill a batch.
    """
    if data is None or data.train is None:
        return Effort(None, None, memory)
    steps = clips = 0
    for phase in recipe.phases:
        batch = phase.batch or 1
        if data.train < batch:
            message = f"{data.name} has {data.train} clips to learn from, and a batch has {batch}"
            help = (
                f"--set recipe.batch={data.train} or less, also where stages have one of their own"
            )
            raise SpecError(Diagnostic("too-few-clips", message, labels, help))
        count = steps_of(data.train, batch) * (phase.epochs or 1)
        steps, clips = steps + count, clips + count * batch
    return Effort(steps, clips, memory)
