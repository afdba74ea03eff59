"""CHECKSUM and DATASUM of FITS files (FITS standard 4.0, section 4.4.2.7 and appendix J).

Both are sums of 32-bit words in ones' complement. All of an HDU, CHECKSUM itself included, sums to nothing, so that a
header can be checked with the value of its DATASUM alone and without its pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATASUM, CHECKSUM = "DATASUM", "CHECKSUM"
ZERO = "0" * 16
PIECE = 2**24
"""Bytes that are added up at once."""
PUNCTUATION = (*range(0x3A, 0x41), *range(0x5B, 0x61))
"""Characters between digits and letters, which CHECKSUM does without."""


def words_sum(data: bytes | NDArray, before: int = 0) -> int:
    """Return the ones' complement sum of the big-endian 32-bit words of `data`, added to that of what is before it."""
    total = int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    total += before
    return (total & 0xFFFFFFFF) + (total >> 32)


def add_words(data: bytes, before: int) -> tuple[int, bytes]:
    """Add the whole words of `data` to a sum; returns the sum and the bytes that are left over."""
    whole = len(data) // 4 * 4
    return words_sum(data[:whole], before), data[whole:]


def encode(total: int) -> str:
    """Return 16 characters that, where CHECKSUM stands, complete a sum of words to nothing."""
    complement = 0xFFFFFFFF - total
    columns = np.zeros((4, 4), dtype=np.int64)
    for place in range(4):
        byte = complement >> (24 - 8 * place) & 0xFF
        columns[:, place] = byte // 4 + 0x30
        columns[0, place] += byte % 4
        _avoid_punctuation(columns[:, place])
    text = "".join(map(chr, columns.ravel()))
    return text[-1] + text[:-1]


def _avoid_punctuation(values: NDArray[np.int64]) -> None:
    """Shift pairs of characters apart until none is punctuation; their sum stays."""
    while np.isin(values, PUNCTUATION).any():
        for pair in (slice(0, 2), slice(2, 4)):
            if np.isin(values[pair], PUNCTUATION).any():
                values[pair] += (1, -1)


def sum_header(header: fits.Header, datasum: int) -> None:
    """Set DATASUM and CHECKSUM of a header whose data have the sum `datasum`."""
    header[DATASUM] = (str(datasum), "sum of the data's words")
    header[CHECKSUM] = (ZERO, "completes the HDU's sum to zero")
    header[CHECKSUM] = encode(words_sum(header.tostring().encode("ascii"), datasum))


def check_sums(path: str | Path, hdus: Iterable[Any], with_pixels: bool = True) -> None:
    """Compare HDUs with their sums; those without any are older and pass.

    Parameters
    ----------
    path : str or Path
        The file.
    hdus : iterable of astropy HDU
        Opened from it.
    with_pixels : bool
        Whether to read the data; otherwise headers alone are compared.

    Raises
    ------
    DataError
        If one differs.
    """
    with Path(path).open("rb") as file:
        for hdu in hdus:
            if DATASUM not in hdu.header and CHECKSUM not in hdu.header:
                continue
            if what := _changed(file, hdu, with_pixels):
                raise DataError(
                    f"{path}[{hdu.name}]",
                    expected=f"the {what} as written, of the sum that stands in the header",
                    found="another sum: the file is damaged",
                    remedy="Delete it and run its stage again.",
                )


def _changed(file: Any, hdu: Any, with_pixels: bool) -> str:
    """Return which part of an HDU has not its sum; nothing if all is well."""
    place = hdu.fileinfo()
    try:
        datasum = int(hdu.header[DATASUM])
    except (KeyError, TypeError, ValueError, fits.VerifyError):
        return "header"
    total = words_sum(_read(file, place["hdrLoc"], place["datLoc"]), datasum)
    if CHECKSUM not in hdu.header or total not in (0, 0xFFFFFFFF):
        return "header"
    is_other = with_pixels and _data_sum(file, place["datLoc"], place["datSpan"]) != datasum
    return "data" if is_other else ""


def _read(file: Any, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)


def _pieces(start: int, length: int) -> Iterator[tuple[int, int]]:
    stop = start + length
    return ((first, min(first + PIECE, stop)) for first in range(start, stop, PIECE))


def _data_sum(file: Any, start: int, length: int) -> int:
    total = 0
    for first, last in _pieces(start, length):
        total = words_sum(_read(file, first, last), total)
    return total
