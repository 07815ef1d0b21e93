"""Dropout whose masks follow from a clip's place in the batch of all processes.

(Srivastava et al., JMLR 2014.) A process that holds a share of a batch, or computes it in parts,
drops what one process would drop that computes it whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stspec.rng import keyed_seed


@dataclass
class Masks:
    """What is dropped in the part of a step's batch that is computed at the moment."""

    seed: int
    step: int = 0
    first: int = 0
    """Place of the part's first clip in the batch of all processes."""
    clips: int = 0
    """Clips of the part; 0 where none is computed."""
    _generators: dict[torch.device, torch.Generator] = field(default_factory=dict)

    @contextmanager
    def of(self, step: int, first: int, clips: int) -> Iterator[None]:
        """Drop by these keys, forwards and where activations are computed again."""
        self.step, self.first, self.clips = step, first, clips
        try:
            yield
        finally:
            self.clips = 0

    def draw(self, x: Tensor, layer: int, p: float) -> Tensor:
        """Return a mask like x (N * k, ...), of zeros at probability p and ones."""
        generator = self._generators.setdefault(x.device, torch.Generator(x.device))
        mask = torch.empty(self.clips, x.numel() // self.clips, dtype=x.dtype, device=x.device)
        for place, row in enumerate(mask, self.first):
            generator.manual_seed(keyed_seed(self.seed, "dropout", self.step, layer, place))
            row.bernoulli_(1 - p, generator=generator)
        return mask.view(x.shape)


class _Keyed(nn.Dropout):
    """A dropout layer that draws by keys."""

    number: int
    masks: Masks

    def forward(self, input: Tensor) -> Tensor:
        """(N * k, ...) -> the same with elements dropped and the rest scaled."""
        dropped: Tensor = _drop(self, input)
        return dropped


def keyed_dropout(module: nn.Module, seed: int) -> Masks:
    """Let a module's dropout layers draw by keys, and return what tells them which."""
    masks = Masks(seed)
    layers = [each for each in module.modules() if isinstance(each, nn.Dropout)]
    for number, layer in enumerate(layers):
        # In place: the layer stays where it is, under its name and with its hooks.
        layer.__class__ = _Keyed
        assert isinstance(layer, _Keyed)
        layer.number, layer.masks = number, masks
    return masks


def _by_keys(layer: _Keyed, x: Tensor) -> Tensor:
    """Return x with elements dropped and the rest scaled.

    The first axis holds clips, or the frames of one clip after those of another; what has neither
    is dropped by torch's own generator.
    """
    masks = layer.masks
    if not layer.training or not layer.p or not masks.clips or x.shape[0] % masks.clips:
        return F.dropout(x, layer.p, layer.training)
    return x * masks.draw(x, layer.number, layer.p).div_(1 - layer.p)


_drop = torch.compiler.disable(_by_keys)
