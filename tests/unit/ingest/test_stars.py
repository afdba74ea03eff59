from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skymill.config.ingest import IngestConfig
from skymill.data.survey import load_survey
from skymill.ingest import stars as module
from skymill.ingest.stars import measure_psf, stellar_locus
from skymill.simulate.psf import effective_psf

SURVEYS = Path(__file__).resolve().parents[3] / "config" / "surveys"
SIDE, RMS = 320, 2.0
CONFIG = IngestConfig()


def field(fwhms: list[float], flux: float = 3e4, seed: int = 5, side: int = SIDE) -> np.ndarray:
    """Round Gaussians on a grid, with the widths taken in turn, on noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(np.float64)
    image = random.normal(0.0, RMS, (side, side))
    places = [(x0, y0) for y0 in range(30, side - 20, 50) for x0 in range(30, side - 20, 50)]
    for number, (x0, y0) in enumerate(places):
        sigma = fwhms[number % len(fwhms)] / 2.3548
        dx, dy = random.uniform(-0.5, 0.5, 2)
        light = np.exp(-((x - x0 - dx) ** 2 + (y - y0 - dy) ** 2) / (2 * sigma**2))
        image += random.uniform(0.5, 2.0) * flux * light / (2 * np.pi * sigma**2)
    return image.astype(np.float32)


def measure(image: np.ndarray, config: IngestConfig = CONFIG, bad: np.ndarray | None = None):
    return measure_psf(
        image, np.full_like(image, RMS), np.zeros(image.shape, dtype=bool) if bad is None else bad, config
    )


@pytest.mark.parametrize("fwhm", [2.2, 3.5, 6.0])
def test_the_width_of_stars_is_found(fwhm):
    found = measure(field([fwhm]))

    assert found.stars >= 30
    # S/N > 100 gives each width to about 1 %; sampling at pixel centres broadens nothing.
    assert found.fwhm_px == pytest.approx(fwhm, rel=0.02)
    assert found.scatter_px < 0.05 * fwhm


def test_wings_change_the_width_by_little(monkeypatch):
    """Stars of SDSS, whose wings no Moffat profile has."""
    survey = load_survey("sdss_r", SURVEYS)
    star = (
        effective_psf(survey.psf)
        .drawImage(nx=41, ny=41, scale=survey.pixel_scale_arcsec, method="no_pixel")
        .array
    )
    image = np.random.default_rng(5).normal(0.0, RMS, (SIDE, SIDE)).astype(np.float32)
    for y, x in np.ndindex(5, 5):
        image[10 + 60 * y : 51 + 60 * y, 10 + 60 * x : 51 + 60 * x] += 1e5 * star
    found = measure(image).fwhm_px
    monkeypatch.setattr(module, "FITTED_RADII", 2 * module.FITTED_RADII)
    found_with_wings = measure(image).fwhm_px

    assert found == pytest.approx(survey.psf_fwhm_px, rel=0.013)
    assert found_with_wings < 0.985 * survey.psf_fwhm_px


def test_galaxies_that_outnumber_stars_do_not_count():
    # One star to three galaxies of different sizes.
    found = measure(field([3.0, 5.0, 6.5, 8.5], flux=6e4))

    assert found.stars >= 6
    assert found.fwhm_px == pytest.approx(3.0, rel=0.03)


def test_sources_that_all_differ_are_no_stars(caplog):
    found = measure(field(list(np.geomspace(3, 12, 36)), flux=2e5))

    assert found.stars == 0
    assert np.isnan(found.fwhm_px)
    assert caplog.text


@pytest.mark.parametrize("image", [np.zeros((100, 100), np.float32), field([3.0], flux=30.0)])
def test_without_bright_sources_there_is_no_width(image, caplog):
    found = measure(image)

    assert found.stars == 0
    assert "no PSF measured" in caplog.text


def test_stars_with_bad_pixels_are_not_used():
    image = field([3.0])
    bad = np.zeros(image.shape, dtype=bool)
    bad[:200] = True
    fewer = measure(image, bad=bad)

    assert 0 < fewer.stars < measure(image).stars


def test_at_most_the_asked_number_of_stars_is_fitted():
    assert measure(field([3.0]), IngestConfig(psf_max_stars=7)).stars <= 7
    assert measure(field([3.0]), IngestConfig(psf_min_stars=200)).stars == 0


def test_windows_give_the_same_stars(monkeypatch):
    image = field([3.5])
    whole = measure(image)
    monkeypatch.setattr(module, "WINDOW_PX", 160)
    # Stars on the seams of these windows (no overlap) are lost; the others measure the same.
    assert measure(image).fwhm_px == pytest.approx(whole.fwhm_px, rel=0.01)


def test_the_locus_is_the_peak_at_small_radii():
    random = np.random.default_rng(0)
    stars, galaxies = random.normal(1.5, 0.03, 40), random.uniform(1.8, 6.0, 60)
    spikes = np.array([0.6, 0.7])
    locus = stellar_locus(np.concatenate([spikes, stars, galaxies]))

    assert not locus[:2].any()
    assert locus[2:42].all()
    assert locus[42:].sum() <= 3
    assert stellar_locus(np.empty(0)).shape == (0,)
    assert not stellar_locus(np.array([2.0])).any()
    assert not stellar_locus(np.geomspace(1.5, 6.0, 60)).any()
