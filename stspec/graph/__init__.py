"""The intermediate representation: owners are a tree, data is a graph. Imports ops alone."""

from stspec.graph.model import Graph, Node, Tags
from stspec.graph.scope import Defaults, Ref, Scope

__all__ = ["Defaults", "Graph", "Node", "Ref", "Scope", "Tags"]
