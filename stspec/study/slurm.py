"""Workers as jobs of Slurm, through submitit: arrays, put back into the queue when time is over."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.study.executor import Launch, check_options, positive
from stspec.study.pool import Ended, Keeper, Roll
from stspec.study.slurm_job import SlurmWorker

if TYPE_CHECKING:
    import submitit

AS_THEY_ARE = ("partition", "account", "qos", "constraint", "exclude", "nodelist", "gres")
"""Options that Slurm is given under the same name."""
OPTIONS = (*AS_THEY_ARE, "workers", "time", "grace", "gpus", "cpus", "memory", "setup")
SBATCH = "sbatch."
"""What an option's name begins with that is sbatch's own: `sbatch.reservation`."""

QUIET = ("None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit", "Cleaning", "Prolog")
"""Reasons to wait that pass by themselves."""
OVER = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL",
        "DEADLINE", "OUT_OF_MEMORY", "REVOKED")  # fmt: skip
"""States of jobs that have ended; a job that is to run again has another one."""
FULL = re.compile(r"accounting/QOS policy|temporarily unable|MaxSubmit|resource limit|QOSMax", re.I)
"""What Slurm says when it takes no more jobs for now. The first is said of other limits as well."""

_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_ANSWER = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What each worker's job asks for."""

    workers: int
    minutes: int
    grace: int
    """Seconds before the time limit at which the worker is told to save and leave."""
    cpus: int | None
    parameters: Mapping[str, Any]
    """More of submitit's."""


@dataclass(frozen=True)
class Slurm:
    """Starts workers as jobs."""

    wish: Wish
    poll: float = 10.0

    def launch(self, task: Launch, say: Callable[[str], None]) -> None:
        """Start workers until nothing is left that they could do. See ``Executor``."""
        from stspec.study.standing import Watch
        from stspec.study.store import open_store

        pool = SlurmPool(self.wish, task, say)
        if "gpus_per_node" not in self.wish.parameters and "gres" not in self.wish.parameters:
            say("the jobs ask for no GPU; gpus=1 asks for one each")
        watch = Watch(open_store(task.store), task.runs, task.work.beat)
        Keeper(pool, watch.look, self.wish.workers, say, self.poll).keep()


