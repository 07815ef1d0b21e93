"""The operators and blocks that an importer's file speaks of: each must be one that there is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from stspec.blocks.registry import BLOCKS
from stspec.diagnostics import did_you_mean
from stspec.ops.base import Op
from stspec.ops.registry import OPS
from stspec.schema.validate import InvalidError

_READS = re.compile(r"<(\w+)$")
_IS_SET = re.compile(r":(\w+)=")


def check_op(kind: str, *at: str | int) -> None:
    """Raise InvalidError where there is no operator of a kind; `at` is where it is written."""
    _check(kind, _ops(), "unknown-op", "operator", at)


def check_name(name: str, *at: str | int) -> None:
    """Raise InvalidError where a name tells of a kind or of a setting that there is not.

    Such names are ``conv1<shift``, a layer that reads what a shift gives, and
    ``relation:layers=1``, how an operator is set.
    """
    if (reads := _READS.search(name)) is not None:
        _check(reads[1], {*_ops(), *BLOCKS}, "unknown-op", "operator or block", at)
    if (is_set := _IS_SET.search(name)) is not None:
        _check(is_set[1], _settings(), "unknown-key", "setting of an operator", at)


def _check(
    name: str, known: Collection[str], code: str, what: str, at: tuple[str | int, ...]
) -> None:
    if name not in known:
        help_text = did_you_mean(name, sorted(known)) or None
        raise InvalidError(f"there is no {what} `{name:.80}`", code=code, help=help_text, at=at)


def _ops() -> set[str]:
    # A model with operators of the user's files is compiled before its importer is read.
    return {*OPS.names(), *(op.kind for op in _declared() if hasattr(op, "kind"))}


def _settings() -> set[str]:
    return {name for op in _declared() for name in op.model_fields}


def _declared(base: type[Op] = Op) -> Iterator[type[Op]]:
    for op in base.__subclasses__():
        yield op
        yield from _declared(op)
