"""Writes the generated parts of the documents, so that each figure in them is one that runs.

    python -m scripts.readme            write them anew
    python -m scripts.readme --check    exit 1 where one is out of date

A part stands between two comments, of which the first says what it is:

    <!-- begin console: stspec diff i3d tam -->      a command and what it prints in 80 columns
    <!-- begin file: specs/policies/tam.yaml -->     a file
    <!-- begin class: tam_resnet50 Bottleneck -->    classes of a model's emitted source
    <!-- begin models: resnet18 resnet50 -->         parameters and MACs of every family on these
    <!-- begin oracles: -->                          what is verified against public code
    <!-- begin fields: op tam -->                    fields of an op, block, head, spec, recipe
    <!-- begin forms: -->                            forms of lists that are read
    <!-- begin places: resnet50 inceptionv1 -->      how many sites have which role, and which slots
    <!-- begin published: -->                        printed costs beside ours
    <!-- begin studies: -->                          shipped studies, and how many runs each has
    <!-- begin tables: -->                           tables and figures of a store, by name
    <!-- end -->
"""

from __future__ import annotations

import ast
import difflib
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from scripts.published import published_costs
from stspec.blocks.heads import HEADS
from stspec.blocks.registry import BLOCKS
from stspec.compose import index, names
from stspec.data.lists.forms import FORMS
from stspec.graph import Graph
from stspec.ir.build import build_image_model
from stspec.ir.select import sites_of
from stspec.network import load
from stspec.ops.registry import OPS
from stspec.output import write_text
from stspec.reference.oracle import load_oracle
from stspec.reference.verify import read_table
from stspec.schema import models as schema
from stspec.study import schema as study
from stspec.study.paper_tables import titles
from stspec.study.study import load_study
from stspec.train import recipe

