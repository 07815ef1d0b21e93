"""The scores of a video's views become one row of scores."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Exact = NDArray[np.float64]
Fuse = Literal["probabilities", "logits"]
By = Literal["mean", "max"]


def probabilities(logits: NDArray[np.floating], *, multi_label: bool = False) -> Exact:
    """Return what scores (..., K) mean: softmax over classes, or each class's sigmoid."""
    exact = logits.astype(np.float64)
    if multi_label:
        # Both forms are the sigmoid; neither exponential overflows.
        small = np.exp(-np.abs(exact))
        return np.where(exact >= 0, 1 / (1 + small), small / (1 + small))
    shifted = np.exp(exact - exact.max(axis=-1, keepdims=True))
    rows: Exact = shifted / shifted.sum(axis=-1, keepdims=True)
    return rows


def fuse(
    logits: NDArray[np.floating],
    what: Fuse = "probabilities",
    by: By = "mean",
    *,
    multi_label: bool = False,
) -> Exact:
    """Return probabilities (N, K) of videos from the scores (N, V, K) of their views.

    Args:
        logits: what the model gave, before any softmax.
        what: ``probabilities`` are joined, or ``logits``, of which probabilities are taken then.
        by: their mean over views, or for each class the maximum. Maxima of probabilities need
            not sum to 1; they are divided by their sum, which changes no order, unless classes
            are independent.
        multi_label: classes are independent (sigmoid).
    """
    joined = logits.astype(np.float64)
    if what == "probabilities":
        joined = probabilities(joined, multi_label=multi_label)
    joined = joined.mean(axis=1) if by == "mean" else joined.max(axis=1)
    if what == "logits":
        joined = probabilities(joined, multi_label=multi_label)
    elif by == "max" and not multi_label:
        joined = joined / joined.sum(axis=-1, keepdims=True)
    return joined
