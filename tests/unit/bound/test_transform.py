from __future__ import annotations

import galsim
import numpy as np
import pytest

from skymill.bound import transform
from skymill.bound.transform import sersic_transform

ARGUMENTS = np.geomspace(1e-3, 1e3, 200)
EXPONENTIAL_RADIUS = 1.6783469900166605
"""Half-light radius of an exponential in scale lengths: solves (1 + x) exp(-x) = 1/2."""


def test_an_exponential_has_its_closed_form_and_slope():
    """The transform of exp(-r / h) is (1 + (k h)**2)**-1.5."""
    squared = (ARGUMENTS / EXPONENTIAL_RADIUS) ** 2
    found = sersic_transform(1.0, ARGUMENTS)

    np.testing.assert_allclose(found.value, (1 + squared) ** -1.5, atol=1e-7)
    np.testing.assert_allclose(found.by_ln_size, -3 * squared * (1 + squared) ** -2.5, atol=1e-6)


def test_a_gaussian_is_a_sersic_profile_of_index_one_half():
    """Half of a Gaussian's light lies within sigma sqrt(2 ln 2)."""
    sigma = 1 / np.sqrt(2 * np.log(2))

    np.testing.assert_allclose(
        sersic_transform(0.5, ARGUMENTS).value, np.exp(-0.5 * (ARGUMENTS * sigma) ** 2), atol=1e-7
    )


@pytest.mark.parametrize("n", [1.5, 2.5, 4.0, 6.0])
def test_other_indices_are_galsim_s_within_its_tables(n: float):
    profile = galsim.Sersic(n, half_light_radius=1.0)
    values = [profile.kValue(float(k), 0.0).real for k in ARGUMENTS]

    # GalSim's own error for n = 1 is 1.7e-4.
    np.testing.assert_allclose(sersic_transform(n, ARGUMENTS).value, values, atol=4e-4)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5, 4.0, 6.0])
def test_the_derivative_by_index_has_converged(monkeypatch, n: float):
    """Half the step changes it by less than 1e-5 of its largest value, a quarter of what twice the step does."""
    found = sersic_transform(n, ARGUMENTS).by_ln_n
    changes = []
    for factor in (2.0, 0.5):
        monkeypatch.setattr(transform, "STEP_LN_N", 1e-3 * factor)
        transform._table.cache_clear()
        changes.append(np.abs(sersic_transform(n, ARGUMENTS).by_ln_n - found).max())
    transform._table.cache_clear()

    assert changes[1] < 1e-5 * np.abs(found).max()
    # The error goes with the square of the step: (4 - 1) / (1 - 1/4).
    assert changes[0] / changes[1] == pytest.approx(4, rel=0.2)


def test_far_out_and_at_zero_it_is_finite():
    found = sersic_transform(4.0, np.array([0.0, 1e-9, 1e9]))

    assert found.value[:2] == pytest.approx(1.0, abs=1e-5)
    assert found.value[2] == pytest.approx(0.0, abs=1e-4)
    assert np.isfinite(np.stack(found)).all()
