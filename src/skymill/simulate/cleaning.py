"""One galaxy of an observed image without its neighbours and without the sky around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skymill.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_HOLE = 0.02
"""An image is refused when more of a galaxy's pixels than this fraction can be filled by nothing."""


def clean(
    image: NDArray, own: NDArray[np.bool_], bad: NDArray[np.bool_], x: float, y: float, where: str
) -> NDArray[np.float64]:
    """Take neighbours out of an image.

    The galaxy is its own segment, and those pixels of neighbours (and bad ones) whose counterpart, turned by 180
    degrees about the galaxy's centre, lies in that segment: they get the counterpart's value. All else is 0: light
    outside the segment is left out of the image, and so of the galaxy's flux.

    Parameters
    ----------
    image : ndarray (y, x)
        Sky-subtracted; need not be finite where `bad`.
    own : ndarray (y, x), bool
        The galaxy's segment.
    bad : ndarray (y, x), bool
        Pixels of other sources, and those that hold nothing of use.
    x, y : float
        The galaxy's centre, 0-based px; the counterpart is the pixel nearest to the turned position.
    where : str
        The galaxy, for messages.

    Returns
    -------
    ndarray (y, x), float64
        The galaxy alone.

    Raises
    ------
    DataError
        If too much of the segment is bad on both sides of the centre.
    """
    good = own & ~bad
    rows, columns = np.nonzero(bad)
    turned_rows, turned_columns = round(2 * y) - rows, round(2 * x) - columns
    height, width = image.shape
    inside = (turned_rows >= 0) & (turned_rows < height) & (turned_columns >= 0) & (turned_columns < width)
    inside[inside] = good[turned_rows[inside], turned_columns[inside]]
    cleaned = np.where(good, image, 0.0).astype(np.float64)
    cleaned[rows[inside], columns[inside]] = image[turned_rows[inside], turned_columns[inside]]
    _check_holes(
        int((own & bad).sum()) - int(own[rows[inside], columns[inside]].sum()), int(own.sum()), where
    )
    return cleaned


def _check_holes(holes: int, pixels: int, where: str) -> None:
    if holes > LARGEST_HOLE * pixels:
        raise DataError(
            where,
            expected=f"at most {LARGEST_HOLE:.0%} of the galaxy's pixels bad together with those opposite to them",
            found=f"{holes} of {pixels}",
            remedy="Leave this galaxy out of the table.",
        )
