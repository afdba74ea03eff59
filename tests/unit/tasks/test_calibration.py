"""Calibration: what it promises on the galaxies that it was measured on, and on others of the same kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymill.metrics.distribution import LEVELS
from skymill.tasks.calibration import (
    FEWEST_IN_GROUP,
    MOST_GROUPS,
    NAMES,
    Calibration,
    calibrate,
    laplace,
)


def draw(n: int, seed: int, width: float = 3.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Location, scale and truth of ln F: errors are uneven, `width` times too small, and worse for small scales."""
    random = np.random.default_rng(seed)
    location, log_scale = random.normal(8, 2, n), random.uniform(-5, -1, n)
    error = width * np.exp(log_scale) * (random.gamma(2.0, 1.0, n) - 1.0) * np.where(log_scale < -3, 3, 1)
    return tuple(torch.from_numpy(part).float() for part in (location, np.exp(log_scale), location + error))


def below(calibration: Calibration, *sample: torch.Tensor) -> np.ndarray:
    """Fraction of the truths that are not above each quantile."""
    location, scale, true = sample
    return (true[:, None] <= calibration.log_flux(location, scale)).double().mean(dim=0).numpy()


@pytest.mark.parametrize("n", [40, 199, 1000, 5000])
def test_intervals_hold_what_they_promise_on_their_own_sample(n: int):
    location, scale, true = draw(n, seed=1)
    calibration = calibrate(location, scale, true)
    groups = len(calibration.quantiles)

    # A quantile between two galaxies leaves at most one of them in each group on the wrong side; float32 another one.
    np.testing.assert_allclose(below(calibration, location, scale, true), LEVELS, atol=2 * groups / n)
    assert calibration.galaxies == n


def test_each_group_holds_what_it_promises():
    location, scale, true = draw(5000, seed=2)
    calibration = calibrate(location, scale, true)
    group = np.searchsorted(calibration.log_scale_edges, torch.log(scale).numpy())

    assert len(calibration.quantiles) == MOST_GROUPS
    assert np.bincount(group).tolist() == pytest.approx([1000] * 5, abs=1)
    for number in range(MOST_GROUPS):
        rows = torch.from_numpy(group == number)
        found = below(calibration, location[rows], scale[rows], true[rows])
        np.testing.assert_allclose(found, LEVELS, atol=2e-3)


def test_other_galaxies_of_the_same_kind_are_covered_too():
    calibration = calibrate(*draw(4000, seed=3))
    found = below(calibration, *draw(20_000, seed=4))

    # Two standard errors of the smaller sample's quantiles at the middle: 1.6 %.
    np.testing.assert_allclose(found, LEVELS, atol=0.02)


@pytest.mark.parametrize(("n", "groups"), [(1, 1), (399, 1), (400, 2), (999, 4), (1000, 5), (20_000, 5)])
def test_groups_have_200_galaxies_or_there_is_one(n: int, groups: int):
    calibration = calibrate(*draw(n, seed=5))

    assert len(calibration.quantiles) == groups
    assert groups == 1 or n // groups >= FEWEST_IN_GROUP


def test_equal_scales_are_one_group():
    location, _, true = draw(2000, seed=6)
    calibration = calibrate(location, torch.full_like(location, 0.1), true)

    assert calibration.log_scale_edges == () and len(calibration.quantiles) == 1


def test_a_scale_that_most_galaxies_share_leaves_no_group_empty():
    location, scale, true = draw(2000, seed=7)
    scale = torch.where(torch.arange(2000) < 1700, scale.min(), scale)
    calibration = calibrate(location, scale, true)
    found = below(calibration, location, scale, true)

    assert all(math.isfinite(value) for group in calibration.quantiles for value in group)
    assert 1 < len(calibration.quantiles) < MOST_GROUPS
    np.testing.assert_allclose(found, LEVELS, atol=0.005)


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(1e-3, 10), st.floats(-3, 3)), min_size=1, max_size=50),
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=5),
)
def test_quantiles_never_decrease(galaxies, scales):
    location, scale, true = torch.tensor(galaxies).T
    given_scale = torch.tensor(scales)
    quantiles = calibrate(location, scale, true).log_flux(torch.zeros_like(given_scale), given_scale)

    assert quantiles.shape == (len(scales), len(LEVELS))
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_it_survives_yaml_to_the_last_bit():
    calibration = calibrate(*draw(1500, seed=8))
    text = yaml.safe_dump(calibration.model_dump(mode="json"))

    assert Calibration.model_validate(yaml.safe_load(text)) == calibration


def test_uncalibrated_errors_are_those_of_a_laplace_distribution():
    quantiles = torch.tensor(laplace().quantiles[0], dtype=torch.float64)
    levels = torch.distributions.Laplace(0.0, 1.0).cdf(quantiles)

    np.testing.assert_allclose(levels, LEVELS, rtol=1e-6)
    assert laplace().galaxies == 0 and len(NAMES) == len(LEVELS)


@pytest.mark.parametrize(
    ("edges", "quantiles", "message"),
    [
        ((0.0,), ((1, 2, 3, 4, 5),), "expected 2 groups, found 1"),
        ((), ((1, 2, 3, 4),), "expected 5 increasing numbers"),
        ((), ((1, 2, 5, 4, 6),), "expected 5 increasing numbers"),
    ],
)
def test_tables_that_do_not_fit_are_refused(edges, quantiles, message):
    with pytest.raises(ValidationError, match=message):
        Calibration(log_scale_edges=edges, quantiles=quantiles, galaxies=1)
