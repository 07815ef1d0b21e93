"""Whether two networks share a backbone, so that the weights of one can start the other."""

from __future__ import annotations

from dataclasses import replace

from stspec.diagnostics import Diagnostic, SpecError
from stspec.network import Network, compile_spec
from stspec.passes.streams import stems
from stspec.schema.models import Backbone, Policy
from stspec.weights.arrays import Shape, size_text

_MOST_NAMED = 3
_UNNAMED = Backbone.model_fields["name"].default
"""What a backbone is called that a model writes out itself."""


def check_backbones(network: Network, donor: Network) -> None:
    """Refuse a donor whose backbone has convolutions of the network's in other shapes.

    Backbones are compared without their policies and heads, so that what these insert, replace
    and factorise tells nothing; stems read what the clips have. A model may set layers of a named
    backbone otherwise, and shares the rest of it. Where a network has several pathways, any of
    them may be what the two share: these are not compared.

    Raises:
        SpecError: if they are different backbones.
    """
    one, other = (_title(each.spec.backbone) for each in (network, donor))
    if one == other != _UNNAMED or network.spec.beside or donor.spec.beside:
        return
    here, there = _kernels(network), _kernels(donor)
    misfits = [key for key, shape in here.items() if there.get(key) != shape]
    if not any(key in there for key in misfits):
        return  # one goes on where the other ends: deeper stages, or the 3D half of ECO
    told = [f"`{key}` {_difference(there.get(key), here[key])}" for key in misfits[:_MOST_NAMED]]
    more = len(misfits) - len(told)
    listed = ", ".join(told) + (f" and {more} more" if more else "")
    message = f"{donor.name} is of another backbone than {network.name}: {other}, not {one}"
    help = f"weights start a network of the same backbone; of the convolutions {listed}"
    raise SpecError(Diagnostic("other-backbone", message, help=help))


def _kernels(network: Network) -> dict[str, Shape]:
    """Return the convolutions of a network's backbone, but for what reads the clip."""
    spec = network.spec
    if not spec.layers:
        return {}
    trunk = replace(spec.trunk, policy=Policy(), rules=())
    bare = compile_spec(replace(spec, trunk=trunk, head=None))
    read = stems(bare.facts)
    return {
        key: shape
        for key, shape in bare.state.items()
        if len(shape) >= 4 and key.rpartition(".")[0] not in read
    }


def _difference(there: Shape | None, here: Shape) -> str:
    return "is missing there" if there is None else f"is {size_text(there)}, not {size_text(here)}"


def _title(backbone: Backbone) -> str:
    scaled = {"width": backbone.width, "depth": backbone.depth}
    factors = ", ".join(f"{name} {value:g}" for name, value in scaled.items() if value != 1)
    return backbone.name + (f" ({factors})" if factors else "")
