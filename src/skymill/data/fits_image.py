"""Reading one image of a FITS file, whatever it is packed in."""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from astropy.io import fits

from skymill.errors import DataError
from skymill.provenance.record import sha256

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

UNREADABLE = (OSError, EOFError, ValueError, TypeError, IndexError, KeyError, zlib.error, fits.VerifyError)
"""What astropy, gzip, bz2 and the tile decompression raise on broken files."""


@dataclass(frozen=True)
class FitsImage:
    """An image and the header it came with.

    Parameters
    ----------
    data : ndarray (y, x), float32
        A copy in native byte order with BSCALE and BZERO applied; BLANK pixels are NaN.
    header : astropy.io.fits.Header
        Of the image's HDU.
    where : str
        ``file[hdu]``, for messages.
    """

    data: NDArray[np.float32]
    header: fits.Header
    where: str


def verify_sha256(path: str | Path, expected: str | None) -> None:
    """Check a file against the checksum of the tile table; without one nothing is checked.

    Raises
    ------
    DataError
        If the file is missing or has another checksum.
    """
    if not Path(path).is_file():
        raise DataError(
            path, expected="a file", found="none", remedy="Check the path in the tile table or data_dir."
        )
    if expected is None:
        return
    found = sha256(path)
    if found != expected:
        raise DataError(
            path,
            expected=f"sha256 {expected}",
            found=f"sha256 {found}",
            remedy="Download the file again, or correct the tile table if the new file is meant.",
        )


def read_image(path: str | Path, hdu: int | str | None = None) -> FitsImage:
    """Read a 2-D image from a FITS file.

    Plain, gzipped (.gz), bzipped (.bz2) and tile-compressed (.fz) files are read; a plain file is mapped, so that
    only the image itself is held in memory.

    Parameters
    ----------
    path : str or Path
        A local file.
    hdu : int or str, optional
        Number or name of the HDU; by default the first that holds a 2-D image.

    Returns
    -------
    FitsImage
        Image and header.

    Raises
    ------
    DataError
        Naming the file and the HDU: not FITS, truncated, no such HDU, not 2-D, no pixels.
    """
    with fits_errors(path), fits.open(Path(path)) as hdus:
        chosen = _choose(path, hdus, hdu)
        where = f"{path}[{chosen.name or hdus.index(chosen)}]"
        data = None if chosen.header.get("NAXIS") == 0 else chosen.data
        _check_shape(where, chosen.header, data)
        return FitsImage(_native_float32(data), chosen.header.copy(), where)


class RawImage(NamedTuple):
    """An image as its file holds it.

    Parameters
    ----------
    data : ndarray (y, x)
        A copy in the file's own type and native byte order, scaled by BSCALE and BZERO; BLANK pixels are NaN.
    cards : dict
        Keywords of the image's HDU and, where that has none, of the file's primary HDU.
    where : str
        ``file[hdu]``, for messages.
    """

    data: NDArray
    cards: dict[str, Any]
    where: str


def read_raw(path: str | Path, hdu: int | str | None = None) -> RawImage:
    """Read a 2-D image of integers, all bits of which count; arguments and errors as for :func:`read_image`."""
    with fits_errors(path), fits.open(Path(path)) as hdus:
        chosen = _choose(path, hdus, hdu)
        where = f"{path}[{chosen.name or hdus.index(chosen)}]"
        data = None if chosen.header.get("NAXIS") == 0 else chosen.data
        _check_shape(where, chosen.header, data)
        native = np.array(data, dtype=data.dtype.newbyteorder("="), order="C")
        return RawImage(native, dict(hdus[0].header) | dict(chosen.header), where)


@contextmanager
def fits_errors(path: str | Path) -> Iterator[None]:
    """Turn what astropy raises and warns of on broken files into one DataError; other warnings go to the log."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except DataError:
            raise
        except UNREADABLE as error:
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


def _choose(path: str | Path, hdus: fits.HDUList, hdu: int | str | None) -> fits.ImageHDU:
    if hdu is None:
        images = [one for one in hdus if one.is_image and one.header.get("NAXIS", 0) == 2]
        anything = [one for one in hdus if one.is_image and one.header.get("NAXIS", 0) > 0]
        if images or anything:
            return (images or anything)[0]
        raise DataError(path, expected="an HDU with a 2-D image", found=_listing(hdus))
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


def _check_shape(where: str, header: fits.Header, data: NDArray | None) -> None:
    axes = [header.get(f"NAXIS{axis}", 0) for axis in range(header.get("NAXIS", 0), 0, -1)]
    if len(axes) != 2:
        found = f"a {len(axes)}-D one of shape {tuple(axes)}"
        raise DataError(
            where, expected="a 2-D image", found=found, remedy="Name the right HDU or cut out one plane."
        )
    if data is None or 0 in axes or 0 in data.shape:
        raise DataError(where, expected="an image with pixels", found=f"shape {tuple(axes)}")


def _native_float32(data: NDArray) -> NDArray[np.float32]:
    """Copy into native float32; numbers beyond its range become infinite and are masked later."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(data, dtype=np.float32, order="C")
