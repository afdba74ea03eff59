"""Reading one image of a FITS file, whatever it is packed in."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from skymill.data.sky import TABLE_NAMES, names_tables
from skymill.errors import DataError
from skymill.provenance.record import sha256

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 1024
LARGEST_EXPANSION = {"gzip": 1_100, "bzip2": 50_000}
"""Bytes that a byte of a packed file can become, rounded up (deflate: 1,032; bzip2: 46,000 of one value)."""
LARGEST_TILE_EXPANSION = 100_000
"""The same for images of which each tile is compressed: a constant one takes a few bytes."""


MOST_AXES = 999
"""Of the FITS standard 4.0, section 4.4.1.1."""


@dataclass(frozen=True)
class FitsImage:
    """An image and the header it came with.

    Parameters
    ----------
    data : ndarray (y, x)
        The numbers as the file has them, of its type and byte order, with BSCALE and BZERO applied; BLANK pixels are
        NaN. That of a plain file is mapped: what is changed in it is lost.
    header : astropy.io.fits.Header
        Of the image's HDU.
    where : str
        ``file[hdu]``, for messages.
    tables : tuple of ImageHDU
        Tables of distortions, if the header names any; they are part of its WCS.
    primary : astropy.io.fits.Header
        Of the file's primary HDU, which says what concerns all of them.
    """

    data: NDArray
    header: fits.Header
    where: str
    tables: tuple[fits.ImageHDU, ...] = ()
    primary: fits.Header = field(default_factory=fits.Header)

    def scaled(self, factor: float = 1.0) -> NDArray[np.float32]:
        """Return ``factor * data`` as native float32 (y, x); numbers beyond its range become infinite.

        The product is of float64: maps of units in which a pixel is 1e-40 keep their digits.
        """
        scaled = np.empty(self.data.shape, dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(scaled), ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                scaled[rows] = self.data[rows].astype(np.float64) * factor
        return scaled


def verify_sha256(path: str | Path, expected: str | None) -> None:
    """Check a file against the checksum of the tile table; without one nothing is checked.

    Raises
    ------
    DataError
        If the file is missing or has another checksum.
    """
    remedy = "Check the path in the tile table or data_dir."
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file() raises at a name that is too long
        raise DataError(path, expected="a file", found="none", remedy=remedy)
    if expected is None:
        return
    try:
        found = sha256(path)
    except OSError as error:
        raise DataError(path, expected="a file that can be read", found=str(error), remedy=remedy) from error
    if found != expected:
        raise DataError(
            path,
            expected=f"sha256 {expected}",
            found=f"sha256 {found}",
            remedy="Download the file again, or correct the tile table if the new file is meant.",
        )


def read_image(path: str | Path, hdu: int | str | None = None, others: Sequence[int | str] = ()) -> FitsImage:
    """Read a 2-D image from a FITS file.

    Plain, gzipped (.gz), bzipped (.bz2) and tile-compressed (.fz) files are read; a plain file is mapped.

    Parameters
    ----------
    path : str or Path
        A local file.
    hdu : int or str, optional
        Number or name of the HDU; by default the only one that holds a 2-D image.
    others : sequence of int or str
        HDUs that are known to hold something else: a noise map, a mask.

    Returns
    -------
    FitsImage
        Image and header.

    Raises
    ------
    DataError
        Naming the file and the HDU: not FITS, truncated or shorter than its header says, no such HDU, several that may
        be meant, not 2-D, no pixels.
    """
    with fits_errors(path), fits.open(Path(path)) as hdus:
        chosen = _choose(path, hdus, hdu, others)
        where = f"{path}[{chosen.name or hdus.index(chosen)}]"
        _check_shape(where, chosen.header)
        _check_length(path, chosen)
        data = chosen.data
        if data is None or 0 in data.shape:
            raise DataError(
                where, expected="an image with pixels", found=f"shape {getattr(data, 'shape', ())}"
            )
        header, primary = _readable(where, chosen.header), _readable(str(path), hdus[0].header)
        return FitsImage(data, header, where, _tables(hdus, header), primary)


def _readable(where: str, header: fits.Header) -> fits.Header:
    """Return a copy of a header without the cards that astropy cannot read, which is said."""
    found = fits.Header()
    for card in header.cards:
        try:
            copy = fits.Card.fromstring(str(card))
            # astropy reads a card when its value is asked for.
            _ = copy.value
            found.append(copy, end=True)
        except (ValueError, fits.VerifyError) as error:
            log.warning("%s: the card '%s' is left out: %s", where, card.keyword, error)
    return found


def _check_axes(path: str | Path) -> None:
    """Refuse more axes than the standard's 999 before astropy, which asks for the length of each, sees them."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(2880)
    except OSError:
        return  # Opening it says why.
    found = re.search(rb"NAXIS   = +([0-9]{4,70})", start)
    if found and int(found[1]) > MOST_AXES:
        raise _broken(path, f"NAXIS = {int(found[1])}")