@dataclass
class SlurmPool:
    """The workers of a study among the jobs of Slurm."""

    wish: Wish
    task: Launch
    say: Callable[[str], None]
    _known: set[str] = field(default_factory=set)
    """Jobs of ours of which it has not been told yet how they have ended."""
    _told: set[str] = field(default_factory=set)
    _last: int = 0
    _answers: bool = True
    _largest: int = 1

    def __post_init__(self) -> None:
        _import_submitit()
        _find_programs()
        config = _ask("scontrol", "show", "config")
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", config, re.M)
        self._largest = max(1, int(found[1])) if found else 1000
        place = hashlib.sha256(str(self.task.store).encode()).hexdigest()[:8]
        self.name = f"stspec-{self.task.study}-{place}"
        self.folder = self.task.store / "logs" / f"{self.task.study}-slurm"
        self._known = _living(self._queue())
        if self._known:
            self.say(f"{len(self._known)} workers are in the queue already ({self.name})")
        self._last = len(self._known)

    def start(self, count: int) -> None:
        """Submit workers as arrays, in portions where Slurm takes no more at once."""
        portion = min(count, self._largest)
        while count > 0:
            portion = min(portion, count)
            try:
                jobs = self._submit(portion)
            except RuntimeError as error:
                words = _words(error)
                if not FULL.search(words):
                    raise self._refused(words) from None
                if portion == 1:
                    self._await_room(words)
                    return
                portion = (portion + 1) // 2
                continue
            self._known.update(jobs)
            self._last += len(jobs)
            count -= len(jobs)
            what = "1 worker" if len(jobs) == 1 else f"{len(jobs)} workers"
            name = jobs[0] if len(jobs) == 1 else jobs[0].partition("_")[0]
            self.say(f"submitted {what} (job {name}); logs: {display_path(self.folder)}")

    def _submit(self, count: int) -> list[str]:
        """Submit one job, or an array; return the names of the jobs.

        Raises:
            RuntimeError: if Slurm refuses (submitit.core.utils.FailedJobError).
        """
        import submitit

        executor = submitit.SlurmExecutor(self.folder, max_num_timeout=1_000_000)
        executor.update_parameters(**self._parameters())
        worker = SlurmWorker(self.task.command(wait=False))
        # sbatch's complaint comes with the error; it need not be on the screen as well.
        with _no_job_around(), contextlib.redirect_stderr(io.StringIO()):
            jobs = executor.submit_array([worker] * count)
        return [job.job_id for job in jobs]

    def _parameters(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "job_name": self.name,
            "time": self.wish.minutes,
            "signal_delay_s": self.wish.grace,
            "stderr_to_stdout": True,
            "array_parallelism": self._largest,
            **self.wish.parameters,
        }
        given["additional_parameters"] = {
            "requeue": True,
            **self.wish.parameters.get("additional_parameters", {}),
        }
        if self.wish.cpus is not None:
            # Since 22.05 srun takes no notice of what sbatch was told of them.
            cpus = self.wish.cpus
            given |= {"cpus_per_task": cpus, "srun_args": [f"--cpus-per-task={cpus}"]}
        return given

    def _await_room(self, words: str) -> None:
        """Tell that Slurm takes no more jobs; that ends only when some of the user's jobs end."""
        if not self._known and not _ask("squeue", "--noheader", "--me"):
            raise self._refused(words)
        self._tell(f"Slurm takes no more jobs for now ({len(self._known)} are in): {words}")

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.say(text)

    def roll(self) -> Roll:
        """Return the workers; those seen last where Slurm's controller does not answer."""
        try:
            queue = self._queue()
        except SpecError as error:
            if self._answers:
                self.say(f"{error.diagnostics[0].message}; waiting for it")
            self._answers = False
            return Roll(self._last)
        if not self._answers:
            self.say("Slurm's controller answers again")
        self._answers = True
        living = _living(queue)
        for state, reason in queue.values():
            if state == "PENDING" and reason not in QUIET:
                self._tell(f"jobs wait in Slurm's queue: {reason}")
        ended = [
            self._ended(job, *queue.get(job, ("", ""))) for job in sorted(self._known - living)
        ]
        self._known = living
        self._last = len(living)
        return Roll(len(living), ended)

    def _queue(self) -> dict[str, tuple[str, str]]:
        """Return the study's jobs, state and reason; for some minutes, those that have ended."""
        said = _ask(
            "squeue", "--noheader", "--array", "--me", "--states=all", f"--name={self.name}",
            "--format=%i|%T|%r",
        )  # fmt: skip
        found = {}
        for line in said.splitlines():
            job, state, reason = line.strip().split("|", 2)
            found[job] = (state, reason)
        return found

    def _ended(self, job: str, state: str, reason: str) -> Ended:
        import submitit

        paths = submitit.SlurmJob(self.folder, job).paths
        name, log = f"job {job}", paths.stdout
        if state == "CANCELLED":
            return Ended(name, None, "was cancelled", log, is_cancelled=True)
        status = _status(job, self.folder)
        if status is not None:
            return Ended(name, status, f"ended with status {status}", log)
        why = f"was lost: {state}" if state else "was lost"
        return Ended(name, None, f"{why} ({reason})" if reason not in ("", "None") else why, log)

    def end(self, *, waiting_alone: bool) -> None:
        """Cancel the study's jobs: Slurm tells their workers, which save and leave."""
        states = ["--state=PENDING"] if waiting_alone else []
        with contextlib.suppress(SpecError):
            _ask("scancel", "--quiet", "--me", f"--name={self.name}", *states)

    def _refused(self, words: str) -> SpecError:
        """Return Slurm's words as a mistake, with what may be chosen instead."""
        help = None
        given = self.wish.parameters
        with contextlib.suppress(SpecError):
            if "partition" in words.lower() and "partition" in given:
                there = _ask("sinfo", "--noheader", "--format=%R").split()
                help = did_you_mean(str(given["partition"]), there)
            elif "time limit" in words.lower():
                limits = _ask("sinfo", "--noheader", "--format=%R %l").splitlines()
                help = f"the partitions' limits: {', '.join(map(str.strip, limits))}"
            elif "gres" in words.lower():
                kinds = set(_ask("sinfo", "--noheader", "--format=%G").split()) - {"(null)"}
                help = f"the nodes have: {', '.join(sorted(kinds)) or 'none at all'}"
        return SpecError(Diagnostic("slurm-refuses", f"Slurm refuses the jobs: {words}", help=help))


