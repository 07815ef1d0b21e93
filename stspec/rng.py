"""Randomness without state: every draw follows from keys, such as (seed, epoch, sample, stage).

Nothing needs to be replayed when a run is resumed, and workers, ranks and devices agree.
"""

from __future__ import annotations

import hashlib
from random import Random

Key = int | str


def keyed_seed(*keys: Key) -> int:
    """Return a seed of 63 bits that depends on all keys and on their order."""
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def keyed(*keys: Key) -> Random:
    """Return a generator of its own for these keys."""
    return Random(keyed_seed(*keys))
