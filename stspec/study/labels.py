"""What models and steps between them are called in tables and figures. Imports no torch."""

from __future__ import annotations

from stspec.study.records import Facets


def approach(facets: Facets) -> str:
    """Return what is compared on one backbone: `tam`, `tam_tp`; a head where there is no policy."""
    name = facets.head if facets.policy == "none" and facets.head else facets.policy
    return name + ("_tp" if facets.temporal_pooling else "")


def model_name(facets: Facets) -> str:
    """Return a short name of a model, without its data and frames: `tam_resnet50_tp`."""
    name = approach(facets)
    pooling = "_tp" if facets.temporal_pooling else ""
    return f"{name.removesuffix(pooling)}_{facets.backbone}{pooling}"
