"""A Slurm of one node on loopback, as the user who starts it, that ends with what it was made for.

Run: python -m tests.engines.slurm_cluster COMMAND...
COMMAND finds the cluster through SLURM_CONF; two partitions share the node: `normal`, the default,
and `urgent`, whose jobs make those of `normal` give way and queue again. Needs Debian's slurm-wlm
and munge.
"""

import getpass
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.engines.ports import kept_ports
from tests.support.waiting import until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "sinfo")
_SYSTEM = ("/usr/sbin", "/sbin")

CONFIGURATION = """\
ClusterName=vdtransfer
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=30
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=10
MinJobAge=600
ReturnToService=2
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerParameters=batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=normal Nodes=localhost Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=localhost MaxTime=INFINITE State=UP PriorityTier=10
"""


def missing() -> list[str]:
    """Programs of Slurm that this machine lacks."""
    return [name for name in PROGRAMS if _program(name) is None]


@contextmanager
def cluster(cpus: int = 2) -> Iterator[dict[str, str]]:
    """Start Slurm and yield the environment that its commands need; end it with the block.

    Raises AssertionError, with the end of the logs, when it does not come up.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        controller, node = stack.enter_context(kept_ports(2))
        configuration = folder / "slurm.conf"
        user = getpass.getuser()
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder, controller=controller, node=node, user=user, cpus=cpus
            )
        )
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        logs = partial(_logs, folder)
        path = os.pathsep.join([os.environ["PATH"], *_SYSTEM])
        environment = os.environ | {"SLURM_CONF": str(configuration), "PATH": path}
        for command in (
            ["munged", "--foreground", "--force", f"--key-file={key}", *_munge_files(folder)],
            ["slurmctld", "-D", "-f", str(configuration)],
            ["slurmd", "-D", "-N", "localhost", "-f", str(configuration)],
        ):
            stack.enter_context(_running(command, environment, folder))
            if command[0] == "munged":
                until((folder / "munge.socket").exists, logs)
        until(lambda: _idle(environment), logs)
        yield environment
        subprocess.run(["scancel", "--user", user], env=environment, check=False)


def _munge_files(folder: Path) -> list[str]:
    names = {"socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    return [f"--{option}={folder / name}" for option, name in names.items()]


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    program = _program(command[0])
    if program is None:
        raise RuntimeError(f"{command[0]} is not on this machine; Debian: slurm-wlm, munge")
    with (folder / f"{command[0]}.out").open("wb") as log:
        process = subprocess.Popen([program, *command[1:]], env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _idle(environment: dict[str, str]) -> bool:
    asked = subprocess.run(
        ["sinfo", "--noheader", "--format=%t"], env=environment, capture_output=True, text=True
    )
    return "idle" in asked.stdout.split()


def _logs(folder: Path) -> str:
    return "\n".join(
        f"{path.name}: {path.read_text(errors='replace')[-1500:]}"
        for path in sorted([*folder.glob("*.log"), *folder.glob("*.out")])
    )


def _program(name: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM])
    return shutil.which(name, path=path)


if __name__ == "__main__":
    with cluster() as found:
        sys.exit(subprocess.run(sys.argv[1:], env=found, check=False).returncode)
