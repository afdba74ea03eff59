"""Tile: science, rms and mask arrays with a WCS, on disk as one FITS file that is memory-mapped."""

from __future__ import annotations

import json
import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import IntFlag
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from astropy.io import fits

from skymill.data.fits_sums import add_words, check_sums, sum_header, words_sum
from skymill.data.sky import TABLE_NAMES, read_wcs, sky_positions, write_wcs
from skymill.errors import DataError, SkymillError
from skymill.provenance.atomic import atomic_path

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

META_KEY = "SKYMILL"
BAND_ROWS = 1024
"""Rows of large images that are worked on at once."""
FITS_BLOCK = 2880


class MaskBit(IntFlag):
    """Bits of a tile's mask."""

    BAD = 1
    """Marked bad by the given mask, or without a usable noise."""
    SATURATED = 2
    """At or above the saturation level."""
    NO_DATA = 4
    """NaN, infinite or outside the exposure; the science value is 0."""


@dataclass(frozen=True)
class TileMeta:
    """Facts about a tile.

    Parameters
    ----------
    tile_id, survey, band : str
        Names.
    pixel_scale_arcsec, zero_point_mag, gain_e_per_unit : float
        As for a :class:`~skymill.data.survey.Survey`.
    saturation : float or None
        Pixel value above which a pixel is saturated, image units.
    psf_fwhm_px : float
        Full width at half maximum of the PSF in pixels.
    psf_stars : int
        Stars that the width was measured from; 0 when the survey's width was taken.
    version : str
        Version of the tile's artifact; empty for tiles that are not artifacts.
    unit : float
        One unit of the tile's images in the unit of the file that it is from.
    assumed : str
        What is the survey's and was not found on the image, between spaces: ``pixel_scale``, ``psf_fwhm``.
    """

    tile_id: str
    survey: str
    band: str
    pixel_scale_arcsec: float
    zero_point_mag: float
    gain_e_per_unit: float
    saturation: float | None
    psf_fwhm_px: float
    psf_stars: int = 0
    version: str = ""
    unit: float = 1.0
    assumed: str = ""


