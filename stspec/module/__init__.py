"""Emitted source becomes an nn.Module. Imports torch."""

from stspec.module.load import build_module, import_source
from stspec.module.weights import load_weights, transplant_weights

__all__ = ["build_module", "import_source", "load_weights", "transplant_weights"]
