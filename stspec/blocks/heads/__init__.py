"""Heads: from the trunk, or from features, to class scores. One file for each kind of reasoning."""

from __future__ import annotations

from stspec.blocks.heads.base import Head
from stspec.blocks.heads.fcn import Fcn2dHead, Fcn3dHead
from stspec.blocks.heads.forest import ForestHead
from stspec.blocks.heads.fusion import LateFusionHead
from stspec.blocks.heads.linear import ConvolutionHead, LinearHead
from stspec.blocks.heads.pyramid import PyramidHead
from stspec.blocks.heads.recurrent import ConvLstmHead, RecurrentHead
from stspec.blocks.heads.relations import MlpHead, RelationHead
from stspec.blocks.heads.segmentation import TcnHead
from stspec.blocks.heads.transformer import TransformerHead
from stspec.blocks.heads.window import WindowHead

_EVERY: tuple[type[Head], ...] = (
    LinearHead,
    LateFusionHead,
    WindowHead,
    ConvolutionHead,
    MlpHead,
    RelationHead,
    RecurrentHead,
    ConvLstmHead,
    Fcn2dHead,
    Fcn3dHead,
    TransformerHead,
    ForestHead,
    TcnHead,
    PyramidHead,
)

HEADS: dict[str, type[Head]] = {head.kind: head for head in _EVERY}

__all__ = ["HEADS", "Head"]
