"""`stspec show`: a spec in full, its graph, or its owners."""

from __future__ import annotations

from typing import Annotated

import typer

from stspec.cli.options import Set, Target
from stspec.cli.screen import write


def show(
    target: Target,
    sets: Set = None,
    ir: Annotated[
        bool, typer.Option("--ir", help="Show the graph: every operator with its inputs.")
    ] = False,
    tree: Annotated[
        bool, typer.Option("--tree", help="Show the tree of owners with shapes.")
    ] = False,
) -> None:
    """Show a spec in full, and where each value is from.

    The YAML that is printed is a spec itself and gives the same model.
    """
    from stspec.cli.screen import width

    if ir or tree:
        from stspec.analysis.outline import describe_graph, describe_owners
        from stspec.network import load

        facts = load(target, sets or ()).facts
        write(describe_graph(facts, width()) if ir else describe_owners(facts, width()))
        return
    from stspec.analysis.origins import annotate
    from stspec.network import read_spec

    write(annotate(read_spec(target, sets or ()).tree, width()))
