"""What a run learns from, as the loop sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypedDict

from torch import Tensor, nn

from stspec.network import Network
from stspec.train.distributed import World


class Batch(TypedDict):
    """Clips of one process, as the loader gives them."""

    clips: Tensor
    """uint8 (N, C, T, H, W)."""
    labels: Tensor
    """Classes (N,), or multi-hot floats (N, K)."""
    faults: list[str]
    """Videos that could not be read, with the reason."""


class Feed(Protocol):
    """Batches by epoch and number, whatever came before; and a test."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes."""

    @property
    def multi_label(self) -> bool:
        """Tell whether a clip may have several classes."""

    @property
    def count(self) -> int:
        """Return the number of clips of an epoch."""

    @property
    def about(self) -> dict[str, Any]:
        """Return what identifies the data: it must be the same when a run is resumed."""

    def train(
        self, network: Network, batch: int, epoch: int, first: int, world: World
    ) -> Iterator[Batch]:
        """Yield this process's shares of an epoch's batches, from number `first` on."""

    def validate(self, network: Network, module: nn.Module, world: World) -> dict[str, Any] | None:
        """Return the metrics of a module on the validation list; None where there is none.

        All processes take part and return the same; `loss` is one of the metrics.
        """

    def close(self) -> None:
        """Let go of workers."""
