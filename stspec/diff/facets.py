"""The policy of a network in the field's words, read off its graph rather than its YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

from stspec.diff.atlas import Atlas, Coverage, Site, compress, coverage, spans
from stspec.diff.canonical import STILL, canonical, canonical_op
from stspec.diff.figures import plural
from stspec.diff.words import block_words, kernel_text, op_words
from stspec.graph import Graph
from stspec.graph.model import leaves, pathway_at, rules_of, taken_over
from stspec.ir.build import build_image_model
from stspec.network import Network
from stspec.ops.base import Op, Shape
from stspec.ops.conv import Conv2d
from stspec.ops.linear import Linear
from stspec.ops.pool import Consensus, Pool2d, SpatialPool, TemporalPool
from stspec.ops.sample import FrameSample
from stspec.ops.window import Positions
from stspec.schema.spec import Lateral, Pathway, Spec

NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Facet:
    """One row of the policy: what it is about, in both networks, and whether that is the same."""

    key: str
    title: str
    a: str
    b: str
    same: bool

    def negate(self) -> Facet:
        """Return the row with sides swapped."""
        return replace(self, a=self.b, b=self.a)


TITLES = {
    "backbone": "backbone",
    "spatial": "spatial op",
    "temporal": "temporal op",
    "place": "its place",
    "pathways": "other pathways",
    "laterals": "laterals",
    "pooling": "temporal pooling",
    "inflation": "inflation",
    "input": "input",
    "head": "head",
    "classes": "classes",
    "weights": "weights",
}
"""The rows by key, in their order."""

WHERE_ANY = ("pathways", "laterals")
"""Rows that are told only where a network has such a thing."""


class Reading:
    """A network with what reading it for people takes: its atlas, its image model."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.spec: Spec = network.spec
        self.channels = network.facts.input.channels
        self.canonical = canonical(network.graph, [self.channels])
        self.atlas = Atlas(network.graph)
        self.image = canonical(build_image_model(self.spec), [self.channels])
        self.image_paths = frozenset(path for path, _ in leaves(self.image))
        self.taken_over = taken_over(network.graph)
        self.rules = rules_of(network.graph)
        self.pathway: str | None = None
        """The pathway that is read; the trunk."""

    def of(self, pathway: str | None) -> Reading:
        """Return the reading of another pathway."""
        other = copy(self)
        other.pathway = pathway
        return other

    def on(self, network: Network) -> Reading:
        """Return the reading of a network of the same graph on other clips."""
        assert network.graph is self.network.graph
        other = copy(self)
        other.network, other.spec = network, network.spec
        return other

    @property
    def backbone(self) -> str:
        """Return the name of the pathway's backbone as printed."""
        backbone = self.spec.pathway(self.pathway).backbone
        title = backbone.title or backbone.name
        factors = [("width", backbone.width), ("depth", backbone.depth)]
        told = [f"{name} x {factor:g}" for name, factor in factors if factor != 1]
        return f"{title} ({', '.join(told)})" if told else title

    def trunk(self) -> Iterator[Site]:
        """Yield the sites of the pathway's operators that give values with T, H and W."""
        facts = self.network.facts
        nodes = self.network.graph.nodes
        own = {n.name for n in nodes if not n.tags.head and n.tags.pathway == self.pathway}
        for site in self.atlas.leaves():
            if site.path.partition(".")[0] in own and facts[site.path].output.is_trunk:
                yield site

    def exists_in_2d(self, site: Site) -> bool:
        """Tell whether a node stands in the image model too, whose weights fill it."""
        return self.taken_over.get(site.path, site.path) in self.image_paths

    def flat(self, site: Site) -> Op:
        """Return a site's operator in canonical form."""
        assert isinstance(site.node.body, Op)
        inputs = self.network.facts[site.path].inputs
        return canonical_op(site.node.body, tuple(shape.channels for shape in inputs))


