"""How quick the front end is, against the time that importing torch alone takes.

Commands run cold, each in a process of its own, in turn with `import torch`, so that both meet the
same machine. Run `python benchmarks/front_end.py [ROUNDS]`; the exit status is 1 where a target is
missed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

BASE = ("-c", "import torch")
CLI = ("-m", "stspec.cli")
COMMANDS: dict[str, tuple[str, ...]] = {
    "stspec --help": (*CLI, "--help"),
    "stspec check tam_resnet50": (*CLI, "check", "tam_resnet50"),
    "stspec diff i3d tam": (*CLI, "diff", "i3d", "tam"),
    "stspec cost tam:resnet101": (*CLI, "cost", "tam:resnet101"),
    "stspec show tam_resnet50": (*CLI, "show", "tam_resnet50"),
}
MOST_OF_TORCH = 0.5
EMIT_SECONDS, ALL_SECONDS = 1.0, 10.0

_LARGEST = """
import time
from stspec.compose import index
from stspec.network import load
networks = [load(name) for name in index()]
largest = max(networks, key=lambda network: len(network.state))
start = time.perf_counter()
text = largest.emit().text
print(largest.name, len(text.splitlines()), time.perf_counter() - start)
"""


def seconds(arguments: Sequence[str]) -> float:
    """Run Python once and return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


def ratios(rounds: int) -> tuple[float, dict[str, float]]:
    """Return the median seconds of importing torch and of every command."""
    seconds(BASE)  # the first run fills the disk's cache
    torch: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        torch.append(seconds(BASE))
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(arguments))
    return statistics.median(torch), {n: statistics.median(s) for n, s in taken.items()}


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    torch, taken = ratios(rounds)
    missed = 0
    print(f"median of {rounds} cold runs each\n")
    print(f"{'import torch':<32} {torch:6.3f} s   ratio   target")
    for name, median in taken.items():
        missed += median / torch >= MOST_OF_TORCH
        print(f"{name:<32} {median:6.3f} s   {median / torch:5.2f}   < {MOST_OF_TORCH}")
    name, lines, emitting = subprocess.run(
        [sys.executable, "-c", _LARGEST], capture_output=True, text=True, check=True
    ).stdout.split()
    everything = seconds((*CLI, "check", "--all"))
    print(f"\nemit {name}, {lines} lines: {float(emitting):.3f} s (target < {EMIT_SECONDS:g})")
    print(f"stspec check --all: {everything:.2f} s (target < {ALL_SECONDS:g})")
    missed += (float(emitting) >= EMIT_SECONDS) + (everything >= ALL_SECONDS)
    print("every target met" if not missed else f"{missed} targets missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
