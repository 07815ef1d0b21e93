"""Where shipped specs and their generated source are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stspec.network import Network


def shipped() -> list[str]:
    """Return the names of all shipped specs: the named ones, then the families; no variants."""
    from stspec.compose import find, names

    return sorted(names("model"), key=lambda name: find("model", name).parent.name == "families")


def checkout() -> Path | None:
    """Return the checkout that stspec runs from, or None where it is installed."""
    from stspec.compose import data_root

    root = data_root()
    return root if (root / "pyproject.toml").is_file() else None


def generated_folder() -> Path:
    """Return where source is written: the checkout's folder, else `generated` in this one."""
    return (checkout() or Path()) / "generated"


def folder_for(target: str) -> Path:
    """Return where the source of a target is written: the checkout keeps shipped models alone."""
    from stspec.compose.locate import is_path

    return Path("generated") if is_path(target.partition(":")[0]) else generated_folder()


def file_name(network: Network, changed: bool) -> str:
    """Return the name of a model's file; overridden models never take the spec's own."""
    stem = "".join(c if c.isalnum() or c == "_" else "_" for c in network.name)
    if changed:
        stem += f"__{network.hashes.math[:8]}"
    return f"{stem}.py"
