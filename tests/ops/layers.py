"""Layers that operators name, run on meta tensors: any size costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from hypothesis import event
from torch import Tensor, nn

from stspec.ops.base import Layer, Layout, Op, Shape, ShapeError, Site

BATCH = 2
REFUSALS = (RuntimeError, ValueError, IndexError)


def made(layer: Layer) -> nn.Module:
    """Construct what a layer describes, on the meta device."""
    owner: Any = nn
    if layer.template is not None:
        owner = importlib.import_module(f"templates.modules.{layer.template}")
    cls = getattr(owner, layer.cls.removeprefix("nn."))
    places = [arg.value for arg in layer.args if not arg.keyword]
    names = {arg.name: arg.value for arg in layer.args if arg.keyword}
    with torch.device("meta"):
        module = cls(*places, **names)
    assert isinstance(module, nn.Module)
    return module.eval()


def laid_out(shape: Shape, layout: Layout) -> Tensor:
    """Return a value of a shape in a layout: trunk values and features."""
    if not shape.is_trunk:
        return torch.empty((BATCH, *reversed(shape.sizes)), device="meta")
    c, t, h, w = shape.sizes
    size = (BATCH, c, t, h, w) if layout == "clip" else (BATCH * t, c, h, w)
    return torch.empty(size, device="meta")


def given_shape(out: Tensor, layout: Layout) -> Shape:
    """Return the named axes of a trunk value."""
    if layout == "clip":
        return Shape(*out.shape[1:])
    frames = out.shape[0] // BATCH
    return Shape(out.shape[1], frames, *out.shape[2:])


def runs(op: Op, inputs: Sequence[Shape], layout: Layout, out: Shape) -> Tensor:
    """Return what the operator's layer gives."""
    layer = op.layer(Site(tuple(inputs), out, layout))
    assert layer is not None
    with torch.no_grad():
        result = made(layer)(*(laid_out(shape, layout) for shape in inputs))
    assert isinstance(result, Tensor)
    return result


def agree(op: Op, inputs: Sequence[Shape], layout: Layout) -> None:
    """Check an operator's shape rule on one case, be it accepted or refused."""
    try:
        expected = op.infer(inputs)
    except ShapeError:
        event("refused")
        guess = inputs[0].with_channels(op.channels([shape.channels for shape in inputs]))
        try:
            out = runs(op, inputs, layout, guess)
        except REFUSALS:
            return
        assert out.numel() == 0
        return
    assert all(size > 0 for size in expected.sizes)
    assert given_shape(runs(op, inputs, layout, expected), layout) == expected
    assert expected.channels == op.channels([shape.channels for shape in inputs])


def same_parameters(op: Op, inputs: Sequence[Shape], layout: Layout) -> None:
    """Check keys and shapes, in order, and which entries are learnt."""
    layer = op.layer(Site(tuple(inputs), op.infer(inputs), layout))
    assert layer is not None
    module = made(layer)
    params = op.params(inputs)
    assert [(p.name, p.shape) for p in params] == [
        (key, tuple(value.shape)) for key, value in module.state_dict().items()
    ]
    learnt = {name for name, _ in module.named_parameters()}
    assert {p.name for p in params if p.role != "buffer"} == learnt
