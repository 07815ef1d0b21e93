"""The house rules that no linter knows: which way imports point, and how long files are."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "stspec"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("diagnostics",),
    ("source", "output", "rng"),
    ("compose",),
    ("ops",),
    ("graph",),
    ("blocks",),
    ("schema",),
    ("ir", "weights"),
    ("passes",),
    ("emit",),
    ("analysis",),
    ("network",),
    ("module", "diff"),
    ("reference", "data", "runs"),
    ("evaluate",),
    ("train", "inference"),
    ("bench", "doctor"),
    ("api",),
    ("study",),
    ("cli",),
)
"""The road, first to last. A part may import what stands in earlier rows, never its own row."""

TORCH = (
    "module/",
    "reference/recording.py",
    "weights/checkpoint.py",
    "data/",
    "runs/",
    "evaluate/",
    "train/",
    "inference/",
    "api/tested.py",
    "api/videos.py",
    "api/speed.py",
    "bench",
    "doctor",
)
"""Where torch (and torchinfo) may be imported at the top of a file."""

TORCH_WITHIN_FUNCTIONS = ("reference/verify.py", "cli/build.py")

LAZY = ("torch", "torchinfo", "safetensors", "jinja2", "rich", "networkx")
"""What takes long to import, or is needed by few commands: never imported by importing us."""

HAND_WRITTEN = ("stspec", "templates", "tests", "examples", "scripts", "benchmarks")
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement: who imports what, whether within a function or for types alone."""

    file: Path
    line: int
    module: str
    lazy: bool
    typing: bool

    @property
    def where(self) -> str:
        return f"{self.file.relative_to(PACKAGE).as_posix()}:{self.line}"

    @property
    def part(self) -> str:
        """The importing part of stspec: a package's or a module's name."""
        return self.file.relative_to(PACKAGE).parts[0].removesuffix(".py")

    @property
    def target(self) -> str | None:
        """The part of stspec that is imported, or None for other people's."""
        root, _, rest = self.module.partition(".")
        return rest.partition(".")[0] if root == "stspec" else None


def imports(file: Path) -> Iterator[Import]:
    """Yield every import of a file, relative ones excluded (ruff refuses them)."""

    def visit(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(file, child.lineno, alias.name, lazy, typing)
            elif isinstance(child, ast.ImportFrom) and child.module:
                yield Import(file, child.lineno, child.module, lazy, typing)
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            guard = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from visit(child, lazy or function, typing or guard)

    yield from visit(ast.parse(file.read_text(encoding="utf-8")), False, False)


@cache
def every_import() -> list[Import]:
    """Every import of the package."""
    return [found for file in sorted(PACKAGE.rglob("*.py")) for found in imports(file)]


def test_every_part_has_its_place_on_the_road() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    parts |= {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert parts == {part for row in LAYERS for part in row}


def test_imports_point_one_way() -> None:
    rank = {part: i for i, row in enumerate(LAYERS) for part in row}
    wrong = [
        f"{found.where} imports stspec.{found.target}"
        for found in every_import()
        if found.target and found.part != "__init__" and found.target != found.part
        if not found.typing and rank[found.target] >= rank[found.part]
    ]
    assert not wrong, "\n".join(wrong)


def test_torch_is_imported_where_it_is_needed_alone() -> None:
    wrong = []
    for found in every_import():
        if found.module.partition(".")[0] not in ("torch", "torchinfo") or found.typing:
            continue
        allowed = TORCH + TORCH_WITHIN_FUNCTIONS if found.lazy else TORCH
        if not found.where.startswith(allowed):
            wrong.append(f"{found.where} imports {found.module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "modules", ["stspec", "stspec.network", "stspec.api", "stspec.cli.main", "stspec.weights"]
)
def test_importing_is_quick(modules: str) -> None:
    code = f"import sys, json, {modules}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert not loaded.intersection(LAZY)


def test_compiling_a_model_imports_no_torch() -> None:
    code = (
        "import sys; from stspec.network import load; network = load('tam_resnet50');"
        "network.emit(); network.hashes; assert not {'torch', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_package_says_what_it_is_for() -> None:
    for init in sorted(PACKAGE.glob("*/__init__.py")):
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        assert "import" in text.lower(), f"{init}: say what it is for, and what it may import"
        assert len(text.splitlines()) <= 12, f"{init}: a few lines"


def test_no_file_is_too_long_to_read() -> None:
    files = [path for folder in HAND_WRITTEN for path in (ROOT / folder).rglob("*.py")]
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in files
        if (count := path.read_text(encoding="utf-8").count("\n")) > LONGEST
    ]
    assert not long, "\n".join(long)


def test_tests_lie_under_the_names_of_what_they_test() -> None:
    known = {part for row in LAYERS for part in row} | {"data", "goldens"}
    known |= {"templates", "examples", "scripts", "benchmarks", "fuzz", "plugin"}
    known |= {"lists", "video", "sampling", "transforms", "loading"}  # parts of data
    known |= {"zoo"}  # families of models
    known |= {"interpreter"}  # what graphs mean, told a second time
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} <= known
