"""SIGTERM and SIGUSR1: save and leave, with a status that schedulers understand."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LEFT = 75
"""Exit status of a run that was told to leave and has saved: EX_TEMPFAIL, "try again" (sysexits.h).

Slurm puts such a job back into its queue with RequeueExit=75, HTCondor with
on_exit_remove = ExitCode != 75, systemd with RestartForceExitStatus=75.
"""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class LeftEarly(SystemExit):
    """The run was told to leave, and has saved."""

    def __init__(self, folder: str, step: int) -> None:
        super().__init__(LEFT)
        self.folder = folder
        self.step = step


class Leaving:
    """Whether the run was told to leave."""

    def __init__(self) -> None:
        self.asked = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take note of signals; outside of the main thread they keep their meaning."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