@dataclass(frozen=True)
class Told:
    """The policy of one network in words, which are the same whatever it is compared with."""

    texts: Mapping[str, str]
    """By the keys of `TITLES`."""
    file: str
    """What the backbone is called where its printed name does not tell it from another."""
    trunk: Sequence[object]
    """The image model's layers: two names for one are no difference."""


def told(reading: Reading) -> Told:
    """Return the policy of a network in words."""
    return Told(_texts(reading), reading.spec.backbone.name, _trunk_only(reading))


def facets(a: Reading, b: Reading) -> tuple[Facet, ...]:
    """Return all rows of the policy."""
    one, other = told(a), told(b)
    mine, theirs = dict(one.texts), dict(other.texts)
    same = {key: mine[key] == theirs[key] for key in TITLES}
    same["backbone"] = one.trunk == other.trunk
    if not same["backbone"] and mine["backbone"] == theirs["backbone"]:
        mine["backbone"] += f" ({one.file})"
        theirs["backbone"] += f" ({other.file})"
    shown = [k for k in TITLES if k not in WHERE_ANY or {mine[k], theirs[k]} != {NOTHING}]
    return tuple(Facet(key, TITLES[key], mine[key], theirs[key], same[key]) for key in shown)


def _trunk_only(reading: Reading) -> list[object]:
    layers = {layer.name for layer in reading.spec.layers}
    return [(node.name, node.body) for node in reading.image.nodes if node.name in layers]


def _texts(reading: Reading) -> dict[str, str]:
    temporal, place = _temporal(reading)
    clip = reading.network.facts.input
    classes = reading.network.facts.output.channels if reading.spec.head else None
    return {
        "backbone": reading.backbone,
        "spatial": _spatial(reading),
        "temporal": temporal,
        "place": place,
        "pathways": "; ".join(_pathway(reading.of(p.name)) for p in reading.spec.beside) or NOTHING,
        "laterals": "; ".join(map(_lateral, reading.spec.laterals)) or NOTHING,
        "pooling": _pooling(reading),
        "inflation": _inflation(reading),
        "input": _input(clip) + sampled(reading.spec.trunk, ", of which the trunk sees "),
        "head": _head(reading),
        "classes": NOTHING if classes is None else str(classes),
        "weights": reading.spec.model.weights,
    }


def _pathway(reading: Reading) -> str:
    """Return a pathway in one line: fast: ResNet50 (width x 0.125), all frames, ..."""
    stack = reading.spec.pathway(reading.pathway)
    temporal, place = _temporal(reading)
    told = [
        f"{stack.name}: {reading.backbone}",
        f"from {stack.tap}" if stack.tap else sampled(stack) or "all frames",
        f"spatial op {_spatial(reading)}",
    ]
    if temporal != NOTHING:
        told.append(f"temporal op {temporal}, {place}")
    return ", ".join(told)


def sampled(pathway: Pathway, lead: str = "") -> str:
    """Return what a pathway sees of the clip: one frame in 4, channels 0-2; nothing for all."""
    sample = pathway.sample
    if sample is None:
        return ""
    told = [f"one frame in {sample.every}"] if sample.every > 1 else []
    if sample.start:
        told.append(f"from frame {sample.start}")
    if sample.channels is not None:
        told.append(f"channels {sample.channels[0]}-{sample.channels[1] - 1}")
    if sample.differences is not None:
        told.append(f"differences of {sample.differences} frames")
    return lead + ", ".join(told) if told else ""


def _lateral(lateral: Lateral) -> str:
    """Return an edge in one line: fusion: fast into trunk behind maxpool, concat."""
    keys = lateral.keys
    after = compress(keys.after)
    by = lateral.layers[0].keys.block if len(lateral.layers) == 1 else None
    through = f" by {by.replace('_', ' ')}" if by else ""
    weights = f" of {' and '.join(f'{w:g}' for w in keys.weights)}" if keys.weights else ""
    return f"{keys.source} into {keys.into}{through} behind {after}, {keys.join}{weights}"


def _input(shape: Shape) -> str:
    if not shape.is_trunk:
        return f"{shape.frames} frames of {shape.channels} features"
    return f"{shape.frames} frames of {shape.height} x {shape.width}, {shape.channels} channels"


