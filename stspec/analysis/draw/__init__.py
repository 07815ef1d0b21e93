"""A model as a figure: its stages, and what is inside a block. Imports graph, passes and ops."""

from stspec.analysis.draw.figure import Figure, figure
from stspec.analysis.draw.svg import svg
from stspec.analysis.draw.terminal import terminal

__all__ = ["Figure", "figure", "svg", "terminal"]
