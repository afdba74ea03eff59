from __future__ import annotations

import numpy as np
import pytest

from skymill.bound.derivatives import derivatives
from skymill.bound.fisher import fisher_matrix, flux_bounds
from skymill.bound.grid import FourierGrid

RMS = 0.05


def bound_of(parts, variance=RMS**2):
    images = np.concatenate([part.images for part in parts])
    total = np.zeros((len(parts), len(images)))
    start = 0
    for row, part in zip(total, parts, strict=True):
        row[start : start + len(part.names)] = part.total_flux
        start += len(part.names)
    return flux_bounds(fisher_matrix(images, np.broadcast_to(variance, images.shape[1:])), total)


def test_a_point_source_in_white_noise_has_the_closed_form(differentiate):
    """sigma_F = sqrt(4 pi sigma_psf**2) rms; the centre, being free, costs nothing (King 1983, PASP 95, 163)."""
    sigma_psf = 0.7 / 2.3548200450309493 / 0.2
    (bound,), dropped = bound_of([differentiate({"kind": "point"})])

    assert bound == pytest.approx(np.sqrt(4 * np.pi) * sigma_psf * RMS, rel=1e-3)
    assert dropped == 0


def test_a_bright_point_source_is_limited_by_its_own_photons(differentiate):
    """sqrt(F / gain); the background adds a percent."""
    point = differentiate({"kind": "point"}, flux=1e6)
    (bound,), _ = bound_of([point], RMS**2 + np.maximum(point.light, 0) / 100.0)

    assert bound == pytest.approx(np.sqrt(1e6 / 100.0), rel=0.02)


def test_two_points_share_their_light_when_they_merge(differentiate):
    """Fluxes of two known templates of overlap c have the bound of one over sqrt(1 - c**2); positions add to it."""
    alone = bound_of([differentiate({"kind": "point"})])[0][0]
    bounds = {}
    for separation in (30.0, 4.0, 2.0, 1.0):
        parts = [differentiate({"kind": "point"}, x=20.3 + offset) for offset in (0.0, separation)]
        bounds[separation], dropped = bound_of(parts)
        assert dropped == 0
        assert bounds[separation][0] == pytest.approx(bounds[separation][1], rel=1e-3)
        overlap = np.exp(-(separation**2) / (4 * (0.7 / 2.3548 / 0.2) ** 2))
        assert bounds[separation][0] >= 0.999 * alone / np.sqrt(1 - overlap**2)
    assert bounds[30.0][0] == pytest.approx(alone, rel=1e-4)
    assert bounds[1.0][0] > 5 * bounds[2.0][0] > 5 * bounds[4.0][0] > 5 * alone


def test_the_bound_is_the_same_in_other_units_and_parameters(galaxy, differentiate):
    """Mixing the nuisance parameters of a galaxy by any invertible matrix leaves the bound of its flux."""
    part = differentiate(galaxy())
    information = fisher_matrix(part.images, np.full((64, 64), RMS**2))
    mix = np.random.default_rng(4).normal(size=(10, 10)) * np.logspace(-3, 3, 10)
    mixed, _ = flux_bounds(mix.T @ information @ mix, (part.total_flux @ mix)[None])

    assert mixed[0] == pytest.approx(flux_bounds(information, part.total_flux[None])[0][0], rel=1e-6)


def test_a_free_parameter_never_helps(galaxy, differentiate):
    part = differentiate(galaxy())
    information = fisher_matrix(part.images, np.full((64, 64), RMS**2))
    whole = flux_bounds(information, part.total_flux[None])[0][0]
    for left_out in range(10):
        rest = np.delete(np.arange(10), left_out)
        if part.total_flux[left_out]:
            continue
        fewer = flux_bounds(information[np.ix_(rest, rest)], part.total_flux[None, rest])[0][0]
        assert fewer <= whole * (1 + 1e-9)


