"""What a block must say of itself: its fields, and how it writes itself into a scope."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from pydantic import BaseModel

from stspec.graph import Defaults, Graph, Ref, Scope
from stspec.ops.base import FROZEN


class Block(BaseModel):
    """Base of every block. Fields are what YAML may say; channels that arrive follow from edges."""

    model_config = FROZEN

    kind: ClassVar[str]
    """The block's name in YAML."""
    roles: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Roles of the block's own edges."""
    core: ClassVar[str | None] = None
    """Path of the convolution that takes over the weights of one that the block replaces."""
    channel_fields: ClassVar[tuple[str, ...]] = ("width",)
    """Fields that count channels, which a backbone's width factor scales."""
    core_norm: ClassVar[str | None] = None
    """Path of the norm that takes over the one behind such a convolution. A block that names one
    stands for the whole unit, norm and activation included."""

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the block's nodes into a scope and return its output.

        Raises:
            ShapeError: if the block cannot stand behind so many channels.
        """
        raise TypeError(f"{type(self).__name__} does not build")

    def graph(self, channels: int, defaults: Defaults) -> tuple[Graph, int]:
        """Return the block for so many input channels, and its output channels."""
        return _graph_once(self, channels, defaults)

    def __hash__(self) -> int:
        return hash((type(self), self.model_dump_json()))

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the block's documentation."""
        return (cls.__doc__ or cls.kind).strip().splitlines()[0]


@lru_cache(maxsize=10_000)
def _graph_once(block: Block, channels: int, defaults: Defaults) -> tuple[Graph, int]:
    """Blocks are alike, in one network and in a family of them: each is written once."""
    scope = Scope(block.kind, [channels], defaults)
    scope.fields = {"in_channels": channels, **block.model_dump()}
    out = block.build(scope, scope.x)
    scope.fields["out_channels"] = out.channels
    return scope.finish(out), out.channels


BLOCK_OUTPUT = (("block_output", "output"),)
MODULE_OUTPUT = (("module_output", "output"),)
RESIDUAL_START = (("residual_start", "input"),)
RESIDUAL_END = (("residual_end", "output"),)
MODULE_INPUT = (("module_input", "entry"),)
BLOCK_INPUT = (("block_input", "entry"),)
