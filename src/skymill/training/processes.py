"""Several processes that train one network: on this machine, or on the nodes of a Slurm job.

The processes are started by the one that is told to train; they do the epochs and write checkpoints. It waits for
them, and goes on from their last checkpoint as after a training that was killed.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skymill.errors import ConfigError, TrainingError
from skymill.provenance.atomic import write_text
from skymill.provenance.code import SOURCE
from skymill.training.share import ALONE, Share

log = logging.getLogger(__name__)

CALL = "call.json"
WORKER = ("-m", "skymill.training.worker")
LOOK_S = 0.2
LAST_LINES = 3


@dataclass(frozen=True)
class Processes:
    """Where the processes of a training run; one each for a GPU, or for some cores.

    Parameters
    ----------
    per_node : int
        Processes on each machine.
    nodes : int
        Machines.
    slurm : bool
        Whether they are started by srun, inside a Slurm job; else all are on this machine.

    Raises
    ------
    ConfigError
        If a number is not positive, or several machines are asked for without srun.
    """

    per_node: int = 1
    nodes: int = 1
    slurm: bool = False

    def __post_init__(self) -> None:
        if min(self.per_node, self.nodes) < 1:
            raise ConfigError(
                "tasks_per_node, nodes", expected="at least 1", found=f"{self.per_node}, {self.nodes}"
            )
        if self.nodes > 1 and not self.slurm:
            raise ConfigError(
                "nodes",
                expected="1 without srun",
                found=str(self.nodes),
                remedy="On Slurm, ask for the resource mpi=srun as well.",
            )

    @classmethod
    def of(cls, resources: Mapping[str, Any]) -> Processes:
        """Make them from a job's resources.

        Parameters
        ----------
        resources : mapping
            ``tasks_per_node`` or ``tasks`` (over all nodes), ``nodes`` and ``mpi`` (``srun``), as the Slurm executor
            of Snakemake knows them; one process where there are none.

        Raises
        ------
        ConfigError
            If ``tasks`` cannot be spread evenly over the nodes, or ``mpi`` is another program.
        """
        nodes, launcher = int(resources.get("nodes") or 1), resources.get("mpi")
        tasks = int(resources.get("tasks") or nodes)
        if tasks % nodes:
            raise ConfigError("tasks", expected=f"a multiple of the {nodes} nodes", found=str(tasks))
        if launcher not in (None, "srun"):
            raise ConfigError("mpi", expected="srun", found=str(launcher))
        per_node = int(resources.get("tasks_per_node") or tasks // nodes)
        return cls(per_node, nodes, launcher == "srun")

    @property
    def count(self) -> int:
        """Number of processes on all machines."""
        return self.per_node * self.nodes

    def share(self) -> Share:
        """Return which of them this process is, as srun or :func:`run_processes` says."""
        if self.count == 1:
            return ALONE
        return Share(int(os.environ["SLURM_PROCID" if self.slurm else "LOCAL_RANK"]), self.count)

    def command(self, call: Path, threads: int) -> list[str]:
        """Return the command that starts all processes (Slurm) or one of them."""
        worker = [sys.executable, *WORKER, str(call)]
        if not self.slurm:
            return worker
        places = [f"--nodes={self.nodes}", f"--ntasks={self.count}", f"--ntasks-per-node={self.per_node}"]
        # Without them the others would wait for a dead process, and Slurm might take one's cores for all.
        return ["srun", *places, f"--cpus-per-task={threads}", "--kill-on-bad-exit=1", *worker]


ONE = Processes()


def run_processes(processes: Processes, call: Mapping[str, Any], folder: Path, threads: int) -> None:
    """Start the processes, put what they print into the log and wait until all have ended well.

    They end when this process does: its end closes what they read from.

    Parameters
    ----------
    processes : Processes
        Where.
    call : mapping
        What each is to do: the arguments of :func:`skymill.training.train.train_epochs`, as JSON can hold them.
    folder : Path
        Where the call is left for them; all nodes have to see it.
    threads : int
        CPU threads of each.

    Raises
    ------
    TrainingError
        If one fails; the others are stopped.
    """
    path = folder / CALL
    write_text(path, json.dumps({**call, "processes": asdict(processes)}, default=str))
    shared = {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")])),
        "OMP_NUM_THREADS": str(threads),
    }
    local = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    local["WORLD_SIZE"] = str(processes.count)
    command = processes.command(path, threads)
    places = (
        [{}] if processes.slurm else [{**local, "LOCAL_RANK": str(rank)} for rank in range(processes.count)]
    )
    with ExitStack() as running:
        _wait(
            [running.enter_context(_started(command, {**os.environ, **shared, **place})) for place in places]
        )


@dataclass(frozen=True)
class _Started:
    """A process, what it has printed, and the thread that listens to it."""

    process: subprocess.Popen
    lines: list[str]
    listener: threading.Thread


@contextmanager
def _started(command: list[str], environment: dict[str, str]) -> Iterator[_Started]:
    """Start a process and log what it prints; it does not outlive the block."""
    pipe, lines = subprocess.PIPE, []
    with subprocess.Popen(
        command,
        env=environment,
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        listener = threading.Thread(target=_listen, args=(process, lines))
        listener.start()
        try:
            yield _Started(process, lines, listener)
        finally:
            process.kill()
            listener.join()


def _listen(process: subprocess.Popen, lines: list[str]) -> None:
    """Log what a process prints, and keep it."""
    for line in process.stdout:
        lines.append(line.rstrip())
        log.info("%s", lines[-1])


def _wait(started: list[_Started]) -> None:
    """Wait until all processes have ended well, or one has not."""
    while None in (ended := [each.process.poll() for each in started]) and not any(ended):
        time.sleep(LOOK_S)
    failed = next((rank for rank, status in enumerate(ended) if status), None)
    if failed is not None:
        started[failed].listener.join()
        raise TrainingError(
            f"training in {len(started)} processes",
            expected="all of them to end well",
            found=f"status {ended[failed]} of number {failed}: {' | '.join(started[failed].lines[-LAST_LINES:])}",
            remedy="Started again, it goes on after the last complete epoch.",
        )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
