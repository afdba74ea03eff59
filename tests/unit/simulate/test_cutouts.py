"""Observed galaxies on toy images, of which all is known, and on real ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymill.config.cutouts import load_cutouts
from skymill.config.simulate import CutoutPriors
from skymill.data.survey import Survey, load_survey
from skymill.errors import ConfigError, DataError
from skymill.simulate.cutouts import Cutouts, read_cutout

HEIGHT, WIDTH, X, Y = 81, 91, 47.0, 38.0
SIGMA, PSF_FWHM_PX = 1e-3, 3.0
ROWS, COLUMNS = np.indices((HEIGHT, WIDTH))
RADIUS = np.hypot(COLUMNS - X, (ROWS - Y) / 0.6)
GALAXY = np.exp(-RADIUS / 5)
OWN = RADIUS < 30
NEIGHBOUR = np.hypot(COLUMNS - 60, ROWS - 45) < 4
KIDS = "kids_sdss_isolated_galaxies"
PROFIT = ("G265911", "G265940", "G266033", "G266035")


def gaussian(fwhm_px: float, size: int = 25) -> np.ndarray:
    rows, columns = np.indices((size, size)) - size // 2
    return np.exp(-4 * np.log(2) * (rows**2 + columns**2) / fwhm_px**2)


class Observed:
    """Writes a table with one galaxy; keyword arguments replace images (None: no such file) or cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, **changes: Any) -> str:
        segments = np.where(NEIGHBOUR, 7, np.where(OWN, 2, 0))
        noise = np.random.default_rng(1).normal(0, SIGMA, GALAXY.shape)
        images = {
            "image": GALAXY + 3.0 * NEIGHBOUR + noise,
            "segmentation": segments,
            "psf": gaussian(PSF_FWHM_PX),
            "sigma": np.full(GALAXY.shape, SIGMA),
        }
        cells: dict[str, Any] = {"id": "g1", "pixel_scale_arcsec": 0.2, "zero_point_mag": 20.0}
        for name, value in changes.items():
            (cells if name in cells or isinstance(value, int | str | float) else images)[name] = value
        for name, image in images.items():
            if image is not None:
                fits.writeto(self.folder / f"{name}.fits", np.asarray(image, np.float32), overwrite=True)
                cells[name] = f"{name}.fits"
        table = self.folder / "galaxies.tsv"
        table.write_text("\t".join(cells) + "\n" + "\t".join(map(str, cells.values())) + "\n")
        return str(table)


@pytest.fixture
def observed(tmp_path: Path) -> Observed:
    return Observed(tmp_path)


@pytest.fixture
def sharp(make_survey) -> Survey:
    """A survey with pixels of 0.05 arcsec and a PSF of 0.2 arcsec."""
    return make_survey(pixel_scale_arcsec=0.05, psf={"kind": "gaussian", "fwhm_arcsec": 0.2})


@pytest.fixture
def population(sharp: Survey) -> Callable[..., Cutouts]:
    def make(table: str, survey: Survey = sharp, **keys: Any) -> Cutouts:
        given = {"mag": (21.0, 24.0), "shrink": (0.08, 0.12), **keys}
        return Cutouts(CutoutPriors(kind="cutouts", catalogue=table, **given), survey, 1, "simulate", "far")

    return make


def galaxy(population: Cutouts, number: int) -> dict:
    truth = population.truth(np.array([number]))
    return {"galaxy_id": number, **{name: values[0] for name, values in truth.items()}}


def read(table: str):
    (row,) = load_cutouts(table)
    return read_cutout(row, table)


def test_the_neighbour_is_gone_and_the_flux_is_the_galaxy_s(observed):
    cutout = read(observed())

    # What the segment holds of the profile, and the noise of its pixels.
    assert 10 ** (0.4 * (20 - cutout.mag)) == pytest.approx(GALAXY[OWN].sum(), rel=3e-3)
    assert cutout.light.sum() == pytest.approx(1)
    expected = GALAXY / GALAXY[OWN].sum()
    assert np.abs(cutout.light - expected)[NEIGHBOUR & OWN].max() < 6 * SIGMA / GALAXY[OWN].sum()
    assert (cutout.light[~OWN] == 0).all()


def test_centre_radius_and_noise(observed):
    cutout = read(observed())
    order = np.argsort(np.hypot(COLUMNS - X, ROWS - Y)[OWN])
    growth = np.cumsum(GALAXY[OWN][order])

    assert (cutout.dx, cutout.dy) == pytest.approx((X - 45, Y - 40), abs=0.05)
    expected = np.sort(np.hypot(COLUMNS - X, ROWS - Y)[OWN])[np.searchsorted(growth, growth[-1] / 2)]
    assert cutout.re_px == pytest.approx(expected, abs=0.3)
    assert cutout.sigma * GALAXY[OWN].sum() == pytest.approx(SIGMA, rel=0.01)
    # Without a map the scatter of the sky stands in.
    assert read(observed(sigma=None)).sigma == pytest.approx(cutout.sigma, rel=0.1)


