"""One patch of sky: light of many sources, artefacts, noise, and what is true of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skymill.blend.noise import Noise
from skymill.config.scene import SceneConfig
from skymill.data.survey import Survey, image_flux_to_njy, njy_to_image_flux, njy_to_mag
from skymill.metrics.moments import light_width
from skymill.scene.artefacts import Artefacts, SaturatedStar
from skymill.scene.points import Points
from skymill.scene.sources import Sources, brighter_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Patch:
    """A patch and its truth.

    Parameters
    ----------
    image : ndarray (y, x), float32
        Noisy, image units, background about 0.
    segments : ndarray (y, x), uint16
        1 + number of the source that is the brightest in a pixel; 0 where none is above the limit.
    truth : dict of str to ndarray (n,)
        Columns of the schema ``scenes`` but `patch_id`.
    """

    image: NDArray[np.float32]
    segments: NDArray[np.uint16]
    truth: dict[str, NDArray]


@dataclass(frozen=True)
class Placed:
    """The light of one source and where on the patch it falls."""

    x: float
    y: float
    flux: float
    light: NDArray
    box: tuple[slice, slice]


class PatchMaker:
    """Composes patches.

    Parameters
    ----------
    config : SceneConfig
        What a patch is.
    survey : Survey
        Noise, gain and zero-point.
    points : Points
        Stars.
    noise : Noise
        Adds the noise.
    """

    def __init__(self, config: SceneConfig, survey: Survey, points: Points, noise: Noise) -> None:
        self.config, self.survey, self.points, self.noise = config, survey, points, noise
        self.artefacts = Artefacts(config.artefacts, survey, config.side_px)

    def make(
        self,
        sources: Sources,
        stamps: NDArray[np.float32],
        flux_njy: NDArray[np.float64],
        offsets: NDArray[np.float64],
        generator: np.random.Generator,
    ) -> Patch:
        """Make one patch.

        Parameters
        ----------
        sources : Sources
            n sources.
        stamps : ndarray (n, size, size)
            The galaxies' light, centre at pixel ``size // 2`` plus its offset; zero for stars.
        flux_njy : ndarray (n,)
            Total flux of the galaxy of each stamp, nJy.
        offsets : ndarray (n, 2)
            Offset of each stamp's centre in x and y, px.
        generator : Generator
            For everything that is random beside the sources.
        """
        placed = [
            self._star(sources, row)
            if sources.is_star[row]
            else self._galaxy(sources, row, stamps, flux_njy, offsets)
            for row in range(len(sources))
        ]
        level = self.artefacts.clip_level(generator)
        saturated = self.artefacts.saturated_stars(self._psf(), level, generator)
        placed += [_whole(star) for star in saturated]
        light, segments = self._compose(placed)
        image = light + self.artefacts.streaks(generator)
        image = self.noise.add(image, generator) + self.artefacts.background(generator)
        hits = self.artefacts.hits(generator)
        image = np.where(hits > 0, np.maximum(image, hits), image)
        image = np.minimum(image, level) if saturated else image
        # The rms that a tile is divided by is never quite right.
        scale = float(np.exp(generator.normal(0, self.config.noise_jitter)))
        kinds = np.concatenate(
            [np.where(sources.is_star, "star", "galaxy"), ["saturated_star"] * len(saturated)]
        )
        return Patch((scale * image).astype(np.float32), segments, self._truth(placed, kinds, light, scale))

    def _psf(self) -> NDArray[np.float32]:
        middle = len(self.points.phase) // 2
        return self.points.stamps[middle, middle]

    def _star(self, sources: Sources, row: int) -> Placed:
        x_px, y_px = np.rint(sources.x[row]), np.rint(sources.y[row])
        i, j = (
            self.points.nearest(np.array(value)) for value in (sources.y[row] - y_px, sources.x[row] - x_px)
        )
        stamp = self.points.stamps[i, j]
        flux = self._scale(stamp, sources.snr[row])
        x, y = x_px + self.points.phase[j], y_px + self.points.phase[i]
        return self._placed(x, y, flux, flux * stamp, int(x_px), int(y_px))

    def _galaxy(
        self, sources: Sources, row: int, stamps: NDArray, flux_njy: NDArray, offsets: NDArray
    ) -> Placed:
        stamp, (dx, dy) = turned(stamps[row], *offsets[row], int(sources.turns[row]), bool(sources.flip[row]))
        scale = self._scale(stamp, sources.snr[row])
        x_px, y_px = np.rint(sources.x[row] - dx), np.rint(sources.y[row] - dy)
        flux = scale * njy_to_image_flux(float(flux_njy[row]), self.survey.zero_point_mag)
        return self._placed(x_px + dx, y_px + dy, flux, scale * stamp, int(x_px), int(y_px))

    def _scale(self, stamp: NDArray, snr: float) -> float:
        """Return the factor that gives a stamp its signal to noise above white noise of the background's rms."""
        return float(snr * self.survey.background_rms / np.sqrt(np.square(stamp, dtype=np.float64).sum()))

    def _placed(self, x: float, y: float, flux: float, light: NDArray, x_px: int, y_px: int) -> Placed:
        half, side = len(light) // 2, self.config.side_px
        y0, x0 = y_px - half, x_px - half
        rows = slice(min(max(y0, 0), side), min(max(y0 + len(light), 0), side))
        columns = slice(min(max(x0, 0), side), min(max(x0 + len(light), 0), side))
        part = light[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
        return Placed(float(x), float(y), flux, part, (rows, columns))

    def _compose(self, placed: Sequence[Placed]) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
        side = self.config.side_px
        light, segments = np.zeros((side, side)), np.zeros((side, side), dtype=np.uint16)
        brightest = np.full((side, side), self.config.segment_rms * self.survey.background_rms)
        for number, source in enumerate(placed):
            light[source.box] += source.light
            above = source.light > brightest[source.box]
            segments[source.box][above] = number + 1
            brightest[source.box][above] = source.light[above]
        return light, segments

    def _truth(
        self, placed: Sequence[Placed], kinds: NDArray[np.str_], light: NDArray[np.float64], scale: float
    ) -> dict[str, NDArray]:
        x, y, flux = (np.array([getattr(source, name) for source in placed]) for name in ("x", "y", "flux"))
        variance = self.survey.background_rms**2 + np.maximum(light, 0.0) / self.survey.gain_e_per_unit
        snr = np.array(
            [
                np.sqrt((np.square(source.light, dtype=np.float64) / variance[source.box]).sum())
                for source in placed
            ]
        )
        distance, side = brighter_distance(x, y, flux), self.config.side_px
        inside = (np.minimum(x, y) >= -0.5) & (np.maximum(x, y) < side - 0.5)
        apart = ~(distance < self.config.least_separation_px)
        njy = image_flux_to_njy(scale * flux, self.survey.zero_point_mag)
        return {
            "source_id": np.arange(len(x)),
            "kind": kinds,
            "x": x,
            "y": y,
            "mag": njy_to_mag(njy),
            "flux": njy,
            "snr": snr,
            "brighter_distance": distance,
            "width": np.array([light_width(source.light) for source in placed], dtype=np.float32),
            "is_object": inside & apart & (snr >= self.config.object_snr),
        }


def turned(
    stamp: NDArray, dx: float, dy: float, turns: int, flip: bool
) -> tuple[NDArray, tuple[float, float]]:
    """Turn and mirror a stamp about its galaxy's pixel.

    Parameters
    ----------
    stamp : ndarray (size, size)
        Even size, galaxy at pixel ``size // 2``; its first row and column, which have no partner, are left out.
    dx, dy : float
        Offset of the galaxy's centre from that pixel.
    turns : int
        Quarter turns from +x towards +y.
    flip : bool
        Mirror in x afterwards.

    Returns
    -------
    stamp : ndarray (size - 1, size - 1)
        A view; the galaxy is at its middle pixel.
    offset : (float, float)
        The new dx, dy.
    """
    first = 1 - len(stamp) % 2
    stamp = np.rot90(stamp[first:, first:], -turns)
    for _ in range(turns % 4):
        dx, dy = -dy, dx
    return (stamp[:, ::-1], (-dx, dy)) if flip else (stamp, (dx, dy))


def _whole(star: SaturatedStar) -> Placed:
    side = len(star.light)
    return Placed(float(star.x), float(star.y), star.flux, star.light, (slice(0, side), slice(0, side)))
