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

from skymill.catalog.catalogue import Catalogue
from skymill.compare.compare import compare_run
from skymill.data.survey import mag_to_njy, njy_to_mag
from skymill.metrics.binning import Bins
from skymill.metrics.photometry import flux_mape, mag_difference, mag_sigma, outlier_fraction
from skymill.metrics.record import from_json
from skymill.provenance.recipe import Recipe

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


@pytest.fixture(scope="module")
def stage_figures(blends, tmp_path_factory):
    """What the stage compare makes of the same table, written as skymill's catalogues."""
    folder = tmp_path_factory.mktemp("published")
    truth_catalogue(blends).write(folder / "truth.parquet")
    inputs = []
    for detector, method in {"unet": "U-Net", "cnn": "CNN", "source_extractor": "SExtractor"}.items():
        measured_catalogue(blends, method).write(folder / f"{detector}.parquet")
        files = {"catalogue": str(folder / f"{detector}.parquet"), "truth": str(folder / "truth.parquet")}
        inputs.append({"dataset": "test_blends", "detector": detector, **files})
    recipe = Recipe("compare", "published", {"seed": 1, "compare": {"bootstrap_resamples": 200}}).to_dict()
    compare_run(recipe, inputs, folder / "out" / "metrics.json", folder / "out" / "matched.parquet")
    records = from_json((folder / "out" / "metrics.json").read_text())
    return {(record.metric, record.detector, record.subset): record for record in records}


def in_pairs(blends, column):
    """A column of both galaxies, pair after pair."""
    return np.column_stack([blends[f"g{galaxy}_{column}"] for galaxy in (1, 2)]).ravel()


def truth_catalogue(blends):
    n = 2 * len(blends)
    mag = in_pairs(blends, "mag")
    return Catalogue.from_columns(
        "blends",
        stamp_id=np.repeat(np.arange(len(blends)), 2),
        galaxy_id=np.arange(n),
        role=np.tile(["central", "companion"], len(blends)),
        n_galaxies=np.full(n, 2),
        x=64 + np.column_stack([np.zeros(len(blends)), blends["distance"]]).ravel(),
        y=np.full(n, 64.0),
        mag=mag,
        flux=mag_to_njy(mag),
        re=0.06 * in_pairs(blends, "rad"),
        kind=np.full(n, "real"),
        bulge_to_total=np.full(n, np.nan),
        separation=np.repeat(blends["distance"], 2),
        separation_re=np.repeat(separations(blends), 2),
        delta_mag=np.zeros(n),
        blend_class=np.full(n, "moderate"),
    )


def measured_catalogue(blends, method):
    """Put the networks' fluxes at given galaxies, SExtractor's at positions, and a third one where it found more."""
    stamp, x = np.repeat(np.arange(len(blends)), 2), np.full(2 * len(blends), 64.0)
    x[1::2] += blends["distance"]
    galaxy = np.arange(len(x))
    if method == "SExtractor":
        flux, third = mag_to_njy(in_pairs(blends, "sex_mag")), np.flatnonzero(found(blends, MORE))
        rows = np.isfinite(flux)
        stamp, x = np.append(stamp[rows], third), np.append(x[rows], np.full(len(third), 5.0))
        flux, galaxy = np.append(flux[rows], np.full(len(third), 1.0)), np.full(len(x), -1)
    else:
        column = {"CNN": "flux_b2f", "U-Net": "flux_b2m2f"}[method]
        flux = mag_to_njy(ZERO_POINT_MAG - 2.5 * np.log10(in_pairs(blends, column)))
    absent = {name: np.full(len(x), np.nan) for name in ("ra", "dec", "flux_err", "mag_err", "snr")}
    numbers = {
        "object_id": np.arange(len(x)),
        "stamp_id": stamp,
        "galaxy_id": galaxy,
        "flags": np.zeros(len(x)),
    }
    return Catalogue.from_columns(
        "measurement",
        **numbers,
        **absent,
        x=x,
        y=np.full(len(x), 64.0),
        flux=flux,
        mag=njy_to_mag(flux),
        is_primary=np.ones(len(x), dtype=bool),
    )


@pytest.mark.parametrize(
    ("metric", "detector", "subset", "value", "rounding"),
    [
        ("flux_mape", "unet", "both_found", 7.04, 0.005),
        ("flux_mape", "cnn", "both_found", 7.57, 0.005),
        ("flux_mape", "source_extractor", "both_found", 25.8, 0.05),
        ("flux_mape", "unet", "central_found", 6.78, 0.005),
        ("flux_mape", "source_extractor", "central_found", 29.8, 0.05),
        ("flux_mape", "cnn", "companion_found", 7.87, 0.005),
        ("flux_mape", "source_extractor", "companion_found", 44.4, 0.05),
        ("flux_mape", "unet", "all", 7.63, 0.005),
        ("mag_sigma", "source_extractor", "both_found", 0.579, 0.0005),
        ("outlier_fraction", "source_extractor", "both_found", 0.111, 0.0005),
        ("flux_mape", "unet", "separation:0-0.8", 10.7, 0.05),
        ("flux_mape", "source_extractor", "both_found/separation:0-0.8", 68, 0.5),
        ("flux_mape", "source_extractor", "both_found/separation:3-6", 13, 0.5),
        ("found_both", "source_extractor", "all", 0.743, 0.0005),
        ("found_companion_only", "source_extractor", "all", 0.166, 0.0005),
        ("found_central_only", "source_extractor", "all", 0.062, 0.0005),
        ("found_more", "source_extractor", "all", 0.029, 0.0005),
        ("found_both", "source_extractor", "separation:0-0.8", 0.30, 0.005),
    ],
)
def test_the_stage_compare_gives_them_too(stage_figures, metric, detector, subset, value, rounding):
    record = stage_figures[metric, detector, subset]
    assert record.value == pytest.approx(value, abs=rounding)
    assert record.low < record.value < record.high
