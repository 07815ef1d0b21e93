"""The lock file: keys and shapes of every shipped spec, so that none changes unnoticed.

It is JSON for people to diff: a line per block, on which stand its tensors, equal neighbours told
once (``layer1.1-2``). A batch norm is one word, since its five tensors go together. Reading it
gives back every key and shape, so a change is told key by key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stspec.analysis.hashes import digest

if TYPE_CHECKING:
    from stspec.network import Network

State = Mapping[str, tuple[int, ...]]

VERSION = 1
ON_A_LINE = 12
"""A line holds the tensors of a subtree with at most so many entries."""

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_TOP = "."


@dataclass(frozen=True, slots=True)
class Change:
    """How one spec differs from the lock; ``told`` says it in lines."""

    spec: str
    told: tuple[str, ...]


def lock_entry(network: Network) -> dict[str, Any]:
    """Return what the lock says of a model."""
    state = network.state
    return {
        "weights": network.hashes.weights,
        "params": network.facts.params,
        "keys": digest([[key, list(shape)] for key, shape in state.items()]),
        "state": pack(state),
    }


def lock_text(networks: Mapping[str, Network]) -> str:
    """Return the lock file of models by name."""
    specs: dict[str, Any] = {}
    first: dict[str, str] = {}
    for name, network in sorted(networks.items()):
        entry = lock_entry(network)
        twin = first.setdefault(entry["keys"], name)
        if twin != name:
            entry["state"] = twin
        specs[name] = entry
    return json.dumps({"lock": VERSION, "specs": specs}, indent=1) + "\n"


def pack(state: State) -> dict[str, str]:
    """Return a state dict as lines: owner to its tensors, equal numbered neighbours joined."""
    lines: dict[str, str] = {}
    for owner, words in _owners(_words(state)):
        lines[owner] = lines[owner] + ", " + words if owner in lines else words
    return _joined(lines)


def unpack(lines: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return the state dict that `pack` has packed.

    Raises:
        ValueError: if the lines are no such thing.
    """
    state: dict[str, tuple[int, ...]] = {}
    for owners, words in lines.items():
        for owner in _spread(owners):
            for word in words.split(", "):
                name, _, shape = word.partition(" ")
                key = name if owner == _TOP else f"{owner}.{name}"
                state.update(_tensors(key, shape))
    return state


def states(specs: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the state dict of every spec of a lock file.

    Raises:
        KeyError, TypeError, ValueError: if the file holds something else.
    """
    found = {}
    for name, entry in specs.items():
        state = entry["state"]
        found[name] = unpack(specs[state]["state"] if isinstance(state, str) else state)
    return found


def compare(before: Mapping[str, Any], networks: Mapping[str, Network]) -> list[Change]:
    """Return how models differ from what a lock file says, spec by spec.

    Args:
        before: the lock file's ``specs``.
        networks: the models as they are now.
    """
    changes = []
    recorded = states(before)
    for name in sorted(before.keys() | networks.keys()):
        if name not in before:
            changes.append(Change(name, ("is new",)))
        elif name not in networks:
            changes.append(Change(name, ("is gone",)))
        else:
            told = tuple(_differences(before[name], recorded[name], networks[name]))
            changes += [Change(name, told)] if told else []
    return changes


def _differences(entry: Mapping[str, Any], old: State, network: Network) -> Iterator[str]:
    new = network.state
    for key in old:
        if key not in new:
            yield f"- {key} {_size(old[key])}"
    for key, shape in new.items():
        if key not in old:
            yield f"+ {key} {_size(shape)}"
        elif old[key] != shape:
            yield f"~ {key} {_size(old[key])} -> {_size(shape)}"
    if old == new and list(old) != list(new) and entry["keys"] != lock_entry(network)["keys"]:
        yield "the keys stand in another order"
    if old == new and entry["weights"] != network.hashes.weights:
        yield "the same keys are filled otherwise (inflation, initialisation or weights)"


def _words(state: State) -> list[tuple[str, str]]:
    """Return pairs of path and shape, the tensors of a batch norm as one pair."""
    words: list[tuple[str, str]] = []
    keys = list(state)
    index = 0
    while index < len(keys):
        owner, _, leaf = keys[index].rpartition(".")
        group = [f"{owner}.{name}" for name in _NORM]
        if leaf == "weight" and keys[index : index + 5] == group and _is_norm(state, group):
            words.append((owner, f"norm {state[keys[index]][0]}"))
            index += 5
        else:
            words.append((keys[index], _size(state[keys[index]])))
            index += 1
    return words


def _is_norm(state: State, group: list[str]) -> bool:
    shapes = [state[key] for key in group]
    return len(shapes[0]) == 1 and len(set(shapes[:4])) == 1 and shapes[4] == ()


def _owners(words: list[tuple[str, str]], depth: int = 1) -> Iterator[tuple[str, str]]:
    """Yield owners with their words: the highest owners whose words fit on a line."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for path, shape in words:
        parts = path.split(".")
        owner = ".".join(parts[:depth]) if len(parts) > depth else ".".join(parts[: depth - 1])
        groups.setdefault(owner or _TOP, []).append((path, shape))
    for owner, members in groups.items():
        below = any(len(path.split(".")) > depth for path, _ in members)
        if below and (len(members) > ON_A_LINE or _is_numbered(owner, members)):
            yield from _owners(members, depth + 1)
        else:
            cut = 0 if owner == _TOP else len(owner) + 1
            yield owner, ", ".join(f"{path[cut:]} {shape}" for path, shape in members)


def _is_numbered(owner: str, members: list[tuple[str, str]]) -> bool:
    """Tell whether an owner is a sequence of blocks, which get a line each."""
    return all(re.match(r"\d+\..*\.|\d+\.\D", path[len(owner) + 1 :]) for path, _ in members)


def _joined(lines: Mapping[str, str]) -> dict[str, str]:
    """Join neighbours that differ in their number alone: layer1.1, layer1.2 to layer1.1-2."""
    joined: list[tuple[str, int, int, str]] = []
    for owner, words in lines.items():
        stem, _, number = owner.rpartition(".")
        index = int(number) if number.isdigit() and stem else -1
        last = joined[-1] if joined else None
        if last and index > 0 and last[0] == stem and last[2] == index - 1 and last[3] == words:
            joined[-1] = (stem, last[1], index, words)
        else:
            joined.append((stem, index, index, words) if index >= 0 else (owner, -1, -1, words))
    return {_name(stem, first, last): words for stem, first, last, words in joined}


def _name(stem: str, first: int, last: int) -> str:
    if first < 0:
        return stem
    return f"{stem}.{first}" if first == last else f"{stem}.{first}-{last}"


def _spread(owners: str) -> list[str]:
    match = re.fullmatch(r"(.+\.)(\d+)-(\d+)", owners)
    if match is None:
        return [owners]
    stem, first, last = match.groups()
    return [f"{stem}{index}" for index in range(int(first), int(last) + 1)]


def _tensors(key: str, shape: str) -> dict[str, tuple[int, ...]]:
    if shape.startswith("norm "):
        channels = (int(shape[5:]),)
        return {f"{key}.{name}": () if name == _NORM[-1] else channels for name in _NORM}
    return {key: tuple(int(size) for size in shape.split("x")) if shape != "scalar" else ()}


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
