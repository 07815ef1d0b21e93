"""Does a spec reproduce someone's code? A table of rows, each compared with its oracle.

A row names an oracle, a spec with overrides, and the importer of the code base::

    stspec: 1
    rows:
      - {oracle: ibm_tam_resnet50_f8, spec: tam_resnet50, importer: ibm}
      - {oracle: mm_tsm_r50, spec: tsm_resnet50, importer: mmaction2, set: {head.dropout: 0.5}}

The clip's size and the number of classes are the oracle's. Weights are filled by their public
keys, imported, and the model is run in double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from stspec.compose.version import check_version
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean, display_path
from stspec.network import Network, load
from stspec.reference.fill import fill_input, fill_state_dict
from stspec.reference.oracle import Oracle, check_folder, load_oracle
from stspec.schema.validate import validate
from stspec.source import Mapping as Tree
from stspec.source import read_file
from stspec.source.nodes import Sequence as TreeSequence
from stspec.source.python import from_python
from stspec.weights.importer import import_state_dict
from stspec.weights.report import Imported

if TYPE_CHECKING:
    from torch import Tensor, nn

FP64_TOLERANCE = 1e-9
FP32_TOLERANCE = 1e-5
ATTENTION_TOLERANCE = 1e-4
"""Agreement, relative to the largest absolute logit; attention is worse conditioned in fp32."""


Axes = Literal["ncthw", "nchw", "ntchw", "ntc", "nct"]
"""Axes of a recorded input: clips, frames (N*T, C, H, W), clips frame by frame, features."""

USUAL: dict[int, Axes] = {5: "ncthw", 4: "nchw", 3: "ntc"}
"""By rank, where a row says nothing."""


class RowKeys(BaseModel):
    """One row of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    oracle: str = Field(description="name of the oracle")
    spec: str | dict[str, Any] = Field(description="a model's name or file, or the spec itself")
    importer: str | None = Field(default=None, description="code base; recognised by its keys")
    set: dict[str, Any] = Field(default_factory=dict, description="overrides by path")
    axes: Axes | None = Field(default=None, description="the recorded input's, where unusual")
    idle_macs: int = Field(
        default=0, ge=0, description="MACs of what the public model runs and never reads"
    )


