"""Which tile a position on the sky belongs to: the one in which it lies deepest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.data.sky import pixel_positions, pixel_scale, unit_vectors
from skymill.errors import DataError

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from skymill.data.tile import Tile

DEPTH_STEP_ARCSEC = 1e-3
"""Depths are compared in whole steps: rounding in the last digits must not give a source to two tiles, or to none."""
STEP_OFFSET = (3 - 5**0.5) / 2
"""Where steps begin: not at the round numbers that lie on the seams of regular grids."""
BEYOND = 1.02
"""Circles around tiles are that much wider than the tiles: centroids may lie a little outside."""
BACK_WITHIN_PX = 0.01
BORDER_POINTS = 9
"""Positions along each side that the circle has to hold: distorted sides are bent."""
WHOLE_SKY = 2.0 * BEYOND
"""Chord to beyond the opposite point."""


@dataclass(frozen=True)
class Footprint:
    """Where a tile lies on the sky.

    Parameters
    ----------
    tile_id : str
        Name of the tile.
    shape : tuple of int
        (y, x) size in pixels.
    wcs : astropy.wcs.WCS
        Celestial, in any frame.
    pixel_arcsec : float
        Median side of a pixel on the sky, distortions included.
    centre : ndarray (3,), float64
        Unit vector (ICRS) of the tile's centre.
    radius : float
        Chord, on the unit sphere, from the centre to beyond the farthest point of the border; that of the whole sky
        where parts of the image have no place on the sky, whose limits the border then does not tell.
    """

    tile_id: str
    shape: tuple[int, int]
    wcs: WCS
    pixel_arcsec: float
    centre: NDArray[np.float64]
    radius: float

    @classmethod
    def of(cls, tile: Tile) -> Footprint:
        """Take the footprint from a tile's header; no pixel is read.

        Raises
        ------
        DataError
            If the tile has no celestial WCS, or one that cannot be inverted.
        """
        if tile.wcs is None:
            raise _unusable(tile, "a celestial WCS, by which tiles of a survey are put together", "none")
        height, width = tile.shape
        along_x, along_y = (np.linspace(-0.5, length - 0.5, BORDER_POINTS) for length in (width, height))
        x, y = (np.ravel(axis) for axis in np.meshgrid(along_x, along_y))
        ra, dec = tile.sky(x, y)
        vectors = unit_vectors(ra, dec)
        has_sky = np.isfinite(vectors).all(axis=1)
        arcsec = pixel_scale(tile.wcs, tile.shape).arcsec
        if not has_sky.any() or np.isnan(arcsec):
            raise _unusable(tile, "positions on the sky", "none, neither at its border nor within")
        back = np.subtract(pixel_positions(tile.wcs, ra, dec), (x, y))
        if not (np.hypot(*back)[has_sky] < BACK_WITHIN_PX).all():
            raise _unusable(
                tile, "a WCS that turns sky positions into pixels", "one that does not everywhere"
            )
        # The middle one of an odd number of points along each axis is the centre.
        middle = len(vectors) // 2
        centre = vectors[middle if has_sky[middle] else np.argmax(has_sky)]
        radius = (
            BEYOND * float(np.linalg.norm(vectors - centre, axis=1).max()) if has_sky.all() else WHOLE_SKY
        )
        return cls(tile.meta.tile_id, tile.shape, tile.wcs, arcsec, centre, radius)

    def depth(self, ra: NDArray, dec: NDArray) -> NDArray[np.float64]:
        """Return how far positions lie from the nearest edge, in whole steps of :data:`DEPTH_STEP_ARCSEC`.

        Parameters
        ----------
        ra, dec : ndarray (n,), float64
            ICRS, degrees.

        Returns
        -------
        ndarray (n,), float64
            Positive within the tile, negative outside; -inf where the projection does not reach.
        """
        x, y = pixel_positions(self.wcs, ra, dec)
        height, width = self.shape
        nearest = np.minimum.reduce([x + 0.5, width - 0.5 - x, y + 0.5, height - 0.5 - y])
        steps = np.floor(nearest * (self.pixel_arcsec / DEPTH_STEP_ARCSEC) + STEP_OFFSET)
        return np.where(np.isfinite(steps), steps, -np.inf)


class Footprints:
    """The tiles of a survey, and what part of the sky each answers for.

    A position belongs to the tile from whose nearest edge it is farthest, as an angle; where two are equal, to the
    one whose `tile_id` comes first. So the parts cover what the tiles cover, once, whatever was found there.

    Parameters
    ----------
    footprints : iterable of Footprint
        In any order.

    Raises
    ------
    DataError
        If two have one name.
    """

    def __init__(self, footprints: Iterable[Footprint]) -> None:
        from scipy.spatial import cKDTree

        self._all = sorted(footprints, key=lambda one: one.tile_id)
        self._number = {one.tile_id: number for number, one in enumerate(self._all)}
        if len(self._number) < len(self._all):
            names = [one.tile_id for one in self._all]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise DataError(
                "tiles of a survey", expected="each tile_id once", found=f"{', '.join(twice)} twice"
            )
        self._centres = np.array([one.centre for one in self._all]).reshape(-1, 3)
        self._radii = np.array([one.radius for one in self._all])
        self._tree = cKDTree(self._centres)

    def neighbours(self, tile_id: str) -> list[Footprint]:
        """Return the tiles that may overlap one, itself among them, by name."""
        own = self._all[self._number[tile_id]]
        near = self._tree.query_ball_point(own.centre, own.radius + self._radii.max(), return_sorted=True)
        distance = np.linalg.norm(self._centres[near] - own.centre, axis=1)
        touching = distance <= own.radius + self._radii[near]
        return [self._all[number] for number, touches in zip(near, touching, strict=True) if touches]

    def is_primary(self, tile_id: str, ra: NDArray, dec: NDArray) -> NDArray[np.bool_]:
        """Return which positions on a tile belong to it.

        Parameters
        ----------
        tile_id : str
            The tile.
        ra, dec : ndarray (n,), float64
            ICRS, degrees.

        Returns
        -------
        ndarray (n,), bool
            False also for NaN, and for positions well outside the tile.
        """
        vectors = unit_vectors(ra, dec)
        deepest = np.full(len(vectors), -np.inf)
        is_own = np.zeros(len(vectors), dtype=bool)
        for tile in self.neighbours(tile_id):
            rows = np.flatnonzero(np.linalg.norm(vectors - tile.centre, axis=1) <= tile.radius)
            depth = tile.depth(ra[rows], dec[rows])
            # Of equal depths the first one, by name, stays.
            rows, depth = rows[depth > deepest[rows]], depth[depth > deepest[rows]]
            deepest[rows] = depth
            is_own[rows] = tile.tile_id == tile_id
        return is_own


def _unusable(tile: Tile, expected: str, found: str) -> DataError:
    remedy = "Take the tile out of the tile table, or give it another WCS."
    return DataError(f"tile {tile.meta.tile_id}", expected=expected, found=found, remedy=remedy)
