"""What training takes, worked out from spec and recipe: steps, and memory. Imports no torch."""

from __future__ import annotations

from stspec.analysis.cost import BYTES, Cost, Row, cost
from stspec.diagnostics import Diagnostic, SpecError
from stspec.network import Network
from stspec.train.recipe import Recipe

INDEX = 8
"""Bytes of the place of a maximum."""


def steps_of(count: int, batch: int) -> int:
    """Return the steps of an epoch; what does not fill a batch is left for another epoch.

    Raises:
        SpecError: if there is not one full batch.
    """
    if count < batch:
        message = f"there are {count} clips to learn from, and a batch has {batch}"
        help = f"--set batch={max(1, count)} or less, also where `stages` have a batch of their own"
        raise SpecError(Diagnostic("too-few-clips", message, help=help))
    return count // batch


def estimate(network: Network, recipe: Recipe, clips: int, found: Cost | None = None) -> int:
    """Return the bytes that training takes at its height, roughly.

    Weights, gradients and the optimiser's state in float32; the clips; all outputs of operators
    for so many clips, in the recipe's precision; where maxima stood, which pools keep; gradients
    of the largest output and of what it came from. Of stages that are computed again, what goes
    into them. What libraries take for themselves (workspaces, what an allocator keeps for later)
    is not counted.

    Args:
        network: what is trained.
        recipe: how.
        clips: those that one process computes at once.
        found: the network's cost, where it is known.
    """
    found = found or cost(network)
    copies = 2 + (2 if recipe.optimizer.kind == "adamw" else 1) + (recipe.ema is not None)
    again = {str(stage) for stage in recipe.checkpoint_stages}
    width = BYTES if recipe.precision == "float32" else BYTES // 2
    kept = sum(_kept(row, width) for row in found.rows if row.stage not in again)
    inner = [sum(_kept(r, width) for r in found.rows if r.stage == stage) for stage in again]
    largest = 2 * width * max((row.activations for row in found.rows), default=0)
    given = network.facts.input.numel * (1 + BYTES)
    weights = copies * BYTES * network.facts.params
    return weights + clips * (given + kept + max(inner, default=0) + largest)


def _kept(row: Row, width: int) -> int:
    """Return the bytes that an operator leaves for the backward, of one clip."""
    indices = INDEX if "max_pool" in row.kind else 0
    return row.activations * (width + indices)
