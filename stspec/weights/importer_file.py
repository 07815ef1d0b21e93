"""Reads an importer from its YAML file. The format is described in docs/importers.md."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from stspec.compose.version import check_version
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean, nearest
from stspec.schema.validate import InvalidError, validate
from stspec.source import Mapping as Tree
from stspec.source import Sequence as TreeSequence
from stspec.source import read_file
from stspec.weights.known import check_name, check_op
from stspec.weights.patterns import NO_TABLES, Pattern, PatternError, Tables, Template
from stspec.weights.rules import (
    Axes,
    Back,
    Case,
    Conditional,
    Drop,
    Importer,
    Remove,
    Rename,
    Rule,
    Stack,
    Take,
)

Load: TypeAlias = Callable[[str], Importer]


def _as_text(value: Any) -> Any:
    """Whole numbers are segments of keys too, and need no quotes."""
    return str(value) if type(value) is int else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int) else value


Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]
Texts = Annotated[list[Text], BeforeValidator(_as_list)]


class Keys(BaseModel):
    """Base of what an importer's file may say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class UndoKeys(Keys):
    """Which models a rule is undone for on the way back."""

    has: Texts = Field(default_factory=list, description="keys of ours, or layers, that it has")
    lacks: Texts = Field(default_factory=list, description="keys of ours, or layers, it lacks")
    op: Text | None = Field(default=None, description="kind of an operator that it has")
    no_op: Text | None = Field(default=None, description="kind of an operator that it lacks")

    beside: Texts = Field(default_factory=list, description="names that stand beside, all of them")
    alone: Texts = Field(default_factory=list, description="names of which none stands beside")

    @model_validator(mode="after")
    def _of_known_kinds(self) -> UndoKeys:
        for key in ("op", "no_op"):
            if (kind := getattr(self, key)) is not None:
                check_op(kind, key)
        for key in ("has", "lacks", "beside", "alone"):
            for i, name in enumerate(getattr(self, key)):
                check_name(name, key, i)
        return self

    def made(self, pattern: Pattern | None) -> Case:
        """Return the case of a rule of a pattern. Raises InvalidError where it is wrong."""
        has, lacks = (
            tuple(_pattern(text, "undo") for text in texts) for texts in (self.has, self.lacks)
        )
        beside, alone = (
            () if pattern is None else _templates(texts, pattern)
            for texts in (self.beside, self.alone)
        )
        return Case(has, lacks, self.op, self.no_op, beside, alone)


class RuleKeys(Keys):
    """Base of the rules; each makes one of `rules`."""

    about: str | None = Field(default=None, description="why the rule is there")
    when: Text | None = Field(default=None, description="a key that the checkpoint must have")
    undo: UndoKeys | list[UndoKeys] | bool = Field(
        default=True, description="for which models, on the way back"
    )

    def rule(self) -> Rename | Stack | Take | Remove | Drop:
        """Return the rule. Raises InvalidError where a pattern or template is wrong."""
        raise AssertionError("a rule of no kind")

    def conditional(self) -> Rule:
        """Return the rule under its condition, if it has one."""
        if self.when is None:
            return self.rule()
        return Conditional(_pattern(self.when, "when"), self.rule())

    def back(self) -> Back | None:
        """Return the rule as it is undone, if it is."""
        if self.undo is False:
            return None
        cases = [UndoKeys()] if self.undo is True else self.undo
        listed = [cases] if isinstance(cases, UndoKeys) else cases
        rule = self.rule()
        pattern = None if isinstance(rule, Remove) else rule.pattern
        return Back(self.conditional(), tuple(case.made(pattern) for case in listed))

    @model_validator(mode="after")
    def _can_be_made(self) -> RuleKeys:
        self.conditional()
        self.back()
        return self


