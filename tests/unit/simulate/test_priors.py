from __future__ import annotations

import numpy as np
import pytest

from skymill.config.simulate import ParametricPriors, SplitConfig
from skymill.simulate.priors import QUANTITIES, magnitudes, parametric_truth, sides, uniforms

INDEX = np.arange(4000)
SCALE = 0.06


@pytest.fixture(scope="module")
def u() -> dict:
    return uniforms(1, "simulate", "galaxies", INDEX, QUANTITIES)


def truth_of(u: dict, **keys) -> dict:
    return parametric_truth(u, ParametricPriors(kind="parametric", **keys), SCALE)


def test_a_galaxy_is_the_same_in_any_company():
    some = uniforms(1, "simulate", "galaxies", np.array([7, 3, 3000]), QUANTITIES)
    many = uniforms(1, "simulate", "galaxies", INDEX, QUANTITIES)

    for name in QUANTITIES:
        np.testing.assert_array_equal(some[name], many[name][[7, 3, 3000]])


@pytest.mark.parametrize(
    "other", [(2, "simulate", "galaxies"), (1, "field", "galaxies"), (1, "simulate", "b")]
)
def test_seed_stage_and_name_change_everything(u, other):
    assert not np.isin(uniforms(*other, INDEX[:50], QUANTITIES)["mag"], u["mag"]).any()


def test_no_galaxies_are_no_numbers():
    assert uniforms(1, "simulate", "a", np.empty(0, dtype=int), QUANTITIES)["mag"].shape == (0,)


@pytest.mark.parametrize("slope", [-0.3, 0.0, 0.3])
def test_counts_follow_the_slope(slope):
    # Counts in the last magnitude over those in the first: 10**(4 slope) for 5 magnitudes; 5 sigma of Poisson noise.
    mag = magnitudes((np.arange(100_000) + 0.5) / 100_000, (18, 23), slope)
    first, last = (mag < 19).sum(), (mag > 22).sum()

    assert mag.min() >= 18 and mag.max() <= 23
    assert last / first == pytest.approx(10 ** (4 * slope), rel=2e-3)


def test_candels_keeps_to_its_ranges(u):
    truth = truth_of(u)
    both = (truth["bulge_to_total"] > 0) & (truth["bulge_to_total"] < 1)

    assert set(truth["kind"]) == {"bulge_disc"}
    assert (truth["mag"] >= 18).all() and (truth["mag"] <= 23).all()
    assert (truth["re"] >= 0.06).all() and (truth["re"] <= 2.0).all()
    assert truth["bulge_to_total"][both].max() <= 0.8
    assert set(np.unique(truth["bulge_n"][both])) == {1, 1.5, 2, 2.5, 3, 3.5, 4}
    ratio = truth["bulge_re"][both] / truth["disc_re"][both]
    assert (ratio > 0.2 * (1 - 1e-9)).all() and (ratio < 1 + 1e-9).all()
    assert np.abs(truth["theta"]).max() <= 90
    for name in ("dx", "dy"):
        assert truth[name].min() >= -0.5 and truth[name].max() < 0.5


def test_what_a_galaxy_does_not_have_is_nan(u):
    truth = truth_of(u, point_source_fraction=0.3)
    fraction, is_point = truth["bulge_to_total"], truth["kind"] == "point"
    # 4000 draws: 5 sigma of a binomial with p = 0.3.
    assert is_point.mean() == pytest.approx(0.3, abs=0.037)

    np.testing.assert_array_equal(np.isnan(truth["disc_re"]), is_point | (fraction == 1))
    np.testing.assert_array_equal(np.isnan(truth["bulge_n"]), is_point | (fraction == 0))
    np.testing.assert_array_equal(np.isnan(truth["theta"]), is_point)
    assert (truth["re"][is_point] == 0).all() and np.isnan(fraction[is_point]).all()


def test_sizes_follow_the_magnitude(u):
    relation = {"kind": "relation", "median_re_arcsec": 0.4, "reference_mag": 21, "re_arcsec": (0.001, 100)}
    truth = truth_of(u, sizes={**relation, "slope_dex_per_mag": -0.1, "scatter_dex": 0.2}, mag_slope=0)
    off = np.log10(truth["re"]) - (np.log10(0.4) - 0.1 * (truth["mag"] - 21))

    # Standard errors of mean and scatter with 4000 galaxies are 0.003 and 0.002 dex.
    assert off.mean() == pytest.approx(0, abs=0.015)
    assert off.std() == pytest.approx(0.2, abs=0.012)
    assert np.polyfit(truth["mag"], np.log10(truth["re"]), 1)[0] == pytest.approx(-0.1, abs=0.012)


def test_without_scatter_all_lie_on_the_line(u):
    truth = truth_of(u, sizes={"kind": "relation", "scatter_dex": 0, "slope_dex_per_mag": 0})

    np.testing.assert_allclose(truth["re"], 0.4, rtol=1e-9)


def test_a_line_far_outside_the_range_gives_its_nearest_end(u):
    truth = truth_of(
        u, sizes={"kind": "relation", "median_re_arcsec": 900, "scatter_dex": 0.01, "re_arcsec": (0.1, 1)}
    )

    np.testing.assert_allclose(truth["re"], 1.0)


def test_deeplegato_draws_both_radii_in_pixels(u):
    truth = truth_of(u, preset="deeplegato")
    for name, high in (("bulge_re", 1.3), ("disc_re", 1.5)):
        log = np.log10(truth[name] / SCALE)
        assert log.min() >= 0.2 - 1e-9 and log.max() <= high + 1e-9
        # Flat: the mean of 4000 even draws has a standard error of 0.006 dex at most.
        assert log.mean() == pytest.approx((0.2 + high) / 2, abs=0.03)
    assert set(np.unique(truth["bulge_n"])) == {4.0}
    assert (1 - truth["q_disc"]).min() >= 0.05 and (1 - truth["q_disc"]).max() <= 0.95


def test_the_whole_radius_of_a_pure_disc_is_circularised(u):
    truth = truth_of(u, disc_only_fraction=1, bulge_only_fraction=0)

    np.testing.assert_allclose(truth["re"], truth["disc_re"] * np.sqrt(truth["q_disc"]), rtol=1e-6)


def test_sides_have_the_wanted_fractions_and_no_memory():
    split = SplitConfig(train=0.6, validation=0.1, test=0.3)
    whole = sides(1, "galaxies", INDEX, split)

    for name, fraction in (("train", 0.6), ("validation", 0.1), ("test", 0.3)):
        # 5 sigma of a binomial.
        sigma = np.sqrt(fraction * (1 - fraction) / len(INDEX))
        assert (whole == name).mean() == pytest.approx(fraction, abs=5 * sigma)
    np.testing.assert_array_equal(sides(1, "galaxies", INDEX[::-1], split), whole[::-1])
    assert (sides(1, "others", INDEX, split) != whole).any()


def test_one_key_is_one_side():
    keys = np.array([5, 9, 5, 5, 9])
    found = sides(3, "real", keys, SplitConfig())

    assert len(set(found[keys == 5])) == len(set(found[keys == 9])) == 1


@pytest.mark.parametrize("only", ["train", "validation", "test"])
def test_a_side_can_take_all(only: str):
    split = SplitConfig(**{side: float(side == only) for side in ("train", "validation", "test")})

    assert set(sides(1, "galaxies", INDEX[:100], split)) == {only}
