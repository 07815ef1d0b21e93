"""A Slurm of one machine: real daemons on ports of their own, in a temporary folder."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "setpriv")

CONFIG = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
JobSubmitPlugins=lua
EnforcePartLimits=ALL
KillWait=5
MaxArraySize=3
ReturnToService=2
SlurmctldParameters=idle_on_node_suspend
SlurmdParameters=config_overrides
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=2048
PartitionName=main Nodes=n0 Default=YES PriorityTier=1 GraceTime=60 MaxTime=60
PartitionName=urgent Nodes=n0 PriorityTier=9 PreemptMode=OFF
"""

LIMIT = """\
-- A site's limits: arrays of two jobs at most, and no job at all while the file `full` is there.
function slurm_job_submit(job, partitions, uid)
  local last = tonumber(string.match(job.array_inx or "0-0", "-(%d+)"))
  local full = io.open("{root}/full")
  if full then full:close() end
  if full or last > 1 then return slurm.ESLURM_ACCOUNTING_POLICY end
  return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid) return slurm.SUCCESS end

return slurm.SUCCESS
"""


@dataclass(frozen=True, slots=True)
class SlurmCluster:
    """What the commands of Slurm need to find it."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "slurm.conf"

    @property
    def full(self) -> Path:
        """A file: while it is there, no job is taken."""
        return self.root / "full"

    def run(self, *command: str) -> str:
        """Return what a command of Slurm says."""
        env = os.environ | {"SLURM_CONF": str(self.config)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def resume_node(self) -> None:
        """Take a node back that was set down, unless Slurm has done so itself.

        The node lives, and Slurm would notice within three minutes: maybe just now, and then it
        refuses the command, since there is nothing to resume.
        """

        def is_up() -> bool:
            if "down" not in self.run("sinfo", "--noheader", "--format=%T"):
                return True
            self.run("scontrol", "update", "nodename=n0", "state=resume")
            return False

        wait(is_up, "node n0")

    def states(self) -> dict[str, str]:
        """Return the jobs of the queue, and their states."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)


def controller_path() -> Path | None:
    """Return the controller's program, or None unless all programs are there."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    found = [shutil.which(name, path=path) for name in PROGRAMS]
    return Path(found[1]) if all(found) and found[1] else None


@contextmanager
def running() -> Iterator[SlurmCluster]:
    """Run a cluster, and end all of its processes, those of its jobs too."""
    # Not in pytest's folder: a socket's name may have 107 characters.
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = SlurmCluster(root)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _configure(root)
        daemons.append(_start(root, "munged", "--foreground", "--force", *_munge(root)))
        wait(lambda: (root / "munge.sock").exists(), "munged")
        daemons.append(_start(root, "slurmctld", "-D", "-f", str(cluster.config)))
        daemons.append(_start(root, "slurmd", "-D", "-N", "n0", "-f", str(cluster.config)))
        wait(lambda: "idle" in cluster.run("sinfo", "--noheader", "--format=%T"), "slurmd")
        yield cluster
    finally:
        _end(cluster, daemons)
        shutil.rmtree(root, ignore_errors=True)


def wait(ready: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except subprocess.CalledProcessError:
            pass  # it does not answer yet
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.1)


def _configure(root: Path) -> None:
    root.chmod(0o755)
    for name in ("state", "spool"):
        (root / name).mkdir()
    values = {
        "root": root,
        "user": getpass.getuser(),
        "host": socket.gethostname().split(".")[0],
        "ports": _free_ports(2),
    }
    (root / "slurm.conf").write_text(CONFIG.format(**values), encoding="utf-8")
    (root / "job_submit.lua").write_text(LIMIT.replace("{root}", str(root)), encoding="utf-8")
    key = root / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)


def _munge(root: Path) -> list[str]:
    names = {"socket": "sock", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
    return [*(f"--{o}={root}/munge.{s}" for o, s in names.items()), f"--log-file={root}/munge.log"]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _start(root: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a daemon in the foreground, which ends when we do, however that be."""
    env = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    env["SLURM_CONF"] = str(root / "slurm.conf")  # which tells our processes from others
    with (root / f"{program}.log").open("ab") as log:
        command = ["setpriv", "--pdeathsig=TERM", "--", program, *arguments]
        return subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def _end(cluster: SlurmCluster, daemons: list[subprocess.Popen[bytes]]) -> None:
    for daemon in reversed(daemons):
        daemon.terminate()
    for daemon in daemons:
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    for pid in _processes(cluster):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes(cluster: SlurmCluster) -> list[int]:
    """Return what is left of jobs, told by the environment that Slurm hands on."""
    mine = f"SLURM_CONF={cluster.config}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is not ours
        if mine in environment and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found
