"""Each distinct model of a study is compiled once; what plans need of it is kept, its graph not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stspec.analysis.cost import CONVENTIONS, Cost, cost
from stspec.analysis.hashes import Hashes
from stspec.compose import names, resolve
from stspec.compose.locate import locate_model
from stspec.compose.paths import Override
from stspec.diagnostics import Span
from stspec.graph import Graph
from stspec.network import Network, check_scores_clips, compile_spec, load, spec_text
from stspec.schema.spec import Spec, parse
from stspec.source import Mapping as Tree
from stspec.source import Scalar, to_plain
from stspec.study.keys import text_digest
from stspec.train.effort import estimate
from stspec.train.recipe import Recipe

LINEAR = "linear"
"""The head that is no part of what is compared unless it is named."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What plans need of a model."""

    digest: str
    text: str
    hashes: Hashes
    params: int
    macs: int
    backbone: str
    policy: str
    temporal_pooling: bool
    frames: int
    head: str
    start: str
    """imagenet, scratch, or a checkpoint."""
    memory: tuple[int, ...]
    """Bytes, by estimate, for each of the recipes that it was priced for."""


def compose(
    base: Scalar, changes: Iterable[Override], classes: int | None, side: int | None
) -> Tree:
    """Return the tree of a model.

    Args:
        base: the name or path of the model that it differs from, where it is written.
        changes: how it differs.
        classes: of the data; None leaves those of the spec.
        side: of clips, where the recipe says it.

    Raises:
        SpecError: if there is no such model, or a change leads nowhere.
    """
    path, variant = locate_model(str(base.value), Path(), base.span)
    more = [("clip.size", side)] if side is not None else []
    more += [("classes", classes)] if classes is not None else []
    own = [Override(_path(name), Scalar(value, base.span)) for name, value in more]
    return _called(resolve(path, [*changes, *own], variant).tree)


class Compiler:
    """Compiles models one after the other; one that differs in frames alone takes over a graph."""

    def __init__(self) -> None:
        self._shape = ""
        self._graph: Graph | None = None

    def compile(self, tree: Tree) -> Network:
        """Compile a model.

        Raises:
            SpecError: with all that is wrong with it.
        """
        shape = shape_text(tree)
        # Only a kernel over all frames is written into the graph by their number.
        known = self._graph if shape == self._shape and '"all"' not in shape else None
        network = compile_spec(parse(tree), known)
        self._shape, self._graph = shape, network.graph
        return network


class Pricer:
    """Prices models one after the other."""

    def __init__(self) -> None:
        self._compiler = Compiler()

    def price(self, tree: Tree, recipes: Iterable[Recipe]) -> Priced:
        """Compile a model and return what plans need of it.

        Args:
            tree: the model.
            recipes: how it is trained.

        Raises:
            SpecError: with all that is wrong with it.
        """
        many = tuple(recipes)
        network = self._compiler.compile(tree)
        check_scores_clips(network)
        last = _with_frames(network, many[0].phases[-1].frames)
        found = cost(last)
        text = spec_text(network)
        return Priced(
            digest=text_digest(text),
            text=text,
            hashes=network.hashes,
            params=last.facts.params,
            macs=CONVENTIONS["all"].count(found.total),
            backbone=network.spec.backbone.name,
            policy=policy_name(network.spec),
            temporal_pooling=network.spec.policy.pooling != "none",
            frames=last.spec.model.clip.frames,
            head=head_name(network.spec),
            start=network.spec.model.weights,
            memory=tuple(_memory(network, many, found if last is network else None)),
        )


def shape_text(tree: Tree) -> str:
    """Return what a model's graph depends on: models that are equal here differ in frames alone."""
    plain = to_plain(tree)
    assert isinstance(plain, dict)
    clip = plain.get("clip")
    if isinstance(clip, dict):
        plain = {**plain, "clip": {key: clip[key] for key in clip if key != "frames"}}
    return json.dumps(plain)


def policy_name(spec: Spec) -> str:
    """Return the name of a policy, and for one that only adapts another, that one's.

    So `i3d_inception`, which extends `i3d` and is printed as I3D too, is `i3d`.
    """
    policy = spec.tree.get("policy")
    title = policy.get("title") if isinstance(policy, Tree) else None
    written = Path(title.span.file).stem if title is not None else ""
    return written if written in names("policy") else spec.policy.name


def head_name(spec: Spec) -> str:
    """Return the name of a head as families of models have it; nothing for the plain average."""
    node = spec.tree.get("head")
    kind = node.get("kind") if isinstance(node, Tree) else None
    name = str(kind.value) if isinstance(kind, Scalar) else LINEAR
    if spec.head is None or name == LINEAR:
        return ""
    if name == "recurrent":
        keys = spec.head.model_dump()
        cell = str(keys["cell"])
        cell = f"rnn_{cell}" if cell in ("tanh", "relu") else cell
        return f"b{cell}" if keys["bidirectional"] else cell
    return "trn" if name == "relation" else name.replace("_", "")


def _called(tree: Tree) -> Tree:
    """Return a spec called by its policy and backbone, whatever the study calls its runs."""
    parts = (tree.get("policy"), tree.get("backbone"))
    told = [p.get("name") for p in parts if isinstance(p, Tree)]
    name = "_".join(str(n.value) for n in told if isinstance(n, Scalar)) or "custom"
    key = tree.key("name") or Scalar("name", tree.span)
    return tree.with_entry(key, Scalar(name, key.span, key.origin))


def _memory(network: Network, recipes: Iterable[Recipe], priced: Cost | None) -> list[int]:
    """Return the estimates for recipes; those that are alike in what counts share one."""
    known: dict[object, int] = {}
    found = []
    for recipe in recipes:
        phases = [(p.frames, (p.batch or 1) // (p.accumulate or 1)) for p in recipe.phases]
        counts = (recipe.optimizer.kind, recipe.ema is None, recipe.precision)
        key = (*counts, tuple(recipe.checkpoint_stages), tuple(phases))
        if key not in known:
            nets = ((_with_frames(network, frames), clips) for frames, clips in phases)
            known[key] = max(
                estimate(net, recipe, clips, priced if net is network else None)
                for net, clips in nets
            )
        found.append(known[key])
    return found


def _with_frames(network: Network, frames: int | None) -> Network:
    if frames is None or frames == network.spec.model.clip.frames:
        return network
    return load(network.spec.tree, [("clip.frames", frames)])


def _path(name: str) -> tuple[Scalar, ...]:
    at = Span("<study>", 1, 1, 1, 1)
    return tuple(Scalar(part, at) for part in name.split("."))
