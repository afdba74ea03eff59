"""The one place that makes random generators."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def rng(root_seed: int, stage: str, *keys: str | int) -> np.random.Generator:
    """Make the generator that belongs to one thing that is drawn.

    Parameters
    ----------
    root_seed : int
        The run's seed.
    stage : str
        The stage that draws, so that two stages never share a stream.
    *keys : str or int
        What is drawn (population, index, …), never a worker or a shard.

    Returns
    -------
    numpy.random.Generator
        The same arguments give the same stream on any number of cores.
    """
    import numpy as np

    name = json.dumps([int(root_seed), stage, *(key if isinstance(key, str) else int(key) for key in keys)])
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