class TableKeys(BaseModel):
    """A table of rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    stspec: int
    about: str | None = None
    rows: list[dict[str, Any]] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and where it was written."""

    keys: RowKeys
    node: Tree

    @property
    def name(self) -> str:
        """Return the oracle's name."""
        return self.keys.oracle


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: what was compared, whether it agrees, and the figures."""

    name: str
    ok: bool
    detail: str


@dataclass(slots=True)
class Result:
    """What became of a row. ``parts`` tells where the two first part, if they do."""

    name: str
    checks: list[Check] = field(default_factory=list)
    parts: str | None = None

    @property
    def ok(self) -> bool:
        """Tell whether everything agrees."""
        return all(check.ok for check in self.checks)

    def add(self, name: str, ok: bool, detail: str) -> None:
        """Note a comparison."""
        self.checks.append(Check(name, bool(ok), detail))


def read_table(path: Path) -> list[Row]:
    """Return the rows of a table.

    Raises:
        SpecError: if the table cannot be read, or rows are wrong, with every mistake.
    """
    tree = read_file(path)
    if wrong := check_version(tree):
        raise SpecError(wrong)
    found: list[Diagnostic] = []
    rows: list[Row] = []
    try:
        validate(tree, TableKeys)
    except SpecError as error:
        found.extend(error.diagnostics)
    items = tree.get("rows")
    for item in items.items if isinstance(items, TreeSequence) else ():
        if not isinstance(item, Tree):
            continue  # which the table's own keys have told
        try:
            rows.append(Row(validate(item, RowKeys), item))
        except SpecError as error:
            found.extend(error.diagnostics)
    if found:
        raise SpecError(*sorted(found, key=lambda one: one.position))
    return rows


def verify_table(table: Path, oracles: Path, only: Sequence[str] = ()) -> Iterator[Result]:
    """Compare every row of a table with its oracle; ``only`` are names, where not all.

    Raises:
        SpecError: if the table or the folder cannot be read, or no row has a name. A row that
            fails is a result, not an error.
    """
    check_folder(oracles)
    rows = read_table(table)
    names = [row.name for row in rows]
    if strangers := [name for name in only if name not in names]:
        raise SpecError(*(_no_row(name, names, table) for name in dict.fromkeys(strangers)))
    for row in rows:
        if not only or row.name in only:
            yield verify_row(row, oracles)


def _no_row(name: str, names: Sequence[str], table: Path) -> Diagnostic:
    message = f"`{display_path(table)}` has no row for an oracle named `{name}`"
    return Diagnostic("unknown-oracle", message, help=did_you_mean(name, names) or None)


def verify_row(row: Row, oracles: Path) -> Result:
    """Compare one row with its oracle."""
    result = Result(row.name)
    try:
        oracle = load_oracle(oracles, row.name)
        network = _network(row, oracle, oracle.input)
        same = oracle.macs_input == oracle.input
        costed = network if same else _network(row, oracle, oracle.macs_input)
        imported = _import(row, oracle, network)
    except SpecError as error:
        result.add("compiles and loads", False, str(error))
        return result
    _check_state(result, oracle, imported)
    _check_costs(result, row, oracle, network.facts.params, costed, imported)
    _check_logits(result, axes_of(row, oracle.input), oracle, network, imported)
    return result


def _network(row: Row, oracle: Oracle, shape: tuple[int, ...]) -> Network:
    """Compile a row's spec for an input of a shape.

    Raises:
        SpecError: if it cannot be compiled, or reads no such input.
    """
    axes = axes_of(row, shape)
    sizes = dict(zip(axes, shape, strict=True))
    recorded: dict[str, Any] = {
        "clip.size": [sizes["h"], sizes["w"]] if "h" in sizes else None,
        "clip.channels" if "h" in sizes else "clip.features": sizes["c"],
    }
    if "t" in sizes:
        recorded["clip.frames"] = sizes["t"]
    if len(oracle.logits.shape) and oracle.logits.size % shape[0] == 0:
        recorded["classes"] = max(1, oracle.logits.size // shape[0])
    # What the oracle says is wrong for this row's spec, if it is: the row is where to look.
    overrides: list[tuple[str, Any]] = [
        (path, from_python(value, row.node.span)) for path, value in recorded.items()
    ]
    said = row.node.get("set")
    overrides.extend(said.items() if isinstance(said, Tree) else ())
    spec = row.node.get("spec")
    target = spec if isinstance(spec, Tree) else str(row.keys.spec)
    network = load(_beside(row, target) if isinstance(target, str) else target, overrides)
    frames = network.facts.input.frames or 1
    if axes == "nchw" and shape[0] % frames:
        message = f"the recorded input has {shape[0]} frames, which are no clips of {frames}"
        raise _unfit(row, message, "set `clip.frames` to a divisor of it")
    return network


def _beside(row: Row, name: str) -> str:
    """Return a name; where it is that of a file beside the table, its path."""
    path = Path(row.node.span.file).parent / name
    return str(path) if name.endswith((".yaml", ".yml")) and path.is_file() else name


def axes_of(row: Row, shape: Sequence[int]) -> Axes:
    """Return the axes of a recorded input.

    Raises:
        SpecError: if it has another number of them.
    """
    axes = row.keys.axes or USUAL.get(len(shape))
    if axes is None or len(axes) != len(shape):
        message = f"the recorded input {tuple(shape)} has {len(shape)} axes"
        known = ", ".join(f"`{name}`" for name in get_args(Axes) if len(name) == len(shape))
        raise _unfit(row, message, f"write `axes` as one of {known}" if known else None)
    return axes


def _unfit(row: Row, message: str, help: str | None) -> SpecError:
    node = row.node.get("axes") or row.node
    return SpecError(Diagnostic("unfit-input", message, (Label(node.span, "here"),), help))


def _import(row: Row, oracle: Oracle, network: Network) -> Imported:
    public = fill_state_dict(dict(oracle.state_dict))
    if not public and not network.state:
        from stspec.weights.report import Report

        return Imported({}, Report("nothing", ()))
    importer = row.keys.importer
    return import_state_dict(public, network.state, importer and _beside(row, importer))


def _check_state(result: Result, oracle: Oracle, imported: Imported) -> None:
    report = imported.report
    lacking, left = (
        [entry.key for entry in entries if not entry.foreseen]
        for entries in (report.filled, report.left_out)
    )
    detail = f"{len(report.loaded)} tensors loaded of {len(oracle.state_dict)} public ones"
    for whose, keys in (("ours", lacking), ("theirs", left)):
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            detail += f"\nnot accounted for of {whose}: {', '.join(keys[:3])}{more}"
    result.add("state dict", report.complete, detail)


def _check_costs(
    result: Result, row: Row, oracle: Oracle, params: int, costed: Network, imported: Imported
) -> None:
    params += imported.report.inert_elements
    result.add("params", params == oracle.params, f"{params:,} against {oracle.params:,}")
    macs = sum(costed.facts.macs().values()) * _clips(oracle.macs_input, costed)
    macs += row.keys.idle_macs
    result.add("macs", macs == oracle.macs, f"{macs:,} against {oracle.macs:,}")


def _clips(shape: tuple[int, ...], network: Network) -> int:
    return shape[0] if len(shape) != 4 else shape[0] // (network.facts.input.frames or 1)


def _check_logits(
    result: Result, axes: Axes, oracle: Oracle, network: Network, imported: Imported
) -> None:
    import torch

    from stspec.module import build_module
    from stspec.module.weights import write_state

    model = build_module(network).eval()
    write_state(model, imported)
    clip = torch.from_numpy(fill_input(oracle.input))
    double = _run(model.double(), clip.double(), network, axes)
    wanted = oracle.logits_fp64 if oracle.logits_fp64 is not None else oracle.logits
    agrees = _compare(result, oracle, double, wanted.reshape(-1))
    if oracle.logits_fp64 is not None:
        single = _run(model.float(), clip, network, axes)
        attends = any("attention" in fact.node.body.kind for fact in network.facts.operators())
        limit = ATTENTION_TOLERANCE if attends else FP32_TOLERANCE
        worst = _distance(single, oracle.logits.reshape(-1))
        lost = _distance(oracle.logits.reshape(-1), oracle.logits_fp64.reshape(-1))
        detail = f"{worst:.1e} of the largest, {limit:.0e} allowed"
        if lost > limit:  # ill conditioned: what fp64 says is then what counts
            detail += f"; the original itself loses {lost:.1e} to fp32"
        result.add("logits fp32", worst <= limit, detail)
    if not agrees:
        result.parts = first_difference(
            model.double(), clip.double(), network, oracle, imported, axes
        )


def _run(model: nn.Module, clip: Tensor, network: Network, axes: Axes) -> np.ndarray[Any, Any]:
    """Return the scores; what has the input's axes comes in the input's order."""
    import torch

    frames = network.facts.input.frames or 1
    with torch.no_grad():
        if axes == "nchw":
            out = model(clip.unflatten(0, (-1, frames)).transpose(1, 2))
            out = out.transpose(1, 2).flatten(0, 1) if out.dim() == 5 else out
        elif axes in ("ntchw", "nct"):
            out = model(clip.transpose(1, 2))
            out = out.transpose(1, 2) if out.dim() == clip.dim() else out
        else:
            out = model(clip)
    flat: np.ndarray[Any, Any] = out.contiguous().numpy().reshape(-1)
    return flat


def _distance(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> float:
    if got.shape != wanted.shape:
        return float("inf")
    return float(np.abs(got - wanted).max() / max(float(np.abs(wanted).max()), 1e-30))


def _compare(
    result: Result, oracle: Oracle, got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]
) -> bool:
    if oracle.logits_fp64 is not None or oracle.fp64_maxdiff_over_std is None:
        worst, limit, unit = _distance(got, wanted), FP64_TOLERANCE, "of the largest"
    else:
        same = got.shape == wanted.shape
        worst = float(np.abs(got - wanted).max() / wanted.std()) if same else float("inf")
        # Recorded figures have seven digits; fp32 itself is that far from the truth.
        limit, unit = 10 * oracle.fp64_maxdiff_over_std, "standard deviations"
    result.add("logits fp64", worst <= limit, f"{worst:.1e} {unit}, {limit:.1e} allowed")
    return worst <= limit


def first_difference(
    model: nn.Module,
    clip: Tensor,
    network: Network,
    oracle: Oracle,
    imported: Imported,
    axes: Axes,
) -> str | None:
    """Return where our modules' statistics first leave the oracle's trace, in words."""
    if not oracle.trace:
        return None
    ours = _statistics(model, clip, network, axes)
    names = _module_names(imported, set(ours))
    for row in oracle.trace:
        name = names.get(row.module, row.module)
        if name not in ours:
            continue
        mean, std = ours[name]
        scale = max(abs(row.std), 1e-12)
        if abs(mean - row.mean) > 1e-4 * scale + 1e-6 or abs(std - row.std) > 1e-4 * scale + 1e-6:
            return (
                f"they part at {row.module} (ours: {name}): mean {row.mean:.6g}, std {row.std:.6g}"
                f" there, mean {mean:.6g}, std {std:.6g} here"
            )
    return "every traced module agrees; they part behind the last"


def _statistics(
    model: nn.Module, clip: Tensor, network: Network, axes: Axes
) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    hooks = []

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            # A recurrent network gives its states as well.
            output = output[0] if isinstance(output, tuple) else output
            found[name] = (float(output.mean()), float(output.std()))

        return hook

    for name, module in model.named_modules():
        if name:
            hooks.append(module.register_forward_hook(watch(name)))
    _run(model, clip, network, axes)
    for handle in hooks:
        handle.remove()
    return found


def _module_names(imported: Imported, known: set[str]) -> dict[str, str]:
    """Map public module names to ours: modules that own the same tensors are the same.

    Of several around one another that own the same, a block is the outermost, which adds the
    shortcut, and a single operator the innermost, which nothing follows.
    """
    theirs, ours = _owners(imported)
    names: dict[str, str] = {}
    for module in sorted(theirs, key=lambda name: name.count(".")):
        keys = theirs[module]
        name = _shared(key.rpartition(".")[0] for key in keys)
        if name not in known or ours[name] != keys:
            continue
        is_operator = all(key.rpartition(".")[0] == name for key in keys)
        around = [outer for outer, own in names.items() if own == name]
        if is_operator:
            for outer in around:
                del names[outer]
        if is_operator or not around:
            names[module] = name
    return names


def _owners(imported: Imported) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return which of our tensors public modules own, and which ours do."""
    theirs: dict[str, set[str]] = {}
    ours: dict[str, set[str]] = {}
    report = imported.report
    for entry in (*report.loaded, *report.filled):
        for module in _around(entry.key.rpartition(".")[0]):
            ours.setdefault(module, set()).add(entry.key)
        # What is put together from several modules belongs to what is around them all.
        owner = _shared(source.rpartition(".")[0] for source in entry.sources)
        for module in _around(owner):
            theirs.setdefault(module, set()).add(entry.key)
    return theirs, ours


def _around(module: str) -> Iterator[str]:
    """Yield a module's name and those of the modules around it."""
    while module:
        yield module
        module = module.rpartition(".")[0]


def _shared(names: Iterable[str]) -> str:
    """Return the segments that all names begin with."""
    columns = zip(*(name.split(".") for name in names), strict=False)
    return ".".join(column[0] for column in takewhile(lambda c: len(set(c)) == 1, columns))
