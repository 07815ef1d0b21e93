"""The version of the language, which every file names."""

from __future__ import annotations

from stspec.diagnostics import Diagnostic, Label
from stspec.source.nodes import Mapping, Scalar, describe

LANGUAGE = 1


def check_version(tree: Mapping) -> Diagnostic | None:
    """What is wrong with a file's `stspec:`, or None."""
    node = tree.get("stspec")
    if node is None:
        at = tree.entries[0][0].span if tree.entries else tree.span
        return Diagnostic(
            "missing-key",
            "the file does not name the version of the language",
            (Label(at, "expected the key `stspec` before this"),),
            f"write `stspec: {LANGUAGE}` as the first line",
        )
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return Diagnostic(
            "wrong-type",
            "the version of the language is an integer",
            (Label(node.span, f"expected an integer, found {describe(node)}"),),
            f"write `stspec: {LANGUAGE}`",
        )
    if value > LANGUAGE:
        return Diagnostic(
            "newer-language",
            f"the file is written in version {value} of the language",
            (Label(node.span, f"this stspec knows versions up to {LANGUAGE}"),),
            "update stspec",
        )
    if value < 1:
        return Diagnostic(
            "bad-version",
            f"there is no version {value} of the language",
            (Label(node.span, "the first version is 1"),),
            f"write `stspec: {LANGUAGE}`",
        )
    return None
