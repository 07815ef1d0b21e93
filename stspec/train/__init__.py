"""Training: from a spec, a recipe and data to a run that can be stopped anywhere.

Imports torch, and all of stspec that stands before it: data, runs, evaluate, networks. Names are
looked up when they are first used: recipes and what training takes are known without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stspec.train.recipe import Recipe, load_recipe, recipe_names
    from stspec.train.run import train
    from stspec.train.signals import LEFT, LeftEarly

__all__ = ["LEFT", "LeftEarly", "Recipe", "load_recipe", "recipe_names", "train"]

_HOMES = {
    "LEFT": "signals",
    "LeftEarly": "signals",
    "Recipe": "recipe",
    "load_recipe": "recipe",
    "recipe_names": "recipe",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stspec.train' has no attribute {name!r}")
    return getattr(import_module(f"stspec.train.{_HOMES[name]}"), name)
