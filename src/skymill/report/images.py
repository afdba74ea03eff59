"""Images: stretching arrays for the eye and packing them, with marks, into the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOFTENING_RMS = 3.0
FAINT_RMS = -1.0
BRIGHT_RMS = (25.0, 3000.0)
BRIGHT_PERCENT = 99.95
BAND_ROWS = 2048
MASK_COLOURS = np.array([[245, 246, 248], [0, 114, 178], [230, 159, 0], [160, 60, 140]], dtype=np.uint8)
"""Background, central galaxy, neighbour, both."""


@dataclass(frozen=True)
class Mark:
    """Something drawn on a picture.

    Parameters
    ----------
    x, y : float
        Position in the picture's pixels, 0 at the centre of the first one, y upwards.
    colour : str
        Colour of the line.
    shape : {"ring", "cross", "target"}
        Form; a target is a dashed ring, a cross is open in the middle.
    radius : float
        Radius in pixels.
    text : str
        What the mouse shows.
    """

    x: float
    y: float
    colour: str
    shape: Literal["ring", "cross", "target"] = "ring"
    radius: float = 3.0
    text: str = ""


@dataclass(frozen=True)
class Picture:
    """A small image with marks on it.

    Parameters
    ----------
    uri : str
        The image as a data URI.
    width, height : int
        Size in pixels.
    title : str
        What stands below it.
    marks : sequence of Mark
        What is drawn on it.
    """

    uri: str
    width: int
    height: int
    title: str = ""
    marks: Sequence[Mark] = field(default_factory=tuple)


def stretched(image: NDArray, rms: float | NDArray, faint: float = FAINT_RMS) -> NDArray[np.uint8]:
    """Turn an image into grey levels, dark on a white sky.

    Parameters
    ----------
    image : ndarray (y, x)
        Image units, zero sky.
    rms : float or ndarray
        Noise in the same unit; the stretch is ``asinh(image / (3 rms))``.
    faint : float
        Level of white in units of the noise; that of black is the image's brightest 0.05 %,
        but from 25 to 3000.

    Returns
    -------
    ndarray (y, x), uint8
        Rows in the order of the array.
    """
    ratio = np.nan_to_num(np.asarray(image, dtype=np.float32) / rms, posinf=0.0, neginf=0.0)
    bright = np.clip(np.percentile(ratio, BRIGHT_PERCENT), *BRIGHT_RMS) if ratio.size else BRIGHT_RMS[0]
    low, high = np.arcsinh(faint / SOFTENING_RMS), np.arcsinh(bright / SOFTENING_RMS)
    level = (np.arcsinh(ratio / SOFTENING_RMS) - low) / (high - low)
    return np.rint(255 * (1 - np.clip(level, 0, 1))).astype(np.uint8)


def data_uri(pixels: NDArray[np.uint8], kind: Literal["png", "jpeg"] = "png") -> str:
    """Pack grey (y, x) or colour (y, x, 3) pixels as a data URI; the first row of the array is the lowest."""
    stream = io.BytesIO()
    options = {"quality": 82, "optimize": True} if kind == "jpeg" else {"optimize": True}
    Image.fromarray(np.ascontiguousarray(pixels[::-1])).save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def png_uri(content: bytes) -> str:
    """Pack a PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def picture(
    image: NDArray,
    rms: float | NDArray,
    title: str = "",
    marks: Sequence[Mark] = (),
    faint: float = FAINT_RMS,
) -> Picture:
    """Make a picture of a 2-D image; see :func:`stretched`."""
    height, width = image.shape
    return Picture(data_uri(stretched(image, rms, faint)), width, height, title, tuple(marks))


def mask_picture(masks: NDArray[np.uint8], title: str = "") -> Picture:
    """Make a picture of a mask with bit 1 for the central galaxy and bit 2 for its neighbours."""
    height, width = masks.shape
    return Picture(data_uri(MASK_COLOURS[masks & 3]), width, height, title)


def binned(image: NDArray, factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of `factor` × `factor` pixels; a rest at the far edges is left out.

    Reads the image in bands, so that a memory-mapped one never needs to fit in memory.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    result = np.empty((height, width), dtype=np.float32)
    step = max(1, BAND_ROWS // factor)
    for start in range(0, height, step):
        stop = min(start + step, height)
        band = np.asarray(image[start * factor : stop * factor, : width * factor], dtype=np.float32)
        result[start:stop] = band.reshape(stop - start, factor, width, factor).mean(axis=(1, 3))
    return result
