"""A real import of emitted source, from a file named after its content.

Pickling, ``inspect``, ``torch.compile`` and tracebacks then work as with any other module.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import cast

from torch import nn

from stspec.diagnostics import Diagnostic, SpecError
from stspec.emit.source import Emitted
from stspec.network import Network
from stspec.output import write_text
from stspec.passes.outsiders import outsiders

PREFIX = "stspec_generated_"


def cache_folder() -> Path:
    """Return where emitted modules are kept: STSPEC_CACHE, else the user's cache."""
    base = os.environ.get("STSPEC_CACHE")
    if base:
        return Path(base) / "modules"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "stspec" / "modules"


def import_source(emitted: Emitted) -> ModuleType:
    """Import emitted source and return the Python module."""
    digest = hashlib.sha256(emitted.text.encode()).hexdigest()[:16]
    name = PREFIX + digest
    if name in sys.modules:
        return sys.modules[name]
    path = _stored(name, emitted.text)
    _find_generated(path.parent)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _stored(name: str, text: str) -> Path:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _keep(folder / f"{name}.py", text)
    except OSError:
        # A home that cannot be written must not keep anyone from building a model.
        return _keep(Path(tempfile.mkdtemp(prefix="stspec-")) / f"{name}.py", text)


def _keep(path: Path, text: str) -> Path:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return path


def _find_generated(folder: Path) -> None:
    # Workers that unpickle a model import its module by name.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def build_module(network: Network, *, canonical: bool = False) -> nn.Module:
    """Return the model as an nn.Module, with freshly initialised weights.

    Args:
        network: the compiled spec.
        canonical: use the canonical operators (for counting MACs as they run).

    Raises:
        SpecError: if the module of an operator from outside the package cannot be made.
    """
    emitted = network.emit(canonical=canonical)
    try:
        module = import_source(emitted)
        return cast("nn.Module", getattr(module, emitted.class_name)())
    except Exception as error:
        kinds = ", ".join(outsiders(network.facts))
        if not kinds:
            raise
        message = f"the module with {kinds} cannot be made: {type(error).__name__}: {error}"
        raise SpecError(Diagnostic("broken-op", message)) from error
