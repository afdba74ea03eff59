"""SDSS's fpM files: masks of a frame as runs of pixels, one table a plane.

https://classic.sdss.org/dr7/dm/flatFiles/fpM.php; each row of a table is one connected mask with `nspan` runs of three
big-endian 16-bit numbers: row, first and last column, counted from the mask's row0 and col0. Rows and columns count
from 0 at the frame's first pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from skymill.data.fits_image import fits_errors
from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SPAN_BYTES = 6
PREFIX = "S_MASK_"
PLANES = 10
IDENTITY = {"RUN": "RUN", "CAMCOL": "CAMCOL", "FIELD": "FRAME", "MASKROWS": "NAXIS2", "MASKCOLS": "NAXIS1"}
"""Keywords of an fpM file, and what a frame's header calls them."""


def is_fpm(path: str | Path) -> bool:
    """Whether a file is one of SDSS's masks, by its primary header."""
    with fits_errors(path), fits.open(Path(path)) as hdus:
        return {"MASKROWS", "MASKCOLS", "NPLANE"} <= set(hdus[0].header)


def read_fpm(path: str | Path, frame: Mapping[str, Any]) -> NDArray[np.uint16]:
    """Read the planes of an fpM file as bits.

    Parameters
    ----------
    path : str or Path
        The file, plain or gzipped.
    frame : mapping
        Keywords of the image that it belongs to; RUN, CAMCOL, FRAME and its size are compared.

    Returns
    -------
    ndarray (y, x), uint16
        Bit n is plane n of the file's own list: 0 INTERP, 1 SATUR, …

    Raises
    ------
    DataError
        If the file is damaged, has other planes, or is the mask of another frame.
    """
    with fits_errors(path), fits.open(Path(path)) as hdus:
        header = hdus[0].header
        _check_frame(path, header, frame)
        shape = int(header["MASKROWS"]), int(header["MASKCOLS"])
        flags = np.zeros(shape, dtype=np.uint16)
        for number in _planes(path, hdus).values():
            table = _table(hdus, number + 1, path)
            if table is not None and len(table):
                flags[_filled(_spans(table, f"{path}[{number + 1}]"), shape)] |= np.uint16(1 << number)
    return flags


def _check_frame(path: str | Path, header: fits.Header, frame: Mapping[str, Any]) -> None:
    """Compare run, camera column, field and size, where the frame has them: frames look alike."""
    theirs = {key: header.get(key) for key, name in IDENTITY.items() if name in frame}
    wanted = {key: frame[name] for key, name in IDENTITY.items() if name in frame}
    if theirs != wanted:
        raise DataError(
            path,
            expected="the mask of the image: " + ", ".join(f"{key} {value}" for key, value in wanted.items()),
            found=", ".join(f"{key} {value}" for key, value in theirs.items()),
            remedy="Name the fpM file of the same run, camera column, field and band.",
        )


def _planes(path: str | Path, hdus: fits.HDUList) -> dict[str, int]:
    """Read the list of planes, which is the file's last table."""
    table = _table(hdus, len(hdus) - 1, path)
    names = [] if table is None else table.names
    if not {"attributeName", "Value"} <= set(names):
        raise DataError(path, expected="a list of mask planes in the last HDU", found=f"columns {names}")
    planes = {
        name.strip().removeprefix(PREFIX): int(value)
        for name, value in zip(table["attributeName"], table["Value"], strict=True)
        if name.startswith(PREFIX)
    }
    if sorted(planes.values()) != list(range(PLANES)) or len(hdus) < PLANES + 2:
        raise DataError(path, expected=f"{PLANES} mask planes and their tables", found=f"{planes}")
    return planes


def _table(hdus: fits.HDUList, number: int, path: str | Path) -> fits.FITS_rec | None:
    """Return the rows of an HDU; None if it has none."""
    if not isinstance(hdus[number], fits.BinTableHDU):
        raise DataError(f"{path}[{number}]", expected="a table", found=type(hdus[number]).__name__)
    return hdus[number].data


def _spans(table: fits.FITS_rec, where: str) -> NDArray[np.int64]:
    """Return all runs of a plane as (n, 3): row, first and last column of the frame."""
    parts = [np.asarray(part, dtype=np.uint8).ravel() for part in table["s"]]
    lengths = np.array([part.size for part in parts])
    # Some files list masks whose runs are missing altogether.
    counts = np.where(lengths > 0, table["nspan"], 0)
    if not np.array_equal(lengths, SPAN_BYTES * counts):
        raise DataError(
            where,
            expected=f"{SPAN_BYTES} bytes a run of pixels",
            found=f"{lengths.sum()} bytes for {int(counts.sum())} runs",
            remedy="Fetch the file again.",
        )
    spans = np.concatenate(parts).view(">i2").reshape(-1, 3).astype(np.int64)
    for column, origin in enumerate(("row0", "col0", "col0")):
        spans[:, column] -= np.repeat(table[origin].astype(np.int64), counts)
    _check_pixels(spans, counts, table["npix"], where)
    if (spans[:, 2] < spans[:, 1]).any():
        raise DataError(
            where, expected="runs of pixels from left to right", found="one that ends before it begins"
        )
    return spans


def _check_pixels(spans: NDArray[np.int64], counts: NDArray, announced: NDArray, where: str) -> None:
    """Say if masks do not have the pixels that they announce: so it is in a few files of the archive."""
    found = np.zeros(len(counts), dtype=np.int64)
    np.add.at(found, np.repeat(np.arange(len(counts)), counts), spans[:, 2] - spans[:, 1] + 1)
    if wrong := int(np.count_nonzero(found != announced)):
        log.warning(
            "%s: %d of %d masks have not the number of pixels that they announce", where, wrong, len(found)
        )


def _filled(spans: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mark the pixels of all runs, as far as they lie in the frame."""
    rows, first, last = spans.T
    inside = (rows >= 0) & (rows < shape[0]) & (last >= 0) & (first < shape[1])
    rows, first, last = rows[inside], np.maximum(first[inside], 0), np.minimum(last[inside], shape[1] - 1)
    # Each run begins with +1 and has -1 behind its end: the sum along a row is the number of runs over a pixel.
    steps = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    np.add.at(steps, (rows, first), 1)
    np.add.at(steps, (rows, last + 1), -1)
    return steps.cumsum(axis=1)[:, :-1] > 0
