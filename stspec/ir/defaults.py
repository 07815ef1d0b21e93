"""What a backbone sets for all of its blocks: norm, activation, biases."""

from __future__ import annotations

from stspec.graph import Defaults
from stspec.ops.activation import Activation
from stspec.ops.norm import BatchNorm
from stspec.ops.registry import OPS
from stspec.schema.spec import Spec


def backbone_defaults(spec: Spec) -> Defaults:
    """Return what the backbone sets for all of its blocks."""
    norm = spec.backbone.norm
    activation = OPS.get(spec.backbone.activation)
    assert activation is not None and issubclass(activation, Activation)
    return Defaults(
        norm=None if norm == "none" else BatchNorm(eps=norm.eps, momentum=norm.momentum),
        activation=activation,
        conv_bias=spec.backbone.conv_bias,
    )