@contextmanager
def fits_errors(path: str | Path) -> Iterator[None]:
    """Turn what astropy raises and warns of on broken files into one DataError; other warnings go to the log."""
    _check_axes(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except (DataError, MemoryError):
            raise
        except Exception as error:  # astropy, gzip, bz2 and cfitsio raise many kinds, all of one meaning
            raise _broken(path, f"{type(error).__name__}: {error}") from error
    messages = [str(warning.message).splitlines()[0] for warning in caught]
    for message in messages:
        # astropy reads what there is of a truncated file and fills the rest up.
        if "truncated" in message:
            raise _broken(path, message)
        log.info("%s: %s", path, message)


def _broken(path: str | Path, found: str) -> DataError:
    return DataError(
        path,
        expected="a whole FITS file",
        found=found,
        remedy="Fetch the file again; if it is not FITS, convert it.",
    )


def _choose(
    path: str | Path, hdus: fits.HDUList, hdu: int | str | None, others: Sequence[int | str]
) -> fits.ImageHDU:
    if hdu is not None:
        return _named(path, hdus, hdu)
    excluded = [_named(path, hdus, other) for other in others]
    images = [one for one in hdus if one.is_image and one.header.get("NAXIS", 0) > 0]
    # Not `in`: it would compare HDUs by their content.
    images = [
        one for one in images if one.name not in TABLE_NAMES and not any(one is other for other in excluded)
    ]
    flat = [one for one in images if one.header["NAXIS"] == 2]
    if len(flat) > 1:
        raise DataError(
            path,
            expected="one 2-D image, or the HDU of the one that is meant",
            found=f"{len(flat)} images: {_listing(hdus)}",
            remedy="Name it in the tile table (image_hdu, rms_hdu, mask_hdu).",
        )
    if not images:
        raise DataError(path, expected="an HDU with a 2-D image", found=_listing(hdus))
    return (flat or images)[0]


def _named(path: str | Path, hdus: fits.HDUList, hdu: int | str) -> fits.ImageHDU:
    try:
        chosen = hdus[hdu]
    except (KeyError, IndexError):
        raise DataError(
            path,
            expected=f"an HDU {hdu!r}",
            found=_listing(hdus),
            remedy="Correct the HDU in the tile table.",
        ) from None
    # astropy gives an HDU of which it does not know the kind, and one whose header is damaged, without data.
    if not hasattr(chosen, "data"):
        raise DataError(f"{path}[{hdu}]", expected="an image", found="an HDU that says not what it is")
    if not chosen.is_image:
        raise DataError(f"{path}[{hdu}]", expected="an image", found="a table")
    return chosen


def _listing(hdus: fits.HDUList) -> str:
    """Name the HDUs that there are."""
    return ", ".join(
        f"{number} '{hdu.name}' {'image' if hdu.is_image else 'table'} {hdu.header.get('NAXIS', 0)}-D"
        for number, hdu in enumerate(hdus)
    )


def _check_shape(where: str, header: fits.Header) -> None:
    axes = [header.get(f"NAXIS{axis}", 0) for axis in range(header.get("NAXIS", 0), 0, -1)]
    if len(axes) != 2:
        found = f"a {len(axes)}-D one of shape {tuple(axes)}"
        raise DataError(
            where, expected="a 2-D image", found=found, remedy="Name the right HDU or cut out one plane."
        )
    if not all(isinstance(axis, int) and axis > 0 for axis in axes):
        raise DataError(where, expected="an image with pixels", found=f"shape {tuple(axes)}")


def _check_length(path: str | Path, hdu: fits.ImageHDU) -> None:
    """Refuse an image that its file cannot hold, before any memory is taken for it."""
    size = Path(path).stat().st_size
    most = size * LARGEST_EXPANSION.get(hdu.fileinfo()["file"].compression, 1)
    if isinstance(hdu, fits.CompImageHDU):
        most *= LARGEST_TILE_EXPANSION
    needed = hdu.header["NAXIS1"] * hdu.header["NAXIS2"] * abs(hdu.header["BITPIX"]) // 8
    if needed > most:
        raise DataError(
            path,
            expected=f"a whole FITS file with {needed} bytes of pixels, as NAXIS1, NAXIS2 and BITPIX say",
            found=f"{size} bytes",
            remedy="Fetch the file again, or correct its header.",
        )


def _tables(hdus: fits.HDUList, header: fits.Header) -> tuple[fits.ImageHDU, ...]:
    """Copy the tables of distortions; files of a header that needs none are not searched for them."""
    if not names_tables(header):
        return ()
    named = (one for one in hdus if one.name in TABLE_NAMES and one.is_image)
    return tuple(fits.ImageHDU(np.array(one.data), one.header) for one in named)