ROOT = Path(__file__).resolve().parent.parent
PART = re.compile(
    r"(?P<begin><!-- begin (?P<kind>\w+): ?(?P<what>.*?) ?-->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def documents() -> list[Path]:
    """Return every document that may have generated parts."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def renewed(text: str) -> str:
    """Return a document with its generated parts written anew."""

    def part(match: re.Match[str]) -> str:
        body = PARTS[match["kind"]](match["what"])
        return f"{match['begin']}{body}\n{match['end']}"

    return PART.sub(part, text)


def console(command: str) -> str:
    """Return a command and what it prints."""
    program, *arguments = shlex.split(command)
    if program != "stspec":
        raise ValueError(f"only stspec is run here, not {program}")
    run = subprocess.run(
        [sys.executable, "-m", "stspec.cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    lines = [line.rstrip() for line in (run.stdout + run.stderr).rstrip().splitlines()]
    return fence("console", "\n".join([f"$ {command}", *lines]))


def file(path: str) -> str:
    """Return a file."""
    text = (ROOT / path).read_text(encoding="utf-8").rstrip()
    if not path.endswith(".yaml"):
        return fence("python", text)
    return fence("yaml", f"# {path}\n{text}")


def classes(what: str) -> str:
    """Return classes of a model's emitted source."""
    target, *wanted = what.split()
    text = load(target).emit().text
    lines = text.splitlines()
    found = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    bodies = ["\n".join(lines[found[n].lineno - 1 : found[n].end_lineno]) for n in wanted]
    return fence("python", "\n\n\n".join(bodies))


def model_table(backbones: str) -> str:
    """Return parameters and MACs of the families that are on most of some backbones."""
    columns = backbones.split()
    rows = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for family in (name for name in names("model") if _is_family(name)):
        cells = [_figures(f"{family}_{backbone}") for backbone in columns]
        if sum(map(bool, cells)) < 4:
            continue
        rows.append(f"| {load(family).spec.model.title} | " + " | ".join(cells) + " |")
    return "\n".join(["", *rows, ""])


def _is_family(name: str) -> bool:
    return (ROOT / "specs" / "families" / f"{name}.yaml").is_file()


def _figures(name: str) -> str:
    if name not in index():
        return ""
    facts = load(name).facts
    return f"{facts.params / 1e6:.2f} M, {sum(facts.macs().values()) / 1e9:.2f} G"


def oracles(_: str) -> str:
    """Return how many models of each public code base are verified."""
    table, folder = ROOT / "tests" / "oracles.yaml", ROOT / "tests" / "data" / "oracles"
    counts: Counter[str] = Counter()
    for row in read_table(table):
        source = load_oracle(folder, row.name).source
        counts[re.split(r"[@ ,]", source.removeprefix("github:"))[0]] += 1
    rows = [f"| {name} | {count} |" for name, count in counts.most_common()]
    total = f"| **all** | **{counts.total()}** |"
    return "\n".join(["", "| code base | models and options |", "|---|---:|", *rows, total, ""])


def published(_: str) -> str:
    """Return every printed cost, ours, and the convention, or why they differ."""
    lines = [
        "",
        "| as printed | its input | spec | params (M) | ours | GMACs | ours | counted |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    lines += [row.line() for row in published_costs()]
    return "\n".join([*lines, ""])


def places(backbones: str) -> str:
    """Return how many sites of each backbone have which role, and the names of its slots."""
    columns = backbones.split()
    graphs = {name: build_image_model(load(f"tsn_{name}").spec) for name in columns}
    counts = {name: Counter(_roles(graph)) for name, graph in graphs.items()}
    edges = {"input": "in front", "entry": "inside, in front", "output": "behind"}
    rows = [
        "",
        "| role | edge | " + " | ".join(columns) + " |",
        "|---|---|" + "---:|" * len(columns),
    ]
    for role, side in dict.fromkeys(place for name in columns for place in counts[name]):
        cells = [str(counts[name][role, side] or "") for name in columns]
        rows.append(f"| `{role}` | {edges[side]} | " + " | ".join(cells) + " |")
    slots = [
        ", ".join(
            f"`{slot}`"
            for slot in dict.fromkeys(site.node.tags.slot for site in sites_of(graph, None))
            if slot
        )
        for graph in graphs.values()
    ]
    return "\n".join([*rows, "| **slots** | | " + " | ".join(slots) + " |", ""])


def _roles(graph: Graph) -> Iterator[tuple[str, str]]:
    return (place for site in sites_of(graph, None) for place in site.node.tags.roles)


DECLARATIONS: dict[str, Callable[[str], type[BaseModel] | None]] = {
    "op": OPS.get,
    "block": BLOCKS.get,
    "head": HEADS.get,
    "keys": lambda name: getattr(schema, name, None),
    "recipe": lambda name: getattr(recipe, name, None),
    "study": lambda name: getattr(study, name, None),
}

HIDDEN = {"head": ("classes",), "keys": ("stspec", "name"), "recipe": ("stspec", "name"),
          "study": ("stspec", "name")}  # fmt: skip
"""Fields that are not for YAML to set there."""


def fields(what: str) -> str:
    """Return the fields of an op, a block or a head, or the keys of a part of a spec."""
    kind, _, name = what.partition(" ")
    found = DECLARATIONS[kind](name)
    assert found is not None, what
    rows = ["", "| key | default | |", "|---|---|---|"]
    for key, info in found.model_fields.items():
        if key in HIDDEN.get(kind, ()):
            continue
        default = info.get_default(call_default_factory=True)
        said = "" if default is PydanticUndefined else _yaml(default)
        rows.append(f"| `{info.alias or key}` | {said} | {info.description or ''} |")
    return "\n".join([*rows, ""])


def studies(_: str) -> str:
    """Return the shipped studies, how many runs each has, and what it is about."""
    rows = []
    for name in study.study_names():
        found = load_study(name)
        rows.append(f"| `{name}` | {len(found.rows)} | {found.keys.about} |")
    return "\n".join(["", "| study | runs | |", "|---|---:|---|", *rows, ""])


def tables(_: str) -> str:
    """Return the names and titles of the tables and figures that a store gives."""
    rows = [f"| `{name}` | {title} |" for name, title in titles().items()]
    return "\n".join(["", "| `--table` | |", "|---|---|", *rows, ""])


def forms(_: str) -> str:
    """Return the forms of lists with what a line of each holds."""
    rows = [f"| `{name}` | {about} |" for name, about in FORMS.items()]
    return "\n".join(["", "| form | a line |", "|---|---|", *rows, ""])


def _yaml(value: object) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, BaseModel):
        said = value.model_dump()
        if not any(each is not None for each in said.values()):
            return ""
        return "`{" + ", ".join(f"{k}: {v}" for k, v in said.items()) + "}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def fence(language: str, text: str) -> str:
    """Return a fenced block."""
    return f"```{language}\n{text}\n```"


PARTS: dict[str, Callable[[str], str]] = {
    "console": console,
    "file": file,
    "class": classes,
    "models": model_table,
    "oracles": oracles,
    "fields": fields,
    "forms": forms,
    "places": places,
    "published": published,
    "studies": studies,
    "tables": tables,
}


def main(check: bool) -> int:
    """Write every document anew, or print how those that are out of date differ."""
    stale = 0
    for path in documents():
        old = path.read_text(encoding="utf-8")
        new = renewed(old)
        if new == old:
            continue
        stale += 1
        name = path.relative_to(ROOT).as_posix()
        if check:
            lines = difflib.unified_diff(old.splitlines(), new.splitlines(), name, "now")
            print(*lines, sep="\n")
        else:
            write_text(path, new)
            print(f"wrote {name}")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
