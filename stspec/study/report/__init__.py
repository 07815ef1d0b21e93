"""A study as one page that opens anywhere. Imports jinja2, numpy and plotly when asked."""

from __future__ import annotations

from stspec.study.report.collect import collect
from stspec.study.report.page import Subject, render

__all__ = ["Subject", "collect", "render"]
