"""Checksums of an HDF5 file and of its skeleton, behind its end.

Compressed pixels carry checksums that HDF5 compares when it reads them. Of what holds them together it compares some:
one flipped bit elsewhere and it reads other numbers in silence, or ends the process with a segmentation fault. The
seal is looked at before HDF5 opens the file; it costs the reading of the skeleton, not of the pixels.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from skymill.errors import DataError

MAGIC = b"skymill1"
LENGTH = len(MAGIC) + 8 + 32 + 32
"""Bytes at the very end: the magic word, the number of spans before it, the SHA-256 of the file and of the skeleton."""


def sealed(file: h5py.File) -> bytes:
    """Return the bytes of a file that is in memory, with the seal behind them."""
    file.flush()
    spans = _pixel_spans(file)
    image = file.id.get_file_image()
    whole = hashlib.sha256(image).digest()
    tail = spans.astype("<u8").tobytes() + MAGIC + len(spans).to_bytes(8, "little") + whole
    return image + tail + _digest(image, spans, tail)


def check_seal(path: str | Path, with_pixels: bool = False) -> None:
    """Refuse a file whose skeleton is not as it was written; files without a seal are older and pass.

    Parameters
    ----------
    path : str or Path
        The file.
    with_pixels : bool
        Whether to look at the pixels, too, which HDF5 compares when it reads them: all of the file is read.

    Raises
    ------
    DataError
        If the file has changed.
    OSError, ValueError
        If it cannot be read, or is empty.
    """
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        is_whole = _is_whole(content, with_pixels)
    if not is_whole:
        raise DataError(
            path,
            expected="the HDF5 file as it was written",
            found="another checksum: it is damaged",
            remedy="Delete it and run its stage again.",
        )


def _is_whole(content: mmap.mmap, with_pixels: bool) -> bool:
    foot = content[-LENGTH:]
    if not foot.startswith(MAGIC):
        return True
    count = int.from_bytes(foot[len(MAGIC) : len(MAGIC) + 8], "little")
    start = len(content) - LENGTH - 16 * count
    if start < 0:
        return False
    spans = np.frombuffer(content[start : start + 16 * count], dtype="<u8").reshape(-1, 2)
    if with_pixels and hashlib.sha256(memoryview(content)[:start]).digest() != foot[-64:-32]:
        return False
    return _digest(content, spans, content[start : len(content) - 32], start) == foot[-32:]


def _digest(content: bytes | mmap.mmap, spans: np.ndarray, tail: bytes, end: int | None = None) -> bytes:
    """Return the checksum of all that lies outside of the spans, and of the spans themselves."""
    found = hashlib.sha256()
    for first, last in _between(spans, len(content) if end is None else end):
        found.update(content[first:last])
    found.update(tail)
    return found.digest()


def _between(spans: np.ndarray, end: int) -> Iterator[tuple[int, int]]:
    """Give first and one-past-last byte of what lies outside of the spans (offset, length)."""
    before = 0
    for offset, length in spans.tolist():
        yield before, offset
        before = offset + length
    yield before, end


def _pixel_spans(file: h5py.File) -> np.ndarray:
    """Return offset and length of the pieces that pixels are compressed in, in order, those side by side as one."""
    chunks: list[tuple[int, int]] = []
    for name in file:
        if not file[name].is_virtual:
            file[name].id.chunk_iter(lambda info: chunks.append((info.byte_offset, info.size)))
    if not chunks:
        return np.zeros((0, 2), dtype=np.uint64)
    offset, length = np.array(sorted(chunks), dtype=np.uint64).T
    is_first = np.append(True, offset[1:] != (offset + length)[:-1])
    starts = offset[is_first]
    ends = (offset + length)[np.append(is_first[1:], True)]
    return np.column_stack([starts, ends - starts])