class RenameKeys(RuleKeys):
    """Write a key anew."""

    rename: Text = Field(description="pattern of the keys")
    to: Texts = Field(min_length=1, description="template, or several to choose from")
    tables: dict[str, dict[str, Text] | list[Text]] = Field(
        default_factory=dict, alias="with", description="what captures take, and become"
    )
    tied: bool = Field(default=False, description="a second name of a tensor, which counts")

    def rule(self) -> Rename:
        """Return the rule."""
        tables = {
            name: dict(table) if isinstance(table, Mapping) else {piece: piece for piece in table}
            for name, table in self.tables.items()
        }
        pattern = _pattern(self.rename, "rename", tables=tables)
        for name in tables:
            _captured(name, pattern, "with")
        return Rename(pattern, _templates(self.to, pattern), tables, self.tied)


class StackKeys(RuleKeys):
    """Join several tensors along a new axis."""

    stack: Text = Field(description="pattern of the keys")
    to: Text = Field(description="template")
    along: Text = Field(description="the capture that orders the tensors")
    order: list[Text] | None = Field(default=None, description="its values; numbers where absent")
    dim: int = Field(ge=0, le=4, description="the new axis")
    parts: Annotated[int, Field(ge=1)] | str | None = Field(
        default=None, description="how many, for the way back: a number, or a layer's groups"
    )
    first: int = Field(default=0, ge=0, description="the number of the first, for the way back")

    def rule(self) -> Stack:
        """Return the rule."""
        return self.made(self.stack, "stack", joined=False)

    def made(self, text: str, key: str, joined: bool) -> Stack:
        """Return the rule for a pattern that stands under a key."""
        order = None if self.order is None else tuple(self.order)
        tables = NO_TABLES if order is None else {self.along: {piece: piece for piece in order}}
        pattern = _pattern(text, key, tables=tables)
        _captured(self.along, pattern, "along")
        (target,) = _templates([self.to], pattern)
        return Stack(pattern, target, self.along, self.dim, order, joined, self.parts, self.first)


class JoinKeys(StackKeys):
    """Put several tensors side by side along an axis that they have."""

    stack: Text = Field(default="", exclude=True)
    join: Text = Field(description="pattern of the keys")
    dim: int = Field(default=0, ge=0, le=4, description="the axis")

    def rule(self) -> Stack:
        """Return the rule."""
        return self.made(self.join, "join", joined=True)


class TakeKeys(RuleKeys):
    """Use one entry along the first axis of a table; the public model reads no other."""

    take: Text = Field(description="pattern of the keys")
    to: Text = Field(description="template")
    row: int = Field(ge=0, description="the entry, from 0")
    rows: int | None = Field(default=None, ge=1, description="number of entries, for the way back")

    def rule(self) -> Take:
        """Return the rule."""
        pattern = _pattern(self.take, "take")
        (target,) = _templates([self.to], pattern)
        return Take(pattern, target, self.row, self.rows)


class RemoveKeys(RuleKeys):
    """Take segments out wherever they stand; where that is, the way back cannot know."""

    remove: Texts = Field(min_length=1, description="segments")

    def rule(self) -> Remove:
        """Return the rule."""
        return Remove(frozenset(self.remove))


class DropKeys(RuleKeys):
    """Leave tensors out."""

    drop: Text = Field(description="pattern of the keys")
    reason: Text = Field(description="what the user is told")
    inert: bool = Field(default=False, description="registered by the public model, never used")
    shapes: dict[str, list[int] | Text] = Field(
        default_factory=dict, description="zeros on the way back: sizes, or a key of ours with such"
    )

    def rule(self) -> Drop:
        """Return the rule."""
        shapes = {k: v if isinstance(v, str) else tuple(v) for k, v in self.shapes.items()}
        return Drop(_pattern(self.drop, "drop"), self.reason, self.inert, shapes)


KINDS: dict[str, type[RuleKeys]] = {
    "rename": RenameKeys,
    "stack": StackKeys,
    "join": JoinKeys,
    "take": TakeKeys,
    "remove": RemoveKeys,
    "drop": DropKeys,
}


class AxesKeys(Keys):
    """Weights that have another number of axes there than here."""

    keys: Text = Field(description="pattern of the public keys")
    count: int = Field(ge=1, le=5, description="how many axes they have there")
    lead: int | None = Field(default=None, ge=0, le=4, description="of size 1 that stand in front")
    models: UndoKeys = Field(default_factory=UndoKeys, description="of which models")

    def made(self) -> Axes:
        """Return them. Raises InvalidError where a pattern is wrong."""
        pattern = _pattern(self.keys, "axes")
        return Axes(pattern, self.count, self.models.made(pattern), self.lead)