def test_masked_pixels_are_filled_from_the_other_side(observed):
    mask = (np.hypot(COLUMNS - 40, ROWS - 38) < 3).astype(int)
    spoilt = np.where(mask, 50.0, GALAXY)

    cutout = read(observed(image=spoilt, segmentation=np.where(OWN, 2, 0), mask=mask))

    np.testing.assert_allclose(cutout.light, np.where(OWN, GALAXY, 0) / GALAXY[OWN].sum(), atol=1e-8)


def test_drawn_light_is_the_true_flux_at_the_true_place(population, observed, sharp):
    drawn = population(observed())
    rows, columns = np.indices((96, 96))
    for number in range(6):
        one = galaxy(drawn, number)
        image = drawn.draw(one, 96).astype(np.float64)
        flux = 10 ** (0.4 * (sharp.zero_point_mag - one["mag"]))

        assert image.sum() == pytest.approx(flux, rel=2e-3)
        # The profile is symmetric but for the noise of the image.
        assert (image * columns).sum() / image.sum() == pytest.approx(48 + one["dx"], abs=0.1)
        assert (image * rows).sum() / image.sum() == pytest.approx(48 + one["dy"], abs=0.1)


def test_half_of_the_drawn_light_is_within_the_true_radius(population, observed, sharp):
    """Radii of galaxy and PSF add in quadrature to 6 %: neither is a Gaussian, and pixels count by their centres."""
    drawn = population(observed())
    one = galaxy(drawn, 0)
    image = drawn.draw({**one, "dx": 0.0, "dy": 0.0}, 96)
    rows, columns = np.indices(image.shape)
    radius = np.hypot(one["re"], sharp.psf.fwhm_arcsec / 2) / sharp.pixel_scale_arcsec

    assert image[np.hypot(rows - 48, columns - 48) < radius].sum() / image.sum() == pytest.approx(
        0.5, abs=0.06
    )


def test_magnitudes_sizes_and_angles_are_drawn_for_each_galaxy(population, observed):
    drawn = population(observed())
    truth = drawn.truth(np.arange(200))
    size = read(observed()).re_px * 0.2

    assert 21 <= truth["mag"].min() < 21.5 and 23.5 < truth["mag"].max() <= 24
    assert 0.08 <= truth["re"].min() / size < 0.082 and 0.118 < truth["re"].max() / size <= 0.12
    assert (truth["kind"] == "real").all() and np.isnan(truth["bulge_n"]).all()
    first, second = ({**galaxy(drawn, n), "mag": 22.0, "dx": 0.0, "dy": 0.0} for n in (0, 1))
    assert np.abs(drawn.draw(first, 48) - drawn.draw(second, 48)).max() > 0
    np.testing.assert_array_equal(drawn.draw(first, 48), population(observed()).draw(first, 48))


def test_no_galaxy_becomes_brighter_than_observed(population, observed):
    mag = read(observed()).mag
    assert population(observed(), mag=(mag - 4, mag + 4)).truth(np.arange(50))["mag"].min() > mag


def test_at_the_brightest_magnitude_the_image_s_noise_is_the_largest_allowed(population, observed, sharp):
    """The same light with 200 times the noise; 25 %: about 50 PSFs lie side by side in the ring."""
    whole, noise = np.full(GALAXY.shape, 2), 200 * SIGMA * np.random.default_rng(2).normal(size=GALAXY.shape)
    noise -= noise.mean()
    keys = {"mag": (15.0, 30.0), "mag_slope": -1.0, "shrink": (0.1, 0.1000001)}
    noisy = observed(image=GALAXY + noise, segmentation=whole, sigma=np.full(GALAXY.shape, 200 * SIGMA))
    limited = population(noisy, **keys)
    one = galaxy(limited, int(np.argmin(limited.truth(np.arange(300))["mag"])))
    assert one["mag"] > read(noisy).mag + 1
    image = limited.draw({**one, "dx": 0.0, "dy": 0.0}, 64)
    smooth = population(observed(image=GALAXY, segmentation=whole), **keys).draw(
        {**one, "dx": 0.0, "dy": 0.0}, 64
    )
    rows, columns = np.indices(image.shape)
    distance = np.hypot(rows - 32, columns - 32)

    found = (image - smooth)[(distance > 6) & (distance < 14)].std()
    assert found == pytest.approx(0.3 * sharp.background_rms, rel=0.25)


def test_a_psf_that_stays_wide_is_refused_and_its_width_logged(population, observed, caplog):
    with caplog.at_level(logging.INFO):
        population(observed())
    # 0.6 arcsec times 0.12 beside 0.2 arcsec, both Gaussian.
    wider = 100 * (np.hypot(0.6 * 0.12, 0.2) / 0.2 - 1)
    assert f"g1: stars would be {wider:.1f} % wider" in caplog.text
    with pytest.raises(
        ConfigError, match=r"far, shrink: expected factors of at most 0\.16\d+.* g1 \(0\.6.*found 0\.2"
    ):
        population(observed(), shrink=(0.1, 0.2))
    assert population(observed(), shrink=(0.1, 0.2), max_psf_fraction=0.7)


