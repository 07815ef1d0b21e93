"""Mistakes are gathered, so that all of a spec's are told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pydantic import BaseModel

from stspec.diagnostics import Diagnostic, SpecError
from stspec.source.nodes import Mapping


class Collector:
    """Gathers diagnostics."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the diagnostics of a SpecError raised inside."""
        try:
            yield
        except SpecError as error:
            self.diagnostics.extend(error.diagnostics)

    def finish(self) -> None:
        """Raise what was gathered, in the order of the text.

        Raises:
            SpecError: if anything was gathered.
        """
        if self.diagnostics:
            unique = dict.fromkeys(self.diagnostics)
            raise SpecError(*sorted(unique, key=lambda diagnostic: diagnostic.position))


def split(node: Mapping, model: type[BaseModel]) -> tuple[Mapping, Mapping]:
    """Divide a mapping into the keys that a model has and all others."""
    known = set(names_of(model))
    mine = tuple(entry for entry in node.entries if entry[0].value in known)
    rest = tuple(entry for entry in node.entries if entry[0].value not in known)
    return replace(node, entries=mine), replace(node, entries=rest)


def names_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that a model takes in YAML."""
    return [info.alias or name for name, info in model.model_fields.items()]
