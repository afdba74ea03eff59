"""A real Slurm of one node on this machine's loopback, to try `--profile profiles/slurm` and for the tests.

    python scripts/one_node_slurm.py start FOLDER
    python scripts/one_node_slurm.py stop FOLDER

Needs root and Debian's slurmctld, slurmd, slurm-client and munge (`make setup` for tests installs them); systemd is
not used. State, logs and keys lie in FOLDER; only /etc/slurm/*.conf lies elsewhere, because programs within jobs look
there alone. A Slurm that somebody else has set up on the machine is left as it is, and nothing is started.
Partitions: `cpu` (default) and `gpu`, whose GPU is /dev/null. Jobs over their memory are killed. There is no slurmdbd.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ETC = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
FIRST_LINE = "# Written by one_node_slurm.py for the cluster in "

SLURM_CONF = """\
{first_line}{folder}
ClusterName=skymill-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort=16917
SlurmdPort=16918
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
# None of these plugins needs systemd or control groups. By process group: what outlives its parent is found, too.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# More cores and memory than the machine has: tests look at what jobs ask for, not at how fast they are.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
GresTypes=gpu
ReturnToService=2
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=0,batch_sched_delay=0
KillWait=2
MinJobAge=600
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished-jobs.txt
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
"""
GRES_CONF = "{first_line}{folder}\nAutoDetect=off\nName=gpu File=/dev/null\n"
CGROUP_CONF = "{first_line}{folder}\nCgroupAutomount=no\n"


class NotHereError(Exception):
    """Why this machine does not allow a cluster of our own."""


class FailedError(Exception):
    """What did not come about, with what the logs say."""


def main(arguments: list[str] | None = None) -> int:
    """Start or stop the cluster of one folder.

    Returns
    -------
    int
        0; 1 where this machine does not allow it and 2 where it failed, with the reason on the standard error.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("folder", type=Path, help="where the cluster keeps its files")
    parser.add_argument(
        "--cpus", type=int, default=4, help="cores that the node shows (default: %(default)s)"
    )
    parser.add_argument("--memory-mb", type=int, default=24_000, help="memory that it shows")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    try:
        if options.action == "start":
            check_machine(folder)
            start(folder, options.cpus, options.memory_mb)
        else:
            stop(folder)
    except (NotHereError, FailedError) as reason:
        sys.stderr.write(f"one_node_slurm: {reason}\n")
        return 1 if isinstance(reason, NotHereError) else 2
    return 0


def check_machine(folder: Path) -> None:
    """Raise NotHereError unless this machine allows a cluster of our own."""
    if os.geteuid() != 0:
        raise NotHereError("Slurm's daemons need root here")
    if missing := [name for name in PROGRAMS if not program(name)]:
        raise NotHereError(f"Debian's slurmctld, slurmd, slurm-client and munge give {', '.join(missing)}")
    if " " in str(folder):
        raise NotHereError(f"slurm.conf takes no spaces in paths: {folder}")
    conf = ETC / "slurm.conf"
    text = conf.read_text() if conf.is_file() else ""
    if conf.is_file() and not text.startswith(FIRST_LINE):
        raise NotHereError(f"{conf} belongs to another Slurm")
    other = Path(text.partition("\n")[0].removeprefix(FIRST_LINE))
    if text and other != folder and daemon(other, "slurmctld"):
        raise NotHereError(f"the cluster in {other} is running")


def start(folder: Path, cpus: int, memory_mb: int) -> None:
    """Write the configuration and start the daemons that are not running."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    ETC.mkdir(exist_ok=True)
    facts = {"first_line": FIRST_LINE, "folder": folder, "host": socket.gethostname().split(".")[0]}
    for name, text in {"slurm": SLURM_CONF, "gres": GRES_CONF, "cgroup": CGROUP_CONF}.items():
        (ETC / f"{name}.conf").write_text(text.format(**facts, cpus=cpus, memory_mb=memory_mb))
    start_munge(folder)
    for name in ("slurmctld", "slurmd"):
        if not daemon(folder, name):
            run_daemon([program(name), "-c"])  # -c: forget the jobs of an earlier life
            wait(lambda name=name: daemon(folder, name), f"{name} did not start", folder)
    wait(
        lambda: "idle" in run(["sinfo", "--noheader", "--format=%T"]), "the node did not become idle", folder
    )


def start_munge(folder: Path) -> None:
    """Start a munged of our own, with its own key and socket; the machine's is left alone."""
    if daemon(folder, "munged"):
        return
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    places = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    places |= {"log-file": folder / "munged.log", "seed-file": folder / "munge.seed"}
    # --force: munged warns of folders that others may write to, such as the parents of temporary ones.
    run_daemon([program("munged"), "--force", *(f"--{name}={path}" for name, path in places.items())])
    wait(lambda: daemon(folder, "munged"), "munged did not start", folder)


def stop(folder: Path) -> None:
    """End the jobs, the daemons and the configuration of this folder's cluster, and of no other."""
    if daemon(folder, "slurmctld"):
        run(["scancel", "--user=root", "--quiet"])
        wait(lambda: not run(["squeue", "--noheader"]), "jobs did not end", folder)
    for name in ("slurmd", "slurmctld", "munged"):
        if pid := daemon(folder, name):
            os.kill(pid, signal.SIGTERM)
            # Its file goes before the process does, which still holds its port.
            wait(lambda pid=pid: not alive(pid), f"{name} did not stop", folder)
    for path in ETC.glob("*.conf"):
        if path.read_text().startswith(f"{FIRST_LINE}{folder}\n"):
            path.unlink()


def program(name: str) -> str | None:
    """Path of a program, also where the daemons are; None where it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def daemon(folder: Path, name: str) -> int | None:
    """Process number of a daemon of this folder's cluster while it runs."""
    try:
        pid = int((folder / f"{name}.pid").read_text())
        return pid if Path(f"/proc/{pid}/comm").read_text().strip() == name else None
    except (OSError, ValueError):
        return None


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run(command: list[str], *, output: int = subprocess.PIPE) -> str:
    """Return what a program printed; that one has failed shows in what is waited for, and in the logs."""
    return (
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL, timeout=60, text=True,
            check=False,
        ).stdout
        or ""
    )  # fmt: skip


def run_daemon(command: list[str]) -> None:
    """Start a daemon, which goes into the background; it inherits no pipe, or its reader would wait for ever."""
    run(command, output=subprocess.DEVNULL)


def wait(ready: Callable[[], object], complaint: str, folder: Path, seconds: float = 60) -> None:
    """Wait until something is so; after a minute, say what the logs of the cluster end with."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            logs = [path.read_text(errors="replace")[-500:] for path in sorted(folder.glob("*.log"))]
            raise FailedError("\n".join([complaint, *logs]))
        time.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())
