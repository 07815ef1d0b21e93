"""A plan: the runs that a study asks for, in an order in which they can be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.network import Network, load
from stspec.source import Mapping as Tree
from stspec.source import Scalar, read_text
from stspec.source.nodes import Plain
from stspec.study.plain import run_from_plain, run_to_plain
from stspec.study.records import PlannedRun

FORMAT = 1


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set as it was found when the study was planned."""

    name: str
    digest: str
    """Of samples, labels and classes; of what is known of it where it is not there yet."""
    classes: int | None = None
    train: int | None = None
    """Clips to learn from."""
    val: int | None = None
    """Clips to check with."""
    path: str | None = None
    """Where it lies; None where that is not known yet."""
    lists: Mapping[str, Plain] = field(default_factory=dict)
    """How its lists are read: see ``stspec.train``."""
    made: Mapping[str, Plain] | None = None
    """Settings of the built-in data set, which is made on freezing."""
    without: tuple[str, ...] = ()
    """Classes that are left out."""
    of: str | None = None
    """The data set that it is a part of, where it is not said yet which classes it lacks."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run takes, worked out beforehand."""

    steps: int | None
    """Of the whole run; None where the number of clips is not known."""
    clips: int | None
    """Clips that are seen in training, over all epochs."""
    memory: int
    """Bytes, estimated, of one process, at its height."""


@dataclass(frozen=True)
class Plan:
    """The runs of a study with all that workers need, whatever becomes of its files."""

    name: str
    base: str
    """Name of the model that runs differ from."""
    runs: tuple[PlannedRun, ...]
    """Those that others start from come first."""
    specs: Mapping[str, str]
    """Resolved specs by digest: YAML."""
    recipes: Mapping[str, str]
    """Resolved recipes by digest: YAML."""
    data: Mapping[str, DataSet] = field(default_factory=dict)
    efforts: Mapping[str, Effort] = field(default_factory=dict)
    """By the key of the run."""
    about: str | None = None
    paper: str | None = None
    axes: tuple[str, ...] = ()
    """What the study varies, in its order."""
    notes: tuple[str, ...] = ()
    """What is worth knowing before any run is started."""

    def run(self, key: str) -> PlannedRun:
        """Return a run by its key."""
        return next(run for run in self.runs if run.key == key)

    def network(self, run: PlannedRun) -> Network:
        """Return the compiled model of a run, called by the run's name."""
        tree = read_text(self.specs[run.spec], f"<spec of {run.name}>")
        name = Scalar("name", tree.span), Scalar(run.name, tree.span)
        return load(Tree((name, *tree.entries), tree.span, tree.origin))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "format": FORMAT,
            "name": self.name,
            "about": self.about,
            "paper": self.paper,
            "base": self.base,
            "axes": list(self.axes),
            "notes": list(self.notes),
            "data": {name: _data_json(one) for name, one in self.data.items()},
            "runs": [run_to_plain(run) for run in self.runs],
            "efforts": {key: asdict(one) for key, one in self.efforts.items()},
            "specs": dict(self.specs),
            "recipes": dict(self.recipes),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Plan:
        """Return the plan of plain values.

        Raises:
            SpecError: if they are no plan's, or of another format.
        """
        if found.get("format") != FORMAT:
            message = "this is a plan of another format"
            help = f"plan the study anew: this stspec reads format {FORMAT}"
            raise SpecError(Diagnostic("other-format", message, help=help))
        try:
            return cls(
                name=str(found["name"]),
                base=str(found["base"]),
                runs=tuple(map(run_from_plain, found["runs"])),
                specs=dict(found["specs"]),
                recipes=dict(found["recipes"]),
                data={name: _data_from_json(one) for name, one in found["data"].items()},
                efforts={key: Effort(**one) for key, one in found["efforts"].items()},
                about=found.get("about"),
                paper=found.get("paper"),
                axes=tuple(found["axes"]),
                notes=tuple(found["notes"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            message = f"a plan is damaged: {type(error).__name__}: {error}"
            raise SpecError(Diagnostic("damaged-plan", message, help="plan anew")) from error


def _data_json(one: DataSet) -> dict[str, Any]:
    return {**asdict(one), "without": list(one.without)}


def _data_from_json(found: Mapping[str, Any]) -> DataSet:
    return DataSet(**{**found, "without": tuple(found["without"])})


def stored_plan(store: Path, name: str) -> Plan:
    """Return the plan that a store's folder has of a study.

    Raises:
        SpecError: `unknown-study`, with the nearest name, or as `read_plan`.
    """
    names = sorted(path.stem for path in (store / "plans").glob("*.json"))
    if name not in names:
        message = f"{display_path(store)} has no plan of a study `{name}`"
        help = did_you_mean(name, names) or "`stspec study run` puts one there"
        raise SpecError(Diagnostic("unknown-study", message, help=help))
    return read_plan(store / "plans" / f"{name}.json")


def read_plan(path: Path) -> Plan:
    """Return a frozen plan.

    Raises:
        SpecError: if there is none, or it is damaged.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        names = sorted(p.stem for p in path.parent.glob("*.json")) if path.parent.is_dir() else []
        why = (error.strerror or str(error)).lower()
        message = f"cannot read the plan {display_path(path)}: {why}"
        help = f"the store has {', '.join(names)}" if names else "`stspec study run` plans first"
        raise SpecError(Diagnostic("no-plan", message, help=help)) from None
    except (ValueError, RecursionError):
        message = f"the plan {display_path(path)} is damaged"
        raise SpecError(Diagnostic("damaged-plan", message, help="plan the study anew")) from None
    if not isinstance(found, dict):
        message = f"the plan {display_path(path)} is damaged"
        raise SpecError(Diagnostic("damaged-plan", message, help="plan the study anew"))
    return Plan.from_json(cast("dict[str, Any]", found))
