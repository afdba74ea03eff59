"""Work in a process of its own: what kills it leaves this one, which says so and goes on."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Item = TypeVar("Item")

PR_SET_PDEATHSIG = 1
"""``prctl`` of Linux: the signal that a process gets when the one that started it dies."""
INTERRUPTED = 128 + signal.SIGINT
"""Exit status of a process that was interrupted, as shells give it."""
SIGNALS_OF_MEMORY = {signal.SIGKILL}
"""Signals with which the kernel and Slurm end what takes too much memory."""

log = logging.getLogger(__name__)


def one_by_one(items: Sequence[Item], work: Callable[[Item], Any]) -> Iterator[tuple[Item, Any, str | None]]:
    """Work on items in another process, which is started again behind the item that has killed it.

    Parameters
    ----------
    items : sequence
        What to work on, in this order.
    work : callable
        What it returns travels back and has to be picklable; it raises nothing.

    Yields
    ------
    tuple
        The item, what `work` returned, and how the process ended where it did not return.

    Raises
    ------
    KeyboardInterrupt
        If the process was interrupted.
    """
    context, waiting = multiprocessing.get_context("fork"), list(items)
    while waiting:
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(waiting, work, sending, receiving, os.getpid()))
        process.start()
        sending.close()
        for answer in _answers(receiving):
            yield waiting.pop(0), answer, None
        process.join()
        if process.exitcode in (-signal.SIGINT, INTERRUPTED):
            raise KeyboardInterrupt
        if waiting:
            yield waiting.pop(0), None, how_it_ended(process.exitcode)


def how_it_ended(exitcode: int) -> str:
    """Say in words how a process ended that should have gone on.

    Parameters
    ----------
    exitcode : int
        As :attr:`multiprocessing.Process.exitcode`: the negative number of a signal, or an exit status.
    """
    if exitcode >= 0:
        return f"its process ended with exit status {exitcode}"
    name = signal.Signals(-exitcode).name
    cause = " (too little memory, if nobody sent it)" if -exitcode in SIGNALS_OF_MEMORY else ""
    return f"its process was killed by {name}{cause}"


def _answers(receiving: Connection) -> Iterator[Any]:
    while True:
        try:
            yield receiving.recv()
        except EOFError:
            return


def _work(
    items: Sequence[Item],
    work: Callable[[Item], Any],
    sending: Connection,
    receiving: Connection,
    parent: int,
) -> None:
    receiving.close()
    _die_with(parent)
    try:
        for item in items:
            sending.send(work(item))
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def _die_with(parent: int) -> None:
    """Let the kernel end this process with its parent: two of them would write the same files."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before that.
        if os.getppid() != parent:
            os._exit(1)
