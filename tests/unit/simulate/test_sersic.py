from __future__ import annotations

import galsim
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymill.simulate.sersic import enclosed_fraction, half_light_radius


@given(n=st.floats(0.3, 6.2), re=st.floats(0.01, 100))
def test_half_of_the_light_is_within_re(n: float, re: float):
    assert enclosed_fraction(np.array(re), np.array(re), n) == pytest.approx(0.5, rel=1e-9)


def test_an_exponential_disc_is_sersic_1():
    # 1 - (1 + r/h) exp(-r/h) with h = re / 1.678347 (GalSim's Exponential).
    scale = galsim.Exponential(half_light_radius=1.0).scale_radius
    r = np.array([0.1, 0.5, 1.0, 3.0])

    np.testing.assert_allclose(
        enclosed_fraction(r, np.ones(4), 1.0), 1 - (1 + r / scale) * np.exp(-r / scale), atol=1e-6
    )


def test_equal_components_have_their_own_radius():
    one = np.ones(3)
    np.testing.assert_allclose(half_light_radius(np.array([0, 0.3, 1]), one, one, one), 1, rtol=1e-9)


@given(
    fraction=st.floats(0, 1),
    bulge=st.floats(0.01, 10),
    disc=st.floats(0.01, 10),
    n=st.floats(0.5, 6),
    scale=st.floats(0.1, 10),
)
def test_the_radius_lies_between_the_two_and_scales(fraction, bulge, disc, n, scale):
    def radius(factor):
        return float(half_light_radius(*map(np.array, (fraction, bulge * factor, n, disc * factor))))

    assert min(bulge, disc) * (1 - 1e-6) <= radius(1.0) <= max(bulge, disc) * (1 + 1e-6)
    assert radius(scale) == pytest.approx(scale * radius(1.0), rel=1e-6)


def test_against_a_drawn_galaxy():
    # Half of a drawn round bulge + disc lies within the radius; pixels of 0.02 re make that good to 1 %.
    galaxy = 0.4 * galsim.Sersic(2.5, half_light_radius=0.5) + 0.6 * galsim.Exponential(half_light_radius=1.5)
    radius = float(half_light_radius(np.array(0.4), np.array(0.5), np.array(2.5), np.array(1.5)))
    image = galaxy.drawImage(nx=801, ny=801, scale=0.02, method="no_pixel").array
    rows, columns = np.indices(image.shape)
    inside = np.hypot(rows - 400, columns - 400) * 0.02 < radius

    assert image[inside].sum() == pytest.approx(0.5, abs=0.005)
