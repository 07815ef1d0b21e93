"""Training: from a spec, a recipe and data to a run that can be stopped anywhere.

Imports torch, and all of stspec that stands before it: data, runs, evaluate, networks.
"""

from stspec.train.recipe import Recipe, load_recipe, recipe_names
from stspec.train.run import train
from stspec.train.signals import LEFT, LeftEarly

__all__ = ["LEFT", "LeftEarly", "Recipe", "load_recipe", "recipe_names", "train"]