def _spatial(reading: Reading) -> str:
    """Return the kernels of the spatial convolutions: stem 3x7x7, 3x3x3."""
    found: dict[str, list[Site]] = {}
    stems: list[str] = []
    for site in reading.trunk():
        op = reading.flat(site)
        if not isinstance(op, Conv2d) or op.space.kernel == 1 or _made_whole(reading, site):
            continue
        if "stem" in site.roles:
            stems.append(f"stem {kernel_text(op)}")
        else:
            name = " depth-wise" if op.groups == "depthwise" else ""
            found.setdefault(f"{kernel_text(op)}{name}", []).append(site)
    rest = [_staged(text, sites, len(found) > 1) for text, sites in found.items()]
    return ", ".join([*dict.fromkeys(stems), *rest]) or NOTHING


def _staged(text: str, sites: Sequence[Site], told: bool) -> str:
    stages = {site.stage for site in sites if site.stage is not None}
    return f"{text} in stage{'s' * (len(stages) > 1)} {spans(stages)}" if told and stages else text


def _made_whole(reading: Reading, site: Site) -> bool:
    """Tell whether a node is part of a block that a rule inserted."""
    made = reading.atlas[site.made].node if site.made is not None else None
    return made is not None and isinstance(made.body, Graph) and made.tags.slot is None


def _temporal(reading: Reading) -> tuple[str, str]:
    """Return what looks along time, and where."""
    found: dict[str, dict[str, list[Site]]] = {}
    for site in reading.trunk():
        told = _mechanism(reading, site)
        if told is not None:
            words, place, where = told
            found.setdefault(words, {}).setdefault(place, []).append(where)
    places = [_places(reading.atlas, by_place) for by_place in found.values()]
    if len(found) > 1:
        names = [op.partition(" (")[0] for op in found]
        places = [f"{op}: {place}" for op, place in zip(names, places, strict=True)]
    return "; ".join(found) or NOTHING, "; ".join(places) or "nowhere"


def _mechanism(reading: Reading, site: Site) -> tuple[str, str, Site] | None:
    op = reading.flat(site)
    window = op.window()
    pools = isinstance(op, TemporalPool) and op.stride > 1
    if not window.global_time and (window.time == STILL or pools):
        return None
    made = reading.atlas[site.made] if site.made is not None else site
    if isinstance(made.node.body, Graph) and made.node.tags.rule:
        if made.node.tags.slot is not None:
            return block_words(made.node.body, replaces=True), f"in {made.label}", made
        relation, landmark = reading.atlas.position(made.path, made.path)
        return block_words(made.node.body), f"{relation} {landmark}", made
    if window.time.kernel == 1 and not window.global_time:
        return None
    if isinstance(op, Conv2d) and op.space.kernel > 1:
        return "the same convolutions", "in", site
    if isinstance(op, Pool2d):
        return f"{'max' if op.kind.startswith('max') else 'average'}-pools", "in", site
    if reading.exists_in_2d(site):
        return op_words(op), f"in {site.label}", site
    relation, landmark = reading.atlas.position(site.path, site.path)
    return op_words(op), f"{relation} {landmark}", site


def _places(atlas: Atlas, by_place: dict[str, list[Site]]) -> str:
    """Return where one mechanism stands; ``in`` is its place where it is a layer itself."""
    covered: dict[Coverage | str, list[str]] = {}
    for place, sites in by_place.items():
        stem = any("stem" in site.roles for site in sites)
        rest = [site for site in sites if "stem" not in site.roles]
        inside = [site for site in rest if site.block is not None]
        alone = [site.label for site in rest if site.block is None]
        if stem:
            covered.setdefault("", []).append("stem" if place == "in" else f"{place} (stem)")
        for members in _by_noun(atlas, inside):
            labels = compress(dict.fromkeys(site.label for site in members))
            where = labels if place == "in" else place
            covered.setdefault(coverage(atlas, members), []).append(where)
        if alone:
            covered.setdefault(compress(alone) if place == "in" else "", []).append(place)
    return "; ".join(_placed(places, where) for where, places in covered.items())