class AdviceKeys(Keys):
    """What to do where tensors of a network do not fit."""

    keys: Text = Field(description="pattern of our keys that they do not fit")
    help: Text = Field(description="what the user is told")

    def made(self) -> tuple[Pattern, str]:
        """Return both. Raises InvalidError where the pattern is wrong."""
        return _pattern(self.keys, "keys"), self.help

    @model_validator(mode="after")
    def _has_pattern(self) -> AdviceKeys:
        self.made()
        return self


class TellsKeys(Keys):
    """Keys from which an operator without weights is seen."""

    keys: Texts = Field(description="patterns of the public keys")
    op: Text = Field(description="the operator that a network with any of them has")

    def made(self) -> tuple[tuple[Pattern, str], ...]:
        """Return each pattern with the operator. Raises InvalidError where one is wrong."""
        return tuple((_pattern(text, "keys", i), self.op) for i, text in enumerate(self.keys))

    @model_validator(mode="after")
    def _means_something(self) -> TellsKeys:
        check_op(self.op, "op")
        self.made()
        return self


class ImporterKeys(Keys):
    """What an importer's file says; its rules are read one by one."""

    stspec: int = Field(description="version of the language")
    about: Text = Field(description="what the code base is")
    code_base: Text = Field(description="where it is published")
    extends: Text | None = Field(default=None, description="the importer whose rules follow these")
    recognise: list[Text] = Field(default_factory=list, description="keys that speak for it")
    prefixes: list[Text] = Field(default_factory=list, description="taken off the front of keys")
    rules: list[dict[str, Any]] = Field(default_factory=list, description="applied in order")
    container: str | None = Field(default=None, description="key of the state dict in its files")
    back: Literal["own"] | None = Field(
        default=None, description="own: of the rules, this file's alone are undone"
    )
    no_way_back: Text | None = Field(
        default=None, description="why the rules cannot tell what keys are called there"
    )
    models: UndoKeys = Field(default_factory=UndoKeys, description="for which they are undone")
    silent: Texts = Field(
        default_factory=list, description="operators that it has, though no weights tell them"
    )
    tells: list[TellsKeys] = Field(
        default_factory=list, description="operators of which keys tell, though no weights do"
    )
    convolutions: Literal["3d"] | None = Field(
        default=None, description="3d: all convolutions are, those of single frames too"
    )
    axes: list[AxesKeys] = Field(
        default_factory=list, description="weights with another number of axes than ours"
    )
    advice: list[AdviceKeys] = Field(
        default_factory=list, description="where its networks are others than ours of the name"
    )
    writes: list[RenameKeys] = Field(
        default_factory=list, description="how keys are written back; the first that fits"
    )

    @field_validator("silent")
    @classmethod
    def _of_known_kinds(cls, kinds: list[str]) -> list[str]:
        for i, kind in enumerate(kinds):
            check_op(kind, i)
        return kinds

    @model_validator(mode="after")
    def _has_patterns(self) -> ImporterKeys:
        self.patterns()
        for axes in self.axes:
            axes.made()
        return self

    def patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns of `recognise`."""
        return tuple(_pattern(text, "recognise", i) for i, text in enumerate(self.recognise))


def read_importer(path: Path, load: Load) -> Importer:
    """Return the importer of a file; `load` finds the importer that it extends.

    Raises SpecError, with all mistakes of the file at once.
    """
    tree = read_file(path)
    problems: list[Diagnostic] = []
    found = list(_rules(tree, problems))
    rules = tuple(rule for rule, _ in found)
    backs = tuple(back for _, back in found if back is not None)
    own = None
    if (wrong := check_version(tree)) is not None:
        raise SpecError(wrong)
    try:
        keys = validate(tree, ImporterKeys)
        own = _importer(path.stem, keys, rules, backs, tree, load)
    except SpecError as error:
        problems.extend(error.diagnostics)
    if own is None or problems:
        raise SpecError(sorted(problems, key=lambda problem: problem.position))
    return own


def _rules(tree: Tree, problems: list[Diagnostic]) -> Iterator[tuple[Rule, Back | None]]:
    nodes = tree.get("rules")
    for i, node in enumerate(nodes if isinstance(nodes, TreeSequence) else ()):
        if isinstance(node, Tree):  # the model of the file tells of the others
            try:
                keys = validate(node, _kind(node), path=("rules", i))
                yield keys.conditional(), keys.back()
            except SpecError as error:
                problems.extend(error.diagnostics)


def _kind(node: Tree) -> type[RuleKeys]:
    kinds = [kind for name, kind in KINDS.items() if name in node]
    if len(kinds) == 1:
        return kinds[0]
    key = node.entries[0][0] if node.entries else node
    label = Label(key.span, "this one has several" if kinds else "this one has none")
    known = ", ".join(f"`{name}`" for name in KINDS)
    help_text = None if kinds else _meant(node)
    raise SpecError(Diagnostic("bad-rule", f"a rule has one of {known}", (label,), help_text))


def _meant(node: Tree) -> str | None:
    """Which kind of rule a mistyped key means."""
    near = next((name for key, _ in node.items() if (name := nearest(key, KINDS))), None)
    return None if near is None else f"did you mean `{near}`?"


def _importer(
    name: str, keys: ImporterKeys, rules: tuple[Rule, ...], backs: tuple[Back, ...], tree: Tree,
    load: Load,
) -> Importer:  # fmt: skip
    own = Importer(
        name=name,
        about=keys.about,
        code_base=keys.code_base,
        recognise=keys.patterns(),
        prefixes=tuple(keys.prefixes),
        rules=rules,
        backs=backs,
        writes=tuple(back for rule in keys.writes if (back := rule.back()) is not None),
        no_way_back=keys.no_way_back,
        models=keys.models.made(None),
        silent=frozenset(keys.silent),
        tells=tuple(itertools.chain.from_iterable(tells.made() for tells in keys.tells)),
        container=keys.container or "",
        volumes=keys.convolutions == "3d",
        axes=tuple(axes.made() for axes in keys.axes),
        advice=tuple(advice.made() for advice in keys.advice),
    )
    if keys.extends is None:
        return own
    parent = _parent(keys.extends, tree, load)
    # A child's rules come first: they unwrap what its code base wrapped around the parent's.
    return replace(
        own,
        recognise=own.recognise + parent.recognise,
        prefixes=own.prefixes + tuple(p for p in parent.prefixes if p not in own.prefixes),
        rules=own.rules + parent.rules,
        backs=own.backs + (() if keys.back == "own" else parent.backs),
        writes=own.writes + parent.writes,
        container=parent.container if keys.container is None else keys.container,
        volumes=own.volumes or parent.volumes,
        axes=own.axes + parent.axes,
        advice=own.advice + parent.advice,
    )


def _parent(name: str, tree: Tree, load: Load) -> Importer:
    """The importer that is extended; what is wrong with its name is told where it is written."""
    try:
        return load(name)
    except SpecError as error:
        node = tree.get("extends")
        if node is None or any(found.labels for found in error.diagnostics):
            raise
        label = Label(node.span, "named here")
        raise SpecError(replace(found, labels=(label,)) for found in error.diagnostics) from None


def _pattern(text: str, *at: str | int, tables: Tables = NO_TABLES) -> Pattern:
    try:
        return Pattern(text, tables)
    except PatternError as error:
        raise InvalidError(str(error), code="bad-pattern", at=at) from None


def _templates(texts: Sequence[str], pattern: Pattern) -> tuple[Template, ...]:
    made = []
    for text in texts:
        try:
            made.append(Template(text))
        except PatternError as error:
            raise InvalidError(str(error), code="bad-pattern", at=("to",)) from None
        for name in made[-1].names:
            _captured(name, pattern, "to")
    return tuple(made)


def _captured(name: str, pattern: Pattern, at: str) -> None:
    if name not in pattern.names:
        raise InvalidError(
            f"`{name}` is captured nowhere in `{pattern.text}`",
            code="unknown-capture",
            help=did_you_mean(name, pattern.names) or None,
            at=(at,),
        )
