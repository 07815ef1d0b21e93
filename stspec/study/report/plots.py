"""The plotting library, as it lies in the page."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from stspec.diagnostics import Diagnostic, SpecError
from stspec.study.report.encode import packed


@cache
def plotly_source() -> str:
    """Return Plotly's JavaScript, as the installed plotly has it.

    Raises:
        SpecError: if plotly is not installed.
    """
    try:
        source = import_module("plotly.offline").get_plotlyjs()
    except ImportError:
        message = "a report is drawn by plotly, which is not installed"
        help = "pip install 'stspec[study]'"
        raise SpecError(Diagnostic("no-plotly", message, help=help)) from None
    assert isinstance(source, str)
    return source


@cache
def plotly_packed() -> str:
    """Return it as base64 of gzip: 2 MB for 4.8, unpacked by the browser in milliseconds."""
    return packed(plotly_source().encode("utf-8"))