def _by_noun(atlas: Atlas, sites: Iterable[Site]) -> Iterable[list[Site]]:
    kinds: dict[str, list[Site]] = {}
    for site in sites:
        kinds.setdefault(atlas.noun(site.block or ""), []).append(site)
    return kinds.values()


def _placed(places: list[str], where: Coverage | str) -> str:
    told = [place for place in places if place != "in"]
    relation = told[0].split(" ")[0] if told else ""
    if len(told) > 1 and all(place.startswith(relation + " ") for place in told):
        told = [told[0], *(place.removeprefix(relation + " ") for place in told[1:])]
    # A unit that stands alone is named already.
    named = isinstance(where, Coverage) and where.count == 1 and where.members[0] in " ".join(told)
    return ", ".join(filter(None, [" and ".join(told), "" if named else str(where)]))


def _pooling(reading: Reading) -> str:
    """Return what strides in time: max of 3 frames, stride 2, beside spatial pools 3-5."""
    found: dict[str, list[Site]] = {}
    for site in reading.trunk():
        op = reading.flat(site)
        time = op.window().time
        if time.stride > 1 and not isinstance(op, FrameSample):
            found.setdefault(_realised(op), []).append(site)
    told = [f"{words}, {_beside(reading, sites)}" for words, sites in found.items()]
    return "; ".join(told) or NOTHING


def _realised(op: Op) -> str:
    time = op.window().time
    if isinstance(op, TemporalPool):
        return op_words(op)
    if isinstance(op, Pool2d) and op.kernel == time.kernel == 1:
        return f"stride {time.stride} in the subsampling"
    if isinstance(op, Pool2d):
        name = "maximum" if op.kind.startswith("max") else "average"
        return f"stride {time.stride} in the {name} of {time.kernel} frames"
    return f"stride {time.stride} in the convolutions"


def _beside(reading: Reading, sites: Sequence[Site]) -> str:
    levels = {level for site in sites for level in _levels(reading, site)}
    if levels:
        return f"beside spatial pooling{'s' * (len(levels) > 1)} {spans(levels)}"
    return f"in {compress(site.path for site in sites)}"


def _levels(reading: Reading, site: Site) -> Iterator[int]:
    near = [site.roles]
    for node in site.owner.nodes:
        if site.node.name in node.inputs or node.name in site.node.inputs:
            near.append(frozenset(role for role, _ in node.tags.roles))
    for role in near[0] or frozenset().union(*near[1:]):
        name, _, number = role.rpartition("_")
        if name == "spatial_pool":
            yield int(number)


def _inflation(reading: Reading) -> str:
    """Return how 2D kernels fill those that look along time."""
    ways: dict[str, int] = {}
    for site in reading.trunk():
        op = reading.flat(site)
        if isinstance(op, Conv2d) and op.window().time.kernel > 1 and reading.exists_in_2d(site):
            pathway = pathway_at(reading.network.graph, site.path)
            way = reading.spec.inflation(pathway, reading.rules.get(site.path))
            ways[way] = ways.get(way, 0) + 1
    told = [f"{way.replace('_', ' ')} ({plural(n, 'kernel')})" for way, n in ways.items()]
    return ", ".join(told) or "nothing to inflate"


def _head(reading: Reading) -> str:
    words: list[str] = []
    for node in reading.network.graph.nodes:
        if not node.tags.head:
            continue
        body = node.body
        ops = [body] if isinstance(body, Op) else [n.body for _, n in leaves(body)]
        words += [_head_words(op) for op in ops if not isinstance(op, Graph | Positions)]
    # Several values that are read alike are told once.
    return ", ".join(dict.fromkeys(words)) or NOTHING


def _head_words(op: Op) -> str:
    if isinstance(op, Linear):
        return "linear"
    if isinstance(op, SpatialPool | Consensus):
        return f"{op.reduce} over {'space' if isinstance(op, SpatialPool) else 'frames'}"
    return op_words(canonical_op(op, (2,)))
