"""An average of weights over steps, which is what is tested and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a module's floating-point state; the rest is the latest."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take a step into account."""
        for key, value in module.state_dict().items():
            mine = self.state[key]
            if mine.is_floating_point():
                mine.lerp_(value, 1 - self.decay)
            else:
                mine.copy_(value)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over a saved average."""
        for key, value in state.items():
            self.state[key].copy_(value)

    @contextmanager
    def swapped(self, module: nn.Module) -> Iterator[None]:
        """Let the module have the averaged weights for a while."""
        own = {key: value.detach().clone() for key, value in module.state_dict().items()}
        module.load_state_dict(self.state)
        try:
            yield
        finally:
            module.load_state_dict(own)
