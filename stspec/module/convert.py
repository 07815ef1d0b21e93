"""Files of weights from one form into another: ours, another code base's, another network's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.graph.model import Graph, leaves
from stspec.module.weights import imported_into, transplanted_into
from stspec.network import Network
from stspec.ops.base import Op, Reach
from stspec.output import write_bytes
from stspec.weights.arrays import Array
from stspec.weights.checkpoint import Checkpoint, read_checkpoint, write_safetensors
from stspec.weights.export import Blank, Exported, export_state_dict
from stspec.weights.inflate import Keep
from stspec.weights.invert import public_template
from stspec.weights.library import load_importer
from stspec.weights.report import Imported, Report
from stspec.weights.rules import Model

PUBLIC = "public"
"""Where a sidecar keeps how the code base that weights are from calls them."""


def read_into(
    network: Network,
    path: Path,
    importer: str | None = None,
    *,
    classes: Literal["match", "replace"] = "match",
    image: bool = False,
    container: str | None = None,
) -> tuple[Imported, Checkpoint]:
    """Return a checkpoint's tensors under a network's keys, and the checkpoint.

    `container` leads to the state dict that is meant, in a file of several.

    Raises:
        SpecError: if it cannot be read or does not fit.
    """
    found = read_checkpoint(path, container)
    imported = imported_into(network, found.state, importer, classes=classes, image=image)
    return replace(imported, report=_told_from(found, imported.report)), found


def to_ours(network: Network, imported: Imported, found: Checkpoint, output: Path) -> None:
    """Write imported tensors as a file of ours; the way back is kept beside them.

    Raises:
        SpecError: if the model would be left without a part of its weights, or for want of room.
    """
    missing = [entry.key for entry in imported.report.filled]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        message = f"{display_path(found.path)} has no values for {', '.join(missing[:3])}{more}"
        help = "`stspec train --weights` starts from such a file; the rest is learnt"
        raise SpecError(Diagnostic("incomplete-weights", message, help=help))
    about = {**_meta(network), **_classes(found)}
    if imported.report.origin != "stspec":
        shapes = {key: list(array.shape) for key, array in found.state.items()}
        about[PUBLIC] = {"importer": imported.report.origin, "tensors": shapes}
    write_safetensors(output, imported.state, about)


def to_theirs(
    network: Network,
    path: Path,
    to: str,
    output: Path,
    like: Path | None = None,
    importer: str | None = None,
    *,
    container: str | None = None,
) -> Exported:
    """Write our weights under a code base's keys; return what became of every tensor.

    Which keys these are is told by `like`, a checkpoint of the same model there; else by what the
    weights were converted from; else by the importer's rules, undone.

    Raises:
        SpecError: if the weights do not fit the network, or the rules cannot be undone for it.
    """
    imported, found = read_into(network, path, importer, container=container)
    scheme = load_importer(to)
    known = found.meta.get(PUBLIC) or {}
    template: Mapping[str, Any]
    if like is not None:
        template = read_checkpoint(like).state
    elif known.get("importer") == to:
        template = {key: Blank(tuple(shape)) for key, shape in known["tensors"].items()}
    else:
        template = public_template(model_of(network), scheme)
    exported = export_state_dict(imported.state, template, scheme)
    _write(output, exported.state, scheme.container)
    return replace(exported, report=_told_from(found, exported.report))


def transplanted(
    network: Network,
    source: Network,
    path: Path,
    policy: str | None = None,
    *,
    keep: Keep = "none",
    container: str | None = None,
) -> Imported:
    """Return another network's weights under this one's keys, fitted where shapes differ.

    A classifier of other classes than `source` has is left out.

    Raises:
        SpecError: if the file is not the other network's, or its backbone another.
    """
    theirs, found = read_into(source, path, classes="replace", container=container)
    imported = transplanted_into(network, source, theirs.state, policy, keep=keep)
    return replace(imported, report=_told_from(found, imported.report))


def write_partial(network: Network, imported: Imported, output: Path) -> None:
    """Write weights of which some may be missing, for a run to start from."""
    write_safetensors(output, imported.state, _meta(network))


def model_of(network: Network) -> Model:
    """Return what the way back to a code base is told by."""
    ops = [body for _, node in leaves(network.graph) if isinstance(body := node.body, Op)]
    return Model(
        network.state,
        frozenset(op.kind for op in ops),
        frozenset(_layers(network.graph)),
        frozenset(op.kind for op in ops if op.is_silent),
    )


def untold(network: Network) -> dict[str, int]:
    """Count the operators that reach over frames without weights, by kind: no file tells them."""
    found: Counter[str] = Counter()
    for path, node in leaves(network.graph):
        op = node.body
        if isinstance(op, Op) and op.window().time != Reach() and not network.facts[path].params:
            found[op.kind] += 1
    return dict(found)


def _told_from(found: Checkpoint, report: Report) -> Report:
    """Return a report that tells which of a file's state dicts was read."""
    return replace(report, container=found.container, others=found.others)


def lost(network: Network, report: Report) -> tuple[str, ...]:
    """Return the operators without weights that a file tells of and a network does not have."""
    return tuple(
        sorted({*report.operators} - {node.body.kind for _, node in leaves(network.graph)})
    )


def _layers(graph: Graph, path: str = "") -> Iterator[str]:
    """Yield the paths of layers and blocks, what they read, and their settings."""
    kinds = {node.name: node.body.kind for node in graph.nodes}
    for node in graph.nodes:
        at = path + node.name
        yield at
        yield from (f"{at}<{kinds[name]}" for name in node.inputs if name in kinds)
        if isinstance(node.body, Graph):
            yield from _layers(node.body, f"{at}.")
        else:
            op = node.body
            yield from (f"{at}:{key}={getattr(op, key)}" for key in type(op).model_fields)


def _write(output: Path, state: Mapping[str, Array], container: str) -> None:
    if output.suffix == ".safetensors":
        write_safetensors(output, state)
        return
    import io

    tensors = {key: torch.from_numpy(np.array(array)) for key, array in state.items()}
    buffer = io.BytesIO()
    torch.save({container: tensors} if container else tensors, buffer)
    write_bytes(output, buffer.getvalue())


def _meta(network: Network) -> dict[str, Any]:
    return {"spec": network.name, "math": network.hashes.math, "weights": network.hashes.weights}


def _classes(found: Checkpoint) -> dict[str, Any]:
    names = found.meta.get("classes")
    return {"classes": names} if names else {}