@dataclass(frozen=True)
class Tile:
    """An image that detectors can work on; background-subtracted.

    Parameters
    ----------
    science : ndarray (y, x), float32
        Zero mean sky; in the unit in which the zero-point of `meta` holds. Ingest makes it one near the noise.
    rms : ndarray (y, x), float32
        Noise of the sky per pixel, image units, positive everywhere.
    mask : ndarray (y, x), uint8
        Bits of :class:`MaskBit`.
    wcs : astropy.wcs.WCS or None
        None for images without celestial coordinates.
    meta : TileMeta
        Facts about the tile.
    """

    science: NDArray[np.float32]
    rms: NDArray[np.float32]
    mask: NDArray[np.uint8]
    wcs: WCS | None
    meta: TileMeta

    def __post_init__(self) -> None:
        """Check that the three images belong together."""
        shapes = {"science": self.science.shape, "rms": self.rms.shape, "mask": self.mask.shape}
        if self.science.ndim != 2 or len(set(shapes.values())) != 1:
            raise DataError(
                f"tile {self.meta.tile_id}", expected="three images of one 2-D shape", found=str(shapes)
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x) size in pixels."""
        return self.science.shape

    def window(self, y0: int, y1: int, x0: int, x1: int) -> Tile:
        """Return rows y0 … y1 - 1 and columns x0 … x1 - 1 as a tile whose WCS is shifted along; no data are copied."""
        box = np.s_[y0:y1, x0:x1]
        wcs = None if self.wcs is None else self.wcs[box]
        return replace(self, science=self.science[box], rms=self.rms[box], mask=self.mask[box], wcs=wcs)

    def sky(self, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
        """Return right ascension and declination in degrees (ICRS) of 0-based pixel positions.

        NaN without a WCS, and where the WCS's projection has no sky.
        """
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if self.wcs is None or not x.size:
            return np.full(x.shape, np.nan), np.full(x.shape, np.nan)
        return sky_positions(self.wcs, x, y)

    def write(self, path: str | Path) -> None:
        """Write the tile as FITS with the extensions SCI, RMS and MASK, whole or not at all.

        Tables of distortions that its WCS needs follow behind these. Other programs see values in the unit of the file
        that the tile is from, by BSCALE.
        """
        header, tables = (fits.Header(), []) if self.wcs is None else write_wcs(self.wcs)
        header[META_KEY] = json.dumps(asdict(self.meta), sort_keys=True)
        images = {"SCI": self.science, "RMS": self.rms, "MASK": self.mask}
        hdus = [fits.ImageHDU(data, header=header, name=name) for name, data in images.items()]
        if self.meta.unit != 1:
            for hdu in hdus[:2]:
                _say_unit(hdu.header, self.meta)
        hdus += tables
        primary = fits.PrimaryHDU().header
        sum_header(primary, 0)
        with atomic_path(path) as partial, partial.open("wb") as file:
            file.write(primary.tostring().encode("ascii"))
            for hdu in hdus:
                _write_image(file, hdu)

    def release(self) -> None:
        """Give back the memory of what was read from the disk so far: it is read again where it is used."""
        release(self.science, self.rms, self.mask)

    @classmethod
    def read(cls, path: str | Path, header_only: bool = False) -> Tile:
        """Open a tile that :meth:`write` made; pixels are read from the disk when they are used.

        Parameters
        ----------
        path : str or Path
            The file.
        header_only : bool
            Whether the pixels stay unused, so that they are not compared with their checksums.

        Raises
        ------
        DataError
            If the file is missing, damaged or not a tile of skymill.
        """
        try:
            # The memory maps outlive the file's closing.
            with fits.open(path, memmap=True, do_not_scale_image_data=True) as hdus:
                check_sums(path, hdus, with_pixels=not header_only)
                header = hdus["SCI"].header
                meta = TileMeta(**json.loads(header[META_KEY]))
                images = [hdus[name].data for name in ("SCI", "RMS", "MASK")]
                wcs = read_wcs(header, (hdu for hdu in hdus if hdu.name in TABLE_NAMES))
        except SkymillError:
            raise
        except Exception as error:
            # astropy raises what suits the place of the damage: OSError, VerifyError, KeyError, IndexError, …
            raise DataError(
                path,
                expected="a tile written by skymill's ingest",
                found=" ".join(str(error).split()) or type(error).__name__,
                remedy="Run ingest on the image.",
            ) from error
        return cls(*images, wcs=wcs if wcs.has_celestial else None, meta=meta)


def _say_unit(header: fits.Header, meta: TileMeta) -> None:
    """Let other programs see values in the unit of the file that the tile is from."""
    header.set("BSCALE", meta.unit, "to the unit of the original", after="GCOUNT")
    header.set("MAGZERO", meta.zero_point_mag + 2.5 * log10(meta.unit), "AB magnitude of that unit")


def _write_image(file: BinaryIO, hdu: fits.ImageHDU) -> None:
    """Write an HDU as astropy does, but band by band: astropy would hold the whole image in memory.

    Its sums are known when its data are written; the header is written over then.
    """
    start = file.tell()
    sum_header(hdu.header, 0)
    file.write(hdu.header.tostring().encode("ascii"))
    before, total, rest = file.tell(), 0, b""
    for rows in bands(len(hdu.data)):
        part = hdu.data[rows]
        data = part.astype(part.dtype.newbyteorder(">")).tobytes()
        file.write(data)
        total, rest = add_words(rest + data, total)
        release(hdu.data)
    file.write(b"\0" * (-(file.tell() - before) % FITS_BLOCK))
    sum_header(hdu.header, words_sum(rest + b"\0" * (-len(rest) % 4), total))
    end = file.tell()
    file.seek(start)
    file.write(hdu.header.tostring().encode("ascii"))
    file.seek(end)


def bands(height: int, rows: int = BAND_ROWS) -> Iterator[slice]:
    """Give the rows of an image, so many at a time."""
    return (slice(start, min(start + rows, height)) for start in range(0, height, rows))


def scratch(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Make an image that lies in a temporary file, not in memory, once it is released; gone with the array."""
    with tempfile.TemporaryFile(prefix="skymill-") as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def release(*images: NDArray) -> None:
    """Give back the memory that parts of images take that lie in files; others stay as they are.

    A file's pages count as a process's memory from when they are read until then.
    """
    for image in images:
        base = image
        while base is not None and not isinstance(base, mmap.mmap):
            base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
        # Not on all systems; where it is not there, memory is given back when others need it.
        if base is not None and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


def cutouts(image: NDArray, x: NDArray, y: NDArray, size: int, fill: float = 0.0) -> NDArray:
    """Cut square stamps out of an image.

    Parameters
    ----------
    image : ndarray (y, x)
        The image; it may be memory-mapped.
    x, y : ndarray (n,)
        0-based positions; they are rounded to whole pixels.
    size : int
        Side of the stamps in pixels; pixel ``size // 2`` of a stamp is the rounded position.
    fill : float
        Value of what lies outside the image.

    Returns
    -------
    ndarray (n, size, size)
        A copy in the image's dtype and native byte order.
    """
    left = np.rint(np.asarray(x)).astype(np.int64) - size // 2
    bottom = np.rint(np.asarray(y)).astype(np.int64) - size // 2
    stamps = np.full((len(left), size, size), fill, dtype=image.dtype.newbyteorder("="))
    height, width = image.shape
    for stamp, x0, y0 in zip(stamps, left, bottom, strict=True):
        xa, xb = max(x0, 0), min(x0 + size, width)
        ya, yb = max(y0, 0), min(y0 + size, height)
        if xa < xb and ya < yb:
            stamp[ya - y0 : yb - y0, xa - x0 : xb - x0] = image[ya:yb, xa:xb]
    return stamps
