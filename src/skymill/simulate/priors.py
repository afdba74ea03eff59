"""Priors of galaxies: random numbers keyed by galaxy become magnitudes, sizes and shapes.

Every galaxy has a generator of its own (:func:`skymill.rng.rng`) that gives a fixed number of uniform numbers, one for
each quantity; everything after that is an inverse distribution function on arrays. So a galaxy is the same whatever
shard it is drawn in, and a quantity can be added at the end of :data:`QUANTITIES` without changing the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from skymill.config.simulate import IndependentSizes, ParametricPriors, SizeRelation, SplitConfig
from skymill.rng import rng
from skymill.simulate.sersic import half_light_radius

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTITIES = (
    "mag",
    "is_point",
    "composition",
    "bulge_to_total",
    "bulge_n",
    "bulge_size",
    "disc_size",
    "bulge_ellipticity",
    "disc_ellipticity",
    "theta",
    "dx",
    "dy",
    "is_knotty",
    "knots",
)
Columns = dict[str, "NDArray"]


def uniforms(
    seed: int, stage: str, name: str, index: NDArray[np.int64], quantities: Sequence[str]
) -> Columns:
    """Draw one uniform number in [0, 1) for each quantity of each object.

    Parameters
    ----------
    seed : int
        The run's seed.
    stage, name : str
        What is drawn.
    index : ndarray (n,)
        Numbers of the objects.
    quantities : sequence of str
        Names of the quantities, in the order in which they are drawn.

    Returns
    -------
    dict of str to ndarray (n,)
        By quantity.
    """
    drawn = [rng(seed, stage, name, int(one)).random(len(quantities)) for one in index]
    table = np.array(drawn, dtype=np.float64).reshape(len(index), len(quantities))
    return dict(zip(quantities, table.T, strict=True))


def magnitudes(u: NDArray, mag: tuple[float | NDArray, float | NDArray], slope: float) -> NDArray[np.float64]:
    """Turn uniform numbers into magnitudes with counts N(m) ~ 10**(slope * m) between two limits.

    The limits are those of all galaxies, or arrays of one for each.
    """
    low, high = mag
    rate = slope * np.log(10) * np.asarray(high - low)
    is_flat = np.abs(rate) < 1e-9
    rate = np.where(is_flat, 1.0, rate)
    share = np.where(is_flat, u, np.log1p(u * np.expm1(rate)) / rate)
    return low + share * (high - low)


def unknown_shape(count: int) -> Columns:
    """Return the columns of the schema ``galaxies`` that nothing is known of where galaxies come from images."""
    names = (
        "bulge_to_total",
        "bulge_n",
        "bulge_re",
        "disc_re",
        "q_bulge",
        "q_disc",
        "theta",
        "knots_fraction",
    )
    return dict.fromkeys(names, np.full(count, np.nan))


def _between(u: NDArray, limits: tuple[float, float]) -> NDArray[np.float64]:
    return limits[0] + u * (limits[1] - limits[0])


def parametric_truth(
    u: Mapping[str, NDArray], priors: ParametricPriors, pixel_scale_arcsec: float
) -> Columns:
    """Turn uniform numbers into bulge + disc galaxies and points.

    Parameters
    ----------
    u : mapping of str to ndarray (n,)
        Uniform numbers by :data:`QUANTITIES`.
    priors : ParametricPriors
        The joint priors.
    pixel_scale_arcsec : float
        Side of a pixel; sizes in pixels are turned into arcsec with it.

    Returns
    -------
    dict of str to ndarray (n,)
        kind, mag, re, bulge_to_total, bulge_n, bulge_re, disc_re, q_bulge, q_disc, theta, knots_fraction, dx, dy as in
        the schema ``galaxies``; what a galaxy does not have is NaN.
    """
    is_point = u["is_point"] < priors.point_source_fraction
    mag = magnitudes(u["mag"], priors.mag, priors.mag_slope)
    fraction = _bulge_to_total(u, priors)
    shape = {
        "bulge_n": _on_grid(u["bulge_n"], priors.bulge_n, priors.bulge_n_step),
        "q_bulge": 1 - _between(u["bulge_ellipticity"], priors.bulge_ellipticity),
        "q_disc": 1 - _between(u["disc_ellipticity"], priors.disc_ellipticity),
    }
    sizes = _sizes(u, priors, mag, fraction, shape, pixel_scale_arcsec)
    truth = {**shape, **sizes, "theta": 180 * u["theta"] - 90}
    no_bulge, no_disc = is_point | (fraction <= 0), is_point | (fraction >= 1)
    absent = dict.fromkeys(("bulge_n", "bulge_re", "q_bulge"), no_bulge)
    absent |= dict.fromkeys(("disc_re", "q_disc"), no_disc) | {"theta": is_point}
    truth |= {name: np.where(missing, np.nan, truth[name]) for name, missing in absent.items()}
    return {
        **truth,
        "kind": np.where(is_point, "point", "bulge_disc"),
        "mag": mag,
        "re": np.where(is_point, 0.0, truth["re"]),
        "bulge_to_total": np.where(is_point, np.nan, fraction),
        "knots_fraction": np.where(is_point, np.nan, _knots_fraction(u, priors, fraction)),
        "dx": u["dx"] - 0.5,
        "dy": u["dy"] - 0.5,
    }


def _bulge_to_total(u: Mapping[str, NDArray], priors: ParametricPriors) -> NDArray:
    """Return 0 for pure discs, 1 for pure bulges, an even distribution for the rest."""
    mixed = _between(u["bulge_to_total"], priors.bulge_to_total)
    without_disc = u["composition"] < priors.disc_only_fraction + priors.bulge_only_fraction
    return np.where(u["composition"] < priors.disc_only_fraction, 0.0, np.where(without_disc, 1.0, mixed))


def _knots_fraction(u: Mapping[str, NDArray], priors: ParametricPriors, fraction: NDArray) -> NDArray:
    """Return the knots' fraction of all light; that of the disc is drawn evenly where there are any."""
    if priors.knots is None:
        return np.zeros(len(fraction))
    of_disc = _between(u["knots"], priors.knots.disc_fraction)
    return np.where(u["is_knotty"] < priors.knots.probability, of_disc * (1 - fraction), 0.0)


