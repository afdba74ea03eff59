"""One of several processes that train a network: ``python -m skymill.training.worker CALL.json``.

:func:`skymill.training.processes.run_processes` starts it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from pathlib import Path

from skymill.errors import SkymillError
from skymill.training.processes import Processes
from skymill.training.train import train_epochs


def main(path: str) -> int:
    """Train as the call says; returns the process's status."""
    call = json.loads(Path(path).read_text(encoding="utf-8"))
    processes = Processes(**call.pop("processes"))
    rank = processes.share().rank
    if not processes.slurm:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    # What process 0 says, the others would say, too.
    logging.basicConfig(
        level=logging.ERROR if rank else logging.INFO, format="%(message)s", stream=sys.stdout
    )
    try:
        train_epochs(**call, processes=processes)
    except SkymillError as error:
        logging.getLogger("skymill").error("process %d: %s", rank, error)
        return 1
    return 0


def _end_with_parent() -> None:
    """End this process once who started it is gone, however that ended."""
    # Not sys.stdin, whose lock would still be held when Python ends.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
