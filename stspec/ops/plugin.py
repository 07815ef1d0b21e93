"""Operators from outside the package: by entry point, or by a path that a spec names.

A spec may say ``insert: ./motion_gate.py:MotionGate``: a Python file beside the spec, or below
it, that declares an operator. Its module template is a file beside the declaration. Nothing
outside of the spec's own folder is ever run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.ops.base import Op
from stspec.ops.registry import OPS, flaw
from stspec.source.nodes import Scalar


def find_op(value: Scalar, others: Sequence[str] = ()) -> type[Op]:
    """Return the operator that a scalar names; ``others`` are further valid names, for help.

    Raises:
        SpecError: if there is none, or its declaration is broken.
    """
    name = str(value.value)
    if ".py" in name:
        return _load(name, value)
    op = OPS.get(name)
    if op is None:
        raise _error(
            "unknown-op",
            f"there is no operator `{name:.80}`",
            value,
            "not an operator",
            did_you_mean(name, sorted([*OPS.names(), *others])),
        )
    return op


def _error(
    code: str, message: str, value: Scalar, label: str, help: str | None = None
) -> SpecError:
    return SpecError(Diagnostic(code, message, (Label(value.span, label),), help=help))


def _load(name: str, value: Scalar) -> type[Op]:
    file, _, cls = name.partition(":")
    folder = Path(value.span.file).resolve().parent
    try:
        path = (folder / file).resolve()
        path.is_file()
    except (OSError, ValueError) as error:
        raise _error(
            "unreadable-file", f"`{file:.80}` cannot be a file", value, "named here"
        ) from error
    if not path.is_relative_to(folder):
        raise _error(
            "outside-folder",
            "an operator's file must lie beside its spec or below",
            value,
            "leaves the spec's folder",
        )
    if not path.is_file():
        raise _error(
            "unreadable-file",
            f"there is no file `{file:.120}`",
            value,
            "no such file",
            "looked beside the spec that names it",
        )
    module = _module(path, value)
    ops = {
        n: o
        for n, o in vars(module).items()
        if isinstance(o, type) and issubclass(o, Op) and o.__module__ == module.__name__
    }
    if cls not in ops and not (not cls and len(ops) == 1):
        raise _error(
            "unknown-op",
            f"{file} declares no operator `{cls}`",
            value,
            "not declared there",
            did_you_mean(cls, sorted(ops)) if ops else "declare a subclass of stspec.ops.base.Op",
        )
    op = ops[cls] if cls else next(iter(ops.values()))
    check_declaration(op, value)
    return op


def _module(path: Path, value: Scalar) -> ModuleType:
    digest = hashlib.sha256(path.read_bytes() + str(path).encode()).hexdigest()[:12]
    name = f"stspec_plugin_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _error(
            "broken-op",
            f"{path.name} does not import: {type(error).__name__}: {error}",
            value,
            "named here",
        ) from error
    return module


def check_declaration(op: type[Op], value: Scalar) -> None:
    """Refuse an operator whose declaration lacks what the compiler needs.

    Raises:
        SpecError: naming what is missing.
    """
    found = flaw(op)
    if found is not None:
        raise _error("broken-op", found[0], value, "named here", found[1])
    if op.kind in OPS.built_in:
        raise _error(
            "broken-op",
            f"{op.__name__} takes the name `{op.kind}`, which an operator of stspec has",
            value,
            "named here",
            "give its 'kind' another name",
        )
