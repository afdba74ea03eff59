"""Files of a training that has not ended, which say themselves whether they are whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from skymill.errors import DataError
from skymill.provenance.atomic import atomic_path

DIGEST = "sha256"
DIGITS = 64
REMEDY = "Delete the folder of the checkpoints and start again."


def sign(path: str | Path) -> None:
    """Put a checkpoint's SHA-256 behind it, as the comment that its format (zip) has room for."""
    with ZipFile(path, "a") as archive:
        archive.comment = b"0" * DIGITS
    content = Path(path).read_bytes()[:-DIGITS]
    with Path(path).open("rb+") as file:
        file.seek(-DIGITS, 2)
        file.write(hashlib.sha256(content).hexdigest().encode())


def is_whole(path: str | Path) -> bool:
    """Whether a checkpoint is there as :func:`sign` left it."""
    try:
        with ZipFile(path) as archive:
            signed = archive.comment.decode("ascii")
        content = Path(path).read_bytes()[:-DIGITS]
    except (OSError, ValueError, BadZipFile):
        return False
    return signed == hashlib.sha256(content).hexdigest()


def write_best(path: str | Path, weights: dict[str, Tensor]) -> None:
    """Write the best weights so far with a checksum among their metadata, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(save(weights, metadata={DIGEST: _digest(weights)}))


def read_best(path: str | Path) -> dict[str, Tensor]:
    """Read what :func:`write_best` wrote.

    Raises
    ------
    DataError
        If it cannot be read, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            recorded = (file.metadata() or {}).get(DIGEST)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(path, expected="the best weights so far", found=str(error), remedy=REMEDY) from error
    if recorded != _digest(weights):
        raise DataError(
            path,
            expected="the best weights as they were written",
            found="another checksum: the file is damaged",
            remedy=REMEDY,
        )
    return weights


def _digest(weights: dict[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name, value in sorted(weights.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
