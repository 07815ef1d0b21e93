"""What runs within a job of Slurm: a worker, and whoever hears the signals on its behalf.

Slurm tells all processes of a job that its time is nearly over. Of ours one alone listens, which
has the worker save and leave, and puts the job back into the queue, as submitit does it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stspec.study.executor import LEFT

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

NEARLY_OVER = signal.SIGUSR2
"""The signal that submitit asks Slurm for, before the time limit."""


class SlurmWorker:
    """A worker as a job: runs a command, and is put back into the queue as often as needed."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Return the worker's exit status."""
        # The worker and its readers of videos never hear it: the mask is inherited.
        signal.pthread_sigmask(signal.SIG_BLOCK, {NEARLY_OVER})
        self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {NEARLY_OVER})
        _wait(self._process)
        status = self._process.wait()
        if status == LEFT and _is_wanted():
            # It was told to leave by SIGTERM, before Slurm preempts the job: into the queue
            # now, for a job that ends within its grace time would be over for good.
            signal.raise_signal(NEARLY_OVER)
        return status

    def checkpoint(self) -> DelayedSubmission:
        """Have the worker save and leave; return what the job does when it is its turn again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGUSR1)
            _wait(self._process)
        return DelayedSubmission(SlurmWorker(self.command))


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process. Popen.wait may not be entered again by a handler of signals."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def _is_wanted() -> bool:
    """Tell whether Slurm means this job to run: it is neither cancelled nor being requeued."""
    job, array = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_ARRAY_JOB_ID")
    if array is not None:  # one job of an array has the array's number, which is all of them
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    asked = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return found.stdout.strip() == "RUNNING"
