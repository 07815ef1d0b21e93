"""Costs that zoos and papers print, beside what the specs of the same systems cost.

``tests/published_costs.yaml`` says for each row of the table which spec it is, on which clip and
by which convention its MACs were counted; or why a figure cannot be had.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stspec.analysis.cost import CONVENTIONS, Row, cost
from stspec.network import Network, load
from stspec.ops.activation import ReLU
from stspec.ops.adaptive import Interlace
from stspec.ops.conv import Conv2d
from stspec.ops.squeeze import SqueezeExcite
from stspec.passes.facts import Fact
from stspec.reference import load_table

ROOT = Path(__file__).resolve().parent.parent
WORDS = {
    "all": "all MACs",
    "conv": "convolutions",
    "fvcore": "all, and 5 per element of a norm",
    "fvcore_eval": "all, and 2 per element of a norm",
    "mmcv": "all, 2 per element of a norm, 1 of a ReLU and of what is pooled, and biases",
}


NAMES = {"params": "parameters", "macs": "MACs"}


@dataclass(frozen=True)
class Published:
    """A printed row, and what is known of it."""

    printed: Mapping[str, Any]
    known: Mapping[str, Any]

    @property
    def params_text(self) -> str:
        """Return the printed parameters: 24.33 (millions), or a whole number."""
        return self._text("Parameters", "params_M")

    @property
    def macs_text(self) -> str:
        """Return the printed MACs: 54.52 (billions), or a whole number."""
        return self._text("FLOPs", "gflops")

    def _text(self, printed: str, parsed: str) -> str:
        texts = self.printed.get("printed") or {}
        text = str(texts.get(printed) or self.printed.get(parsed) or "").rstrip("GM ")
        return "" if text == "None" else text

    def network(self) -> Network:
        """Return the spec, compiled for the clip that was counted."""
        changes = [f"{key}={json.dumps(value)}" for key, value in self.known["set"].items()]
        return load(self.known["spec"], changes)

    def params(self, network: Network) -> int:
        """Return our parameters as the row counts them."""
        facts = network.facts
        if self.known.get("params") != "no_norm":
            return facts.params
        norms = (f for f in facts.operators() if f.node.body.kind == "batch_norm")
        return facts.params - sum(fact.param_count for fact in norms)

    def macs(self, network: Network, total: Row) -> int:
        """Return our MACs by the row's convention."""
        count = self.known.get("count", "all")
        return mmcv(network) if count == "mmcv" else CONVENTIONS[count].count(total)

    def agrees(self, what: str, value: int) -> bool:
        """Tell whether our `params` or `macs` are the printed ones, to their digits."""
        text, unit = (self.params_text, 1e6) if what == "params" else (self.macs_text, 1e9)
        return agrees(value, unit, text, cut=what in self.known.get("cut", ()))

    def line(self) -> str:
        """Return the row of a Markdown table."""
        shown = [self.printed["system"], self.printed["input"]]
        if "spec" not in self.known:
            blank = ["", self.params_text, "", self.macs_text, "", self.known["reason"]]
            return "| " + " | ".join([*shown, *blank]) + " |"
        network = self.network()
        total = cost(network).total
        params = _in(self.params(network), 1e6, self.params_text)
        macs = _in(self.macs(network, total), 1e9, self.macs_text)
        reasons = (self.known.get("params_reason"), self.known.get("count_reason"))
        told = WORDS.get(self.known.get("count", ""), "")
        if self.known.get("params") == "no_norm":
            told += "; parameters without norms"
        for what in self.known.get("cut", ()):
            told += f"; digits of {NAMES[what]} cut off"
        remarks = "; ".join(filter(None, [told.strip("; "), *reasons]))
        ours = [f"`{self.known['spec']}`", self.params_text, params, self.macs_text, macs, remarks]
        return "| " + " | ".join([*shown, *ours]) + " |"


def published_costs() -> Iterator[Published]:
    """Yield every printed row with what is known of it, in the order of the table."""
    table = load_table(ROOT / "tests" / "data" / "tables", "model_zoo_costs")["rows"]
    text = (ROOT / "tests" / "published_costs.yaml").read_text(encoding="utf-8")
    for printed, known in zip(table, yaml.safe_load(text)["rows"], strict=True):
        yield Published(printed, {"set": {}, **known})


def mmcv(network: Network) -> int:
    """Count as the counter of mmcv 1 does, which mmaction2 printed figures of some models by.

    Beside MACs it counts 2 for each element of a batch norm, 1 for each that a ReLU gives out or a
    pooling reads, and the biases that convolutions add.
    """
    total = cost(network).total
    return sum(total.macs.values()) + 2 * total.norms + sum(map(_more, network.facts.operators()))


def _more(fact: Fact) -> int:
    """Return what an operator's ReLUs give out, its poolings read and its convolutions add."""
    op, read = fact.node.body, fact.inputs[0]
    if isinstance(op, ReLU):
        return fact.output.numel
    if "pool" in op.kind:
        return read.numel
    if isinstance(op, Conv2d):
        return fact.output.numel if op.bias else 0
    if isinstance(op, SqueezeExcite):  # a pooling, two biased convolutions and a ReLU
        hidden = op.params([read])[0].shape[0]
        return read.numel + read.channels + 2 * hidden
    if isinstance(op, Interlace):  # two biased convolutions of clips, and a ReLU
        frames = read.frames or 1
        return frames * (1 + op.offsets) + frames
    return 0


def agrees(value: int, unit: float, text: str, *, cut: bool = False) -> bool:
    """Tell whether a figure is the printed one, to its printed digits (or cut off there)."""
    if float(text) > 1e6:
        return value == float(text)
    if cut:
        scale: float = 10 ** _digits(text)
        return math.floor(value / unit * scale) == round(float(text) * scale)
    return abs(round(value / unit, _digits(text)) - float(text)) < 1e-9


def _digits(text: str) -> int:
    return len(re.sub(r"[^0-9.]", "", text).partition(".")[2])


def _in(value: int, unit: float, text: str) -> str:
    if not text:
        return f"{value / unit:.2f}"
    return str(value) if float(text) > 1e6 else f"{value / unit:.{max(2, _digits(text))}f}"
