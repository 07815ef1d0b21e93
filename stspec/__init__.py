"""A compiler for video-recognition networks: YAML in; module, source, cost and diff out.

    import stspec

    network = stspec.load("tam_resnet50", ["clip.frames=16"])   # checked and compiled, no torch
    print(stspec.cost(network).total.macs)
    print(stspec.emit(network))                                 # standalone source
    model = stspec.build(network)                               # torch.nn.Module

Names are looked up when they are first used, so that importing stspec costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stspec.api import build, cost, diff, emit, load_weights, transplant_weights
    from stspec.api.speed import bench
    from stspec.api.videos import evaluate, features, predict
    from stspec.diagnostics import SpecError
    from stspec.network import Network, load
    from stspec.train import train

__version__ = "0.1.0"

__all__ = [
    "Network",
    "SpecError",
    "__version__",
    "bench",
    "build",
    "cost",
    "diff",
    "emit",
    "evaluate",
    "features",
    "load",
    "load_weights",
    "predict",
    "train",
    "transplant_weights",
]

_HOMES = {
    "Network": "stspec.network",
    "SpecError": "stspec.diagnostics",
    "bench": "stspec.api.speed",
    "build": "stspec.api",
    "cost": "stspec.api",
    "diff": "stspec.api",
    "emit": "stspec.api",
    "evaluate": "stspec.api.videos",
    "features": "stspec.api.videos",
    "load": "stspec.network",
    "load_weights": "stspec.api",
    "predict": "stspec.api.videos",
    "train": "stspec.train",
    "transplant_weights": "stspec.api",
}


class _Package(ModuleType):
    """Keeps `stspec.diff`, `train` and others functions, where packages have these names too."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Whoever imports a submodule lets Python set it as an attribute of the package.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stspec' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