def _on_grid(u: NDArray, limits: tuple[float, float], step: float) -> NDArray:
    """Choose evenly among limits[0], limits[0] + step, … up to limits[1]."""
    count = int(np.floor((limits[1] - limits[0]) / step + 1e-6)) + 1
    return np.round(limits[0] + step * np.floor(u * count), 6)


def _sizes(
    u: Mapping[str, NDArray],
    priors: ParametricPriors,
    mag: NDArray,
    fraction: NDArray,
    shape: Columns,
    pixel_scale_arcsec: float,
) -> Columns:
    """Return re (circularised, whole galaxy), bulge_re and disc_re (semi-major) in arcsec."""
    sizes = priors.sizes
    if isinstance(sizes, IndependentSizes):
        bulge = 10 ** _between(u["bulge_size"], sizes.log10_bulge_re_px) * pixel_scale_arcsec
        disc = 10 ** _between(u["disc_size"], sizes.log10_disc_re_px) * pixel_scale_arcsec
        return {"re": _circularised(fraction, bulge, disc, shape), "bulge_re": bulge, "disc_re": disc}
    wanted = relation_sizes(u["disc_size"], mag, sizes)
    ratio = np.exp(_between(u["bulge_size"], tuple(np.log(sizes.bulge_to_disc_size))))
    # All radii scale together, so one galaxy with a disc of radius 1 tells the scale that gives the wanted radius.
    scale = wanted / _circularised(fraction, ratio, np.ones_like(ratio), shape)
    return {"re": wanted, "bulge_re": ratio * scale, "disc_re": scale}


def _circularised(fraction: NDArray, bulge_re: NDArray, disc_re: NDArray, shape: Columns) -> NDArray:
    """Return the half-light radius of the whole from semi-major radii; each component counts with re sqrt(q).

    Exact where both have one axis ratio, and where there is only one of them.
    """
    bulge, disc = bulge_re * np.sqrt(shape["q_bulge"]), disc_re * np.sqrt(shape["q_disc"])
    bulge, disc = np.where(fraction <= 0, disc, bulge), np.where(fraction >= 1, bulge, disc)
    return half_light_radius(fraction, bulge, shape["bulge_n"], disc)


def relation_sizes(u: NDArray, mag: NDArray, sizes: SizeRelation) -> NDArray:
    """Draw radii from a log-normal distribution around the size–magnitude line, truncated to the allowed range."""
    middle = np.log10(sizes.median_re_arcsec) + sizes.slope_dex_per_mag * (mag - sizes.reference_mag)
    low, high = np.log10(sizes.re_arcsec)
    if sizes.scatter_dex == 0:
        return 10 ** np.clip(middle, low, high)
    below, above = ndtr((low - middle) / sizes.scatter_dex), ndtr((high - middle) / sizes.scatter_dex)
    log_re = middle + sizes.scatter_dex * ndtri(below + u * (above - below))
    # Where the line runs so far outside the range that the tail underflows, the range's nearest end is taken.
    return 10 ** np.clip(np.where(above > below, log_re, middle), low, high)


def sides(seed: int, name: str, keys: NDArray[np.int64], split: SplitConfig) -> NDArray[np.str_]:
    """Put galaxies on the sides of the split.

    Parameters
    ----------
    seed : int
        The run's seed.
    name : str
        The population.
    keys : ndarray (n,)
        What is split: the galaxy's number, or the number of the image it comes from.
    split : SplitConfig
        Fractions.

    Returns
    -------
    ndarray (n,) of str
        ``train``, ``validation`` or ``test``.
    """
    u = uniforms(seed, "split", name, keys, ["side"])["side"]
    is_train = u < split.train
    return np.where(is_train, "train", np.where(u < split.train + split.validation, "validation", "test"))
