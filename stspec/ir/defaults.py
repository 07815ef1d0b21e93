"""What a backbone sets for all of its blocks: norm, activation, biases."""

from __future__ import annotations

from stspec.graph import Defaults
from stspec.ops.activation import Activation
from stspec.ops.norm import BatchNorm
from stspec.ops.registry import OPS
from stspec.schema.models import Backbone


def backbone_defaults(backbone: Backbone) -> Defaults:
    """Return what a backbone sets for all of its blocks."""
    norm = backbone.norm
    activation = OPS.get(backbone.activation)
    assert activation is not None and issubclass(activation, Activation)
    return Defaults(
        norm=None if norm == "none" else BatchNorm(eps=norm.eps, momentum=norm.momentum),
        activation=activation,
        conv_bias=backbone.conv_bias,
    )