def test_magnitudes_that_no_galaxy_may_have_are_refused(population, observed):
    with pytest.raises(
        ConfigError, match=r"far, mag: expected magnitudes that some galaxy .* or fainter, found"
    ):
        population(observed(), mag=(10.0, 11.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segmentation": 0 * GALAXY}, r"expected a segment at the middle pixel, found none; there are none at all"),
        ({"segment": 5}, r"segmentation\.fits: expected a segment 5, found none; there are 2, 7"),
        ({"segmentation": np.ones((5, 5))}, r"segmentation\.fits: expected the shape \(81, 91\).*found \(5, 5\)"),
        ({"sigma": np.ones((5, 5))}, r"sigma\.fits: expected the shape"),
        ({"sigma": np.zeros(GALAXY.shape)}, r"expected a positive noise within the galaxy, found 0"),
        ({"image": -GALAXY}, r"image\.fits: expected a galaxy in segment centre, found a flux of -"),
        ({"psf": np.zeros((9, 9))}, r"psf\.fits: expected the image of a PSF"),
        ({"sigma": None, "segmentation": np.ones(GALAXY.shape)}, r"expected 100 pixels of sky .*found 0"),
    ],
)  # fmt: skip
def test_images_that_cannot_be_used_are_named(observed, changes: dict, message: str):
    with pytest.raises(DataError, match=message):
        read(observed(**changes))


def test_a_segment_is_found_by_number(observed):
    cutout = read(observed(segment=7))

    assert (cutout.dx, cutout.dy) == pytest.approx((60 - 45, 45 - 40), abs=0.3)


def test_a_missing_file_is_named(observed, tmp_path):
    table = observed()
    (tmp_path / "psf.fits").unlink()
    with pytest.raises(DataError, match=r"psf\.fits"):
        read(table)


def write_profit_table(folder: Path, data: Path, survey: str, scale: float) -> str:
    """Make the table of the four galaxies of the ProFit examples."""
    columns = ("id", "image", "segmentation", "psf", "mask", "sigma", "pixel_scale_arcsec", "zero_point_mag")
    lines = ["\t".join(columns)]
    for name in PROFIT:
        files = [
            data / KIDS / f"{survey}_{name}{what}.fits"
            for what in ("fitim", "segim", "psfim", "mskim", "sigma")
        ]
        lines.append("\t".join([name, *map(str, files), str(scale), "0"]))
    (folder / f"{survey}.tsv").write_text("\n".join(lines) + "\n")
    return str(folder / f"{survey}.tsv")


@pytest.mark.parametrize(
    ("observed_by", "scale", "survey_name", "shrink", "mag"),
    [
        ("KiDS", 0.2, "hst_f160w", (0.05, 0.117), (19, 24)),
        ("SDSS", 0.339, "hst_f160w", (0.04, 0.072), (19, 24)),
        ("KiDS", 0.2, "sdss_r", (0.3, 0.85), (16, 21)),
        ("SDSS", 0.339, "sdss_r", (0.25, 0.55), (16, 21)),
    ],
)
def test_real_galaxies_are_clean_and_centred(
    shared_data: Path, repository: Path, tmp_path: Path, population,
    observed_by: str, scale: float, survey_name: str, shrink: tuple, mag: tuple,
):  # fmt: skip
    survey = load_survey(survey_name, repository / "config/surveys")
    table = write_profit_table(tmp_path, shared_data, observed_by, scale)
    drawn = population(table, survey, shrink=shrink, mag=mag)
    rows, columns = np.indices((128, 128))

    assert len(np.unique(drawn.split_keys(np.arange(100)))) == 4
    for number in range(8):
        one = galaxy(drawn, number)
        image = drawn.draw(one, 128).astype(np.float64)
        flux = 10 ** (0.4 * (survey.zero_point_mag - one["mag"]))
        radius_px = np.hypot(one["re"], survey.psf.fwhm_arcsec / 2) / survey.pixel_scale_arcsec
        distance = np.hypot(columns - 64 - one["dx"], rows - 64 - one["dy"])
        window = image * np.exp(-(distance**2) / (2 * radius_px**2))
        offset = [
            (window * (grid - 64 - one[key])).sum() / window.sum()
            for grid, key in ((columns, "dx"), (rows, "dy"))
        ]

        # Hubble's Airy wings carry 1 % beyond the stamp; ringing or a hole would be darker than the sky.
        assert image.sum() == pytest.approx(flux, rel=0.012)
        assert np.hypot(*offset) < 0.05
        assert image.min() > -0.3 * survey.background_rms
