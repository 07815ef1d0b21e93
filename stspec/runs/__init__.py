"""Runs: folders that hold what was trained, how, on what, and how it went.

Imports torch, and of stspec what stands before `data`: networks, modules, weights.
"""

from stspec.runs.checkpoint import Checkpoint, latest_checkpoint, save_checkpoint
from stspec.runs.directory import Run, RunFolder, open_run
from stspec.runs.log import Log

__all__ = [
    "Checkpoint",
    "Log",
    "Run",
    "RunFolder",
    "latest_checkpoint",
    "open_run",
    "save_checkpoint",
]
