"""The metrics give every published figure of Boucaud et al. 2020 (MNRAS 491, 2481) from the authors' own table.

The tolerance is half a unit of the last quoted digit everywhere: the figures are deterministic functions of the rows,
so nothing but the rounding of the quoted number may differ (one of them was rounded twice, see there).

Column ``detection`` says what SExtractor found in a blend. The data define it: in rows of code 0 only the first
galaxy (the central) has SExtractor's flux, in rows of code 1 only the second (the companion), in 2 and 3 both; the
fractions tell 2 (two sources found) from 3 (more than two). The published subsets then are: both found, code 2;
central found, 0 or 2; companion found, 1 or 2; all, 0 to 3.
"""

import numpy as np
import pytest

from skymill.metrics.binning import Bins
from skymill.metrics.photometry import flux_mape, mag_difference, mag_sigma, outlier_fraction

CENTRAL_ONLY, COMPANION_ONLY, BOTH, MORE = range(4)
#: AB zero-point of the networks' fluxes; SExtractor's own magnitudes are in the table (its zero-point is 25.67).
ZERO_POINT_MAG = 25.96
SEPARATION = Bins("separation", (0, 0.8, 1.2, 2, 3, 6))


@pytest.fixture(scope="module")
def blends(shared_data):
    path = shared_data / "boucaud19_blend_photometry" / "output_catalog.csv"
    return np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")


def fluxes(blends, method, rows, galaxies=(1, 2)):
    """Measured and true fluxes of some blends' galaxies, one below the other, in one unit."""
    true = np.concatenate([blends[f"g{galaxy}_flux"][rows] for galaxy in galaxies])
    if method == "SExtractor":
        mag = np.concatenate([blends[f"g{galaxy}_sex_mag"][rows] for galaxy in galaxies])
        return 10 ** (0.4 * (ZERO_POINT_MAG - mag)), true
    column = {"CNN": "b2f", "U-Net": "b2m2f"}[method]
    return np.concatenate([blends[f"g{galaxy}_flux_{column}"][rows] for galaxy in galaxies]), true


def found(blends, *codes):
    return np.isin(blends["detection"], codes)


SUBSETS = {
    "both": ((BOTH,), (1, 2)),
    "central": ((CENTRAL_ONLY, BOTH), (1,)),
    "companion": ((COMPANION_ONLY, BOTH), (2,)),
    "all": ((CENTRAL_ONLY, COMPANION_ONLY, BOTH, MORE), (1, 2)),
}


def subset_fluxes(blends, subset, method):
    codes, galaxies = SUBSETS[subset]
    return fluxes(blends, method, found(blends, *codes), galaxies)


def test_the_detection_codes_mean_what_is_said_above(blends):
    measured = np.column_stack([np.isfinite(blends[f"g{galaxy}_flux_sex"]) for galaxy in (1, 2)])
    for code, pattern in {CENTRAL_ONLY: [1, 0], COMPANION_ONLY: [0, 1], BOTH: [1, 1], MORE: [1, 1]}.items():
        assert np.array_equal(
            np.unique(measured[found(blends, code)], axis=0), [np.array(pattern, dtype=bool)]
        )


@pytest.mark.parametrize(
    ("code", "percent"), [(BOTH, 74.3), (COMPANION_ONLY, 16.6), (CENTRAL_ONLY, 6.2), (MORE, 2.9)]
)
def test_detection_fractions(blends, code, percent):
    assert 100 * found(blends, code).mean() == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize(("subset", "galaxies"), [("both", 7100), ("all", 9552)])
def test_numbers_of_galaxies(blends, subset, galaxies):
    assert len(subset_fluxes(blends, subset, "CNN")[0]) == galaxies


@pytest.mark.parametrize(
    ("subset", "method", "percent", "rounding"),
    [
        ("both", "CNN", 7.57, 0.005),
        ("both", "U-Net", 7.04, 0.005),
        ("both", "SExtractor", 25.8, 0.05),
        ("central", "CNN", 7.57, 0.005),
        ("central", "U-Net", 6.78, 0.005),
        ("central", "SExtractor", 29.8, 0.05),
        ("companion", "CNN", 7.87, 0.005),
        ("companion", "U-Net", 7.59, 0.005),
        ("companion", "SExtractor", 44.4, 0.05),
        ("all", "CNN", 8.12, 0.005),
        ("all", "U-Net", 7.63, 0.005),
    ],
)
def test_flux_errors(blends, subset, method, percent, rounding):
    assert flux_mape(*subset_fluxes(blends, subset, method)) == pytest.approx(percent, abs=rounding)


@pytest.mark.parametrize(
    ("subset", "method", "sigma_mag"),
    [
        ("both", "CNN", 0.120),
        ("both", "U-Net", 0.112),
        ("both", "SExtractor", 0.579),
        ("central", "CNN", 0.120),
        ("central", "U-Net", 0.111),
        ("central", "SExtractor", 0.542),
        ("companion", "CNN", 0.127),
        ("companion", "U-Net", 0.120),
        ("companion", "SExtractor", 0.710),
        ("all", "CNN", 0.129),
        ("all", "U-Net", 0.122),
    ],
)
def test_widths(blends, subset, method, sigma_mag):
    delta = mag_difference(*subset_fluxes(blends, subset, method))
    # The U-Net's .120 for companions is quoted from .1195, which stands for .11946 in the data: rounded twice.
    rounding = 0.00055 if (subset, method) == ("companion", "U-Net") else 0.0005
    assert mag_sigma(delta) == pytest.approx(sigma_mag, abs=rounding)


@pytest.mark.parametrize(
    ("subset", "method", "percent", "rounding"),
    [
        ("both", "CNN", 0.11, 0.005),
        ("both", "U-Net", 0.04, 0.005),
        ("both", "SExtractor", 11.1, 0.05),
        ("all", "CNN", 0.17, 0.005),
        ("all", "U-Net", 0.10, 0.005),
    ],
)
def test_outliers(blends, subset, method, percent, rounding):
    delta = mag_difference(*subset_fluxes(blends, subset, method))
    assert 100 * outlier_fraction(delta) == pytest.approx(percent, abs=rounding)


@pytest.mark.parametrize(
    ("label", "unet_percent", "sextractor_percent"),
    [
        ("separation:0-0.8", 10.7, 68),
        ("separation:0.8-1.2", 9.0, 40),
        ("separation:1.2-2", 7.7, 27),
        ("separation:2-3", 6.0, 17),
        ("separation:3-6", 5.1, 13),
    ],
)
def test_flux_errors_by_separation(blends, label, unet_percent, sextractor_percent):
    """The U-Net on all blends of a bin; SExtractor where it found both."""
    rows = SEPARATION.members(separations(blends))[label]
    unet = flux_mape(*fluxes(blends, "U-Net", rows))
    sextractor = flux_mape(*fluxes(blends, "SExtractor", rows & found(blends, BOTH)))
    assert unet == pytest.approx(unet_percent, abs=0.05)
    assert sextractor == pytest.approx(sextractor_percent, abs=0.5)


def test_sextractor_finds_both_of_the_closest_in_a_third_of_cases(blends):
    closest = SEPARATION.members(separations(blends))["separation:0-0.8"]
    assert 100 * found(blends, BOTH)[closest].mean() == pytest.approx(30, abs=0.5)


def separations(blends):
    """Separation in units of the larger half-light radius, both in pixels."""
    return blends["distance"] / np.maximum(blends["g1_rad"], blends["g2_rad"])
