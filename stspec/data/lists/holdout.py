"""A share of the samples of each class held out, the same ones whenever it is asked for."""

from __future__ import annotations

from dataclasses import replace

from stspec.data.lists.splits import Split
from stspec.data.sample import Manifest
from stspec.diagnostics import Diagnostic, SpecError
from stspec.rng import keyed_seed


def hold_out(manifest: Manifest, split: Split, share: float) -> Manifest:
    """Return the samples to learn from, or those held out to measure on.

    Which ones follows from their ids alone. A class of two or more gives at least one to each
    part; pieces of one file go together.

    Args:
        manifest: all samples.
        split: train, or the part that is measured on.
        share: of each class's files, between 0 and 1.

    Raises:
        SpecError: if the share is not between 0 and 1, or a class has one file.
    """
    if not 0 < share < 1:
        message = f"a share of {share:g} cannot be held out"
        help = "0.1 holds a tenth of each class out"
        raise SpecError(Diagnostic("bad-share", message, help=help))
    held = _held(manifest, share)
    kept = tuple(s for s in manifest if (s.path in held) == (split != "train"))
    told = f"{len(kept)} of {len(manifest)} samples, {share:g} of each class's files held out"
    return replace(manifest, samples=kept, notes=(*manifest.notes, told))


def _held(manifest: Manifest, share: float) -> set[str]:
    """Return the paths that are held out."""
    files: dict[int, dict[str, None]] = {}
    for sample in manifest:
        files.setdefault(sample.labels[0] if sample.labels else -1, {})[sample.path] = None
    held: set[str] = set()
    for label, paths in files.items():
        if len(paths) < 2:
            name = manifest.classes[label] if label >= 0 else "no class"
            message = f"`{name}` has a single file, of which none can be held out"
            raise SpecError(Diagnostic("too-few-files", message, help="add files, or remove it"))
        order = sorted(paths, key=lambda path: keyed_seed("held out", path))
        count = min(max(1, round(share * len(order))), len(order) - 1)
        held |= set(order[:count])
    return held
