"""Emitted source becomes an nn.Module. Imports torch."""

from stspec.module.load import build_module, import_source

__all__ = ["build_module", "import_source"]