def test_a_round_galaxy_loses_its_angle_and_nothing_else(galaxy, differentiate):
    """The bound is continuous where the angle loses its meaning; the column says that it was dropped."""
    (almost,), none = bound_of([differentiate(galaxy(q_bulge=0.999, q_disc=0.999))])
    (exactly,), one = bound_of([differentiate(galaxy(q_bulge=1.0, q_disc=1.0))])

    assert (none, one) == (0, 1)
    assert exactly == pytest.approx(almost, rel=0.01)


def test_two_components_of_one_shape_are_one(galaxy, differentiate):
    """An exponential bulge on a disc of its size: light moves freely between them, their sum stays known."""
    same = galaxy(bulge_n=1.0, bulge_re=0.9, q_bulge=0.5)
    (bound,), dropped = bound_of([differentiate(same)])
    (one_component,), _ = bound_of([differentiate(galaxy(bulge_to_total=0.0))])
    free_index = bound_of([differentiate(galaxy(bulge_to_total=1.0, bulge_n=1.0, bulge_re=0.9, q_bulge=0.5))])

    # Flux, size and axis ratio of the two have the same images.
    assert dropped == 3
    assert bound > one_component
    assert bound == pytest.approx(free_index[0][0], rel=1e-3)


def test_wings_of_repeated_images_hardly_reach_the_canvas(survey, galaxy, monkeypatch):
    """A bulge with wide wings, the worst case: twice as much padding changes its bound by less than 2 %."""
    wide = galaxy(bulge_to_total=1.0, bulge_n=4.0, bulge_re=1.2)
    bounds = []
    for padding in (3, 6):
        monkeypatch.setattr("skymill.bound.grid.PADDING", padding)
        part = derivatives(wide, 400.0, 31.3, 32.2, FourierGrid(64, survey), 0.2)
        bounds.append(bound_of([part])[0][0])

    assert bounds[0] == pytest.approx(bounds[1], rel=0.02)


def test_fits_of_noisy_images_scatter_by_the_bound(survey):
    """Least squares on 300 images of a disc beside a point: their scatter is known to 4 % (one standard error)."""
    grid, disc = FourierGrid(24, survey), {"kind": "bulge_disc", "bulge_to_total": 0.0}
    #                flux  x     y     ln re        ln q         theta, then the point's flux, x, y
    true = np.array([40.0, 10.2, 12.1, np.log(0.5), np.log(0.6), 0.4, 20.0, 15.0, 11.5])
    order = ("disc_flux", "x", "y", "disc_ln_re", "disc_ln_q", "theta")

    def parts(values):
        flux, x, y, ln_re, ln_q, theta, point_flux, point_x, point_y = values
        shape = {"disc_re": np.exp(ln_re), "q_disc": np.exp(ln_q), "theta": np.rad2deg(theta)}
        return (
            derivatives({**disc, **shape}, flux, x, y, grid, 0.2),
            derivatives({"kind": "point"}, point_flux, point_x, point_y, grid, 0.2),
        )

    def model(values):
        """Light (n,) and its derivatives (n, 9) in units of the noise."""
        first, second = parts(values)
        images = [first.images[first.names.index(name)] for name in order]
        images += [second.images[second.names.index(name)] for name in ("flux", "x", "y")]
        return (first.light + second.light).ravel() / RMS, np.stack(images).reshape(9, -1).T / RMS

    def fit(data):
        """Gauss-Newton from the truth; the last step must have become small."""
        values = true
        for _ in range(5):
            light, jacobian = model(values)
            step = np.linalg.solve(jacobian.T @ jacobian, jacobian.T @ (data - light))
            values = values + step
        assert abs(step[0]) < 0.05 * expected[0]
        return values[[0, 6]]

    expected, _ = bound_of(parts(true))
    generator, perfect = np.random.default_rng(8), model(true)[0]
    found = np.array([fit(perfect + generator.normal(size=perfect.size)) for _ in range(300)])

    np.testing.assert_allclose(found.std(axis=0, ddof=1), expected, rtol=0.12)
    np.testing.assert_allclose(found.mean(axis=0), true[[0, 6]], atol=5 * expected.max() / np.sqrt(300))
