"""Where a network is computed."""

from __future__ import annotations

import resource

import torch

from skymill.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device for `name`.

    Parameters
    ----------
    name : {'auto', 'cpu', 'gpu'}
        ``auto`` takes a GPU if there is one.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none, or the name is unknown.
    """
    if name not in ("auto", "cpu", "gpu"):
        raise ConfigError("device", expected="one of: auto, cpu, gpu", found=f"'{name}'")
    if name == "gpu" and not torch.cuda.is_available():
        raise ConfigError("device", expected="a CUDA GPU", found="none", remedy="Take 'auto' or 'cpu'.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def describe_device(device: torch.device) -> str:
    """Return the device in words: the GPU's name, or the CPU with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"


def peak_memory_mb() -> float:
    """Return the largest resident memory that this process has had, MB; a GPU's own is not in it."""
    # Linux counts in kB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
