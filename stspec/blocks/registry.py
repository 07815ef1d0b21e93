"""The blocks that YAML can name."""

from __future__ import annotations

from stspec.blocks.base import Block
from stspec.blocks.big_little import BigLittle, BigLittleStem
from stspec.blocks.correlation import CorrelationBlock
from stspec.blocks.dense import DenseLayer, Transition
from stspec.blocks.excitation import Excitation
from stspec.blocks.fire import Fire
from stspec.blocks.groups import SpatiotemporalGroups
from stspec.blocks.inception import Inception
from stspec.blocks.inverted import InvertedBottleneck
from stspec.blocks.lateral import TemporalLateral
from stspec.blocks.mobile import InvertedResidual
from stspec.blocks.motion import MotionExcitation
from stspec.blocks.multi_scale_temporal import MultiScaleTemporal
from stspec.blocks.multiscale import MultiscaleBottleneck
from stspec.blocks.non_local import NonLocal
from stspec.blocks.residual import (
    Basic,
    Bottleneck,
    PreActivationBasic,
    PreActivationBottleneck,
)
from stspec.blocks.separable import SeparableConv
from stspec.blocks.separated import ChannelSeparated
from stspec.blocks.units import ConvSequence, ConvUnit

BLOCKS: dict[str, type[Block]] = {
    block.kind: block
    for block in (
        Basic,
        Bottleneck,
        MultiscaleBottleneck,
        PreActivationBasic,
        PreActivationBottleneck,
        ChannelSeparated,
        DenseLayer,
        Transition,
        ConvUnit,
        ConvSequence,
        Inception,
        InvertedResidual,
        InvertedBottleneck,
        Fire,
        NonLocal,
        MotionExcitation,
        Excitation,
        CorrelationBlock,
        BigLittle,
        BigLittleStem,
        SpatiotemporalGroups,
        TemporalLateral,
        SeparableConv,
        MultiScaleTemporal,
    )
}
