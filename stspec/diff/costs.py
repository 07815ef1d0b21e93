"""What two networks cost and see: parameters, MACs, activations, receptive fields."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stspec.analysis.reach import trunk_reach
from stspec.network import Network

FLOAT32 = 4

NOTES = (
    "Parameters are learnt ones.",
    "MACs are multiply-accumulates of convolutions, linear layers and matrix products, one clip.",
    "Activations are the outputs of all operators, norms and activations included, one clip, fp32.",
    "Receptive fields and strides hold at the end of the trunk, in frames and pixels of the input.",
    "Tensors are entries of the state dict, buffers included.",
)
"""What the numbers count."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of both networks. ``None`` is the whole clip (receptive fields alone)."""

    key: str
    title: str
    unit: str
    a: int | None
    b: int | None

    @property
    def same(self) -> bool:
        """Tell whether nothing changes."""
        return self.a == self.b

    def negate(self) -> Quantity:
        """Return the row with sides swapped."""
        return replace(self, a=self.b, b=self.a)


def costs(a: Network, b: Network) -> tuple[Quantity, ...]:
    """Return all quantities, in their order; classes of MACs that neither has are left out."""
    mine, theirs = _figures(a), _figures(b)
    optional = {"macs_linear", "macs_matmul", "macs_convolution"}
    return tuple(
        Quantity(key, title, unit, mine[key], theirs[key])
        for key, (title, unit) in _TITLES.items()
        if key not in optional or mine["macs_matmul"] or theirs["macs_matmul"]
    )


_TITLES = {
    "params": ("parameters", "count"),
    "macs": ("MACs", "macs"),
    "macs_convolution": ("  convolutions", "macs"),
    "macs_linear": ("  linear layers", "macs"),
    "macs_matmul": ("  matrix products", "macs"),
    "activations": ("activations", "bytes"),
    "time_field": ("temporal receptive field", "frames"),
    "time_stride": ("temporal stride", "frames"),
    "space_field": ("spatial receptive field", "pixels"),
    "space_stride": ("spatial stride", "pixels"),
}


def _figures(network: Network) -> dict[str, int | None]:
    facts = network.facts
    macs = facts.macs()
    field = trunk_reach(facts)
    return {
        "params": facts.params,
        "macs": sum(macs.values()),
        **{f"macs_{kind}": macs[kind] for kind in ("convolution", "linear", "matmul")},
        "activations": FLOAT32 * sum(fact.output.numel for fact in facts.operators()),
        "time_field": field.time.size,
        "time_stride": field.time.stride,
        "space_field": field.space.size,
        "space_stride": field.space.stride,
    }