def executor(options: Mapping[str, str]) -> Slurm:
    """Return the executor of a cluster under Slurm.

    Args:
        options: `workers`, how many jobs at once at most; `time`, the limit of each, as Slurm
            writes it; `grace`, seconds before it at which a worker saves and leaves; `gpus`,
            `cpus`, `memory` of each; `setup`, a line of shell before the worker; `partition`,
            `account`, `qos`, `constraint`, `exclude`, `nodelist`, `gres`, and `sbatch.NAME`, as
            sbatch takes them.

    Raises:
        SpecError: if an option is wrong.
    """
    own = {name: value for name, value in options.items() if not name.startswith(SBATCH)}
    check_options("slurm", own, OPTIONS)
    more = {name: value for name, value in options.items() if name.startswith(SBATCH)}
    parameters: dict[str, Any] = {name: own[name] for name in AS_THEY_ARE if name in own}
    if more:
        extra = {name.removeprefix(SBATCH): value or True for name, value in more.items()}
        parameters["additional_parameters"] = extra
    if "gpus" in own:
        parameters["gpus_per_node"] = own["gpus"]
    if "memory" in own:
        parameters["mem"] = own["memory"]
    if "setup" in own:
        parameters["setup"] = [own["setup"]]
    minutes = _minutes(own.get("time", "4:00:00"))
    grace = positive(own, "grace", 120)
    if grace >= 60 * minutes:
        message = f"grace is {grace} s, and the time limit {60 * minutes} s: nothing would be left"
        raise SpecError(Diagnostic("wrong-option", message, help="raise time, or lower grace"))
    cpus = positive(own, "cpus", 1) if "cpus" in own else None
    return Slurm(Wish(positive(own, "workers", 8), minutes, grace, cpus, parameters))


def _minutes(text: str) -> int:
    """Return a time limit of Slurm in minutes, rounded up.

    Raises:
        SpecError: if it is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        message = f"time is `{text}`, no time limit of Slurm"
        help = "minutes, hours:minutes:seconds, or days-hours: 90, 12:00:00, 2-0"
        raise SpecError(Diagnostic("wrong-option", message, help=help))
    days, *rest = (int(part) if part is not None else None for part in match.groups())
    first, second, third = rest
    assert first is not None
    if days is not None:
        seconds = ((days * 24 + first) * 60 + (second or 0)) * 60 + (third or 0)
    elif third is not None:
        seconds = (first * 60 + (second or 0)) * 60 + third
    else:
        seconds = first * 60 + (second or 0)
    return max(1, -(-seconds // 60))


def _import_submitit() -> None:
    try:
        import submitit  # noqa: F401 (whether it is there)
    except ImportError as error:
        help = "pip install 'stspec[slurm]'"
        raise SpecError(Diagnostic("no-slurm", "submitit is not installed", help=help)) from error


def _find_programs() -> None:
    for program in ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo"):
        if shutil.which(program) is None:
            message = f"this machine has no `{program}`: it is none of a cluster under Slurm"
            help = "run it where you would run sbatch; `--on local` needs no scheduler"
            raise SpecError(Diagnostic("no-slurm", message, help=help))


def _ask(*command: str) -> str:
    """Return what a command of Slurm says.

    Raises:
        SpecError: if it fails, as when the controller does not answer.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER, stdin=subprocess.DEVNULL
        )
        words = done.stderr
    except subprocess.TimeoutExpired:
        done, words = None, f"no answer within {_ANSWER:.0f} s"
    except OSError as error:
        done, words = None, str(error)
    if done is not None and done.returncode == 0:
        return done.stdout
    said = _last_line(words)
    message = f"Slurm does not answer `{command[0]}`: {said}"
    help = "`scontrol ping` tells whether its controller is up"
    raise SpecError(Diagnostic("no-slurm", message, help=help))


def _words(error: Exception) -> str:
    return _last_line(str(error))


def _last_line(text: str) -> str:
    """Return the last line of what a program said, without the program's name."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    return re.sub(r"^\w+: (error: )?(Batch job submission failed: )?", "", said)


@contextlib.contextmanager
def _no_job_around() -> Iterator[None]:
    """Hide the job that we run in ourselves, if any: new ones would inherit its sizes."""
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    inside = "SLURM_JOB_ID" in os.environ
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if inside and name.startswith(("SLURM_", "SRUN_", "SUBMITIT_")) and name not in kept
    }
    try:
        yield
    finally:
        os.environ.update(hidden)


def _living(queue: Mapping[str, tuple[str, str]]) -> set[str]:
    return {job for job, (state, _) in queue.items() if state not in OVER}


def _status(job: str, folder: Path) -> int | None:
    """Return with what a worker has ended; None where its job has left no word."""
    import submitit

    done: submitit.Job[int] = submitit.SlurmJob(folder, job)
    for wait in (0.0, 0.5):  # a shared disk may show it a little later
        time.sleep(wait)
        if done.paths.result_pickle.exists():
            break
    else:
        return None
    return None if done.exception() is not None else int(done.result())
