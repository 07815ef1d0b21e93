"""By what a run is known: hashes of all that its result depends on, and of nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stspec.analysis.hashes import Hashes, digest
from stspec.train.recipe import Recipe

_WORDS = {"stspec", "name", "about", "paper"}
"""Keys of a recipe that change nothing."""


def run_key(
    hashes: Hashes, recipe: str, data: str, seed: int, start: str | None, after: str | None
) -> str:
    """Return the key of a run, 16 hexadecimal digits.

    Args:
        hashes: of the model: `math` is what it computes, operators' declarations and templates
            included; `weights` its keys, shapes, how they start and are filled.
        recipe: digest of the recipe, see `recipe_digest`.
        data: digest of the data set's samples, labels and classes.
        seed: of all that is drawn.
        start: digest of the checkpoint that it starts from, where there is one.
        after: key of the run that it starts from, where there is one.
    """
    return digest([hashes.math, hashes.weights, recipe, data, seed, start, after])


def recipe_digest(recipe: Recipe) -> str:
    """Return the fingerprint of what a recipe says, its name and words for people aside."""
    return digest(recipe.model_dump(mode="json", exclude=_WORDS))


def text_digest(text: str) -> str:
    """Return the fingerprint of a resolved text, its heading aside."""
    return hashlib.sha256(text.partition("\n")[2].encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the fingerprint of a file's bytes.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
