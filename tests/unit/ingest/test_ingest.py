from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymill.config.ingest import IngestConfig
from skymill.data.tile import MaskBit, Tile
from skymill.errors import DataError
from skymill.ingest.ingest import ingest_tile


@pytest.fixture
def run(tmp_path: Path, make_recipe, monkeypatch):
    """Ingest a file and read the tile back, with its provenance."""

    def ingested(image: Path, config: IngestConfig | None = None, rms=None, mask=None, **facts):
        output = tmp_path / "out" / "tile.fits"
        ingest_tile(make_recipe(config, **facts), image, output, rms=rms, mask=mask)
        record = json.loads((output.parent / "provenance.json").read_text())
        return Tile.read(output), record

    return ingested


def test_an_image_becomes_a_checked_tile(run, write, star_image, star_light, header):
    tile, record = run(write((star_image, header())))

    assert tile.meta.tile_id == "t1"
    assert tile.meta.version == "0123456789"
    assert tile.meta.psf_fwhm_px == pytest.approx(3.5, rel=0.02)
    assert tile.meta.psf_stars >= 20
    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.4, rel=1e-6)
    assert tile.meta.zero_point_mag == pytest.approx(25.0 - 2.5 * np.log10(tile.meta.unit))
    # Stars' wings beyond their masks may pass for sky: up to a tenth of the noise.
    assert abs(np.median(tile.science * tile.meta.unit - star_light)) < 0.2
    assert np.median(tile.rms) * tile.meta.unit == pytest.approx(2.0, rel=0.03)
    assert not np.asarray(tile.mask).any()
    ra, dec = tile.sky(np.array([159.0]), np.array([159.0]))
    assert (ra[0], dec[0]) == (pytest.approx(150.0), pytest.approx(2.0))
    assert record["rows"] == 320
    assert record["extra"]["background_level"] == pytest.approx(100.0, abs=0.5)
    assert record["extra"]["psf_source"] == "stars"
    assert set(record["inputs"]) == {"image"}


def test_a_subtracted_background_is_left_alone(run, write, star_image, header):
    tile, record = run(write((star_image - 100, header())), background="subtracted")

    np.testing.assert_array_equal(tile.science * tile.meta.unit, star_image - 100)
    assert record["extra"]["background_level"] == 0.0


def test_without_a_wcs_the_tile_has_no_sky_positions(run, write, star_image, caplog):
    tile, record = run(write(star_image))

    assert tile.wcs is None
    assert np.isnan(tile.sky(np.zeros(1), np.zeros(1))).all()
    assert tile.meta.pixel_scale_arcsec == 0.4
    assert "not checked" in record["extra"]["pixel_scale_source"]
    assert "no celestial WCS" in caplog.text


def test_integers_with_bzero_are_read(run, tmp_path, star_image, header):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.rint(np.clip(star_image, 0, 60000)).astype(np.uint16), header()).writeto(path)
    tile, _ = run(path)

    # Rounding adds 1/12 to the variance of 4.
    assert np.median(tile.rms) * tile.meta.unit == pytest.approx(np.sqrt(4 + 1 / 12), rel=0.03)


def test_pixels_without_data_and_saturated_ones_are_masked(run, write, star_image, header):
    image = star_image.copy()
    image[:20] = np.nan
    image[100, 100] = np.inf
    image[200, 200:203] = 2e4
    tile, record = run(write((image, header())), IngestConfig(saturation=1.5e4))

    assert (tile.mask[:20] == MaskBit.NO_DATA).all()
    assert tile.mask[100, 100] == MaskBit.NO_DATA
    assert (tile.mask[200, 200:203] == MaskBit.SATURATED).all()
    assert (tile.science[:20] == 0).all()
    assert np.isfinite(tile.science).all()
    # The tile's level is above its sky, as its pixels are.
    assert tile.meta.saturation * tile.meta.unit == pytest.approx(1.5e4 - 100, abs=1)
    counts = [record["extra"][f"pixels_{name}"] for name in ("bad", "saturated", "no_data")]
    assert counts == [0, 3, 20 * 320 + 1]


@pytest.mark.parametrize(("kind", "value"), [("rms", 2.5), ("variance", 6.25), ("inverse_variance", 0.16)])
def test_given_noise_is_taken(run, write, star_image, header, kind, value):
    noise = np.full(star_image.shape, value, dtype=np.float32)
    noise[5, 5] = 0.0
    own = run(write((star_image, header()), noise, name="both.fits"), rms_hdu=1, rms_kind=kind)[0]
    apart = run(write((star_image, header())), rms=write(noise, name="rms.fits"), rms_kind=kind)[0]

    np.testing.assert_array_equal(own.rms, apart.rms)
    np.testing.assert_allclose(own.rms * own.meta.unit, 2.5, rtol=1e-6)
    assert own.mask[5, 5] == MaskBit.BAD
    assert own.science[5, 5] == 0


def test_a_given_mask_marks_bad_pixels(run, write, star_image, header):
    mask = np.zeros(star_image.shape, dtype=np.int16)
    mask[10:20, 30] = 4
    tile, record = run(write((star_image, header())), mask=write(mask, name="mask.fits"))

    assert np.argwhere(tile.mask).tolist() == [[y, 30] for y in range(10, 20)]
    assert set(record["inputs"]) == {"image", "mask"}


def test_too_few_stars_are_said_and_the_surveys_psf_is_taken(run, write, header, caplog):
    blank = np.random.default_rng(0).normal(100, 2, (200, 200)).astype(np.float32)
    tile, record = run(write((blank, header())))

    assert (tile.meta.psf_fwhm_px, tile.meta.psf_stars) == (pytest.approx(3.5), 0)
    assert record["extra"]["psf_source"].startswith("survey")
    assert "the PSF of survey test_r is assumed" in caplog.text


def test_another_zero_point_changes_the_units(run, write, star_image, header):
    tile, _ = run(write((star_image / 10, header())), zero_point_mag=22.5)

    assert tile.meta.zero_point_mag == pytest.approx(22.5 - 2.5 * np.log10(tile.meta.unit))
    # One unit of the file is 10 of the survey's (2.5 mag), hence ten times the electrons.
    assert tile.meta.gain_e_per_unit / tile.meta.unit == pytest.approx(20.0)


def test_the_same_image_gives_the_same_tile(run, write, star_image, header):
    image = write((star_image, header()))
    first = run(image)[1]["outputs"]

    assert run(image)[1]["outputs"] == first


# --- bad input: each gives one error that names the file ---------------------------------------------------------


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:100_000])
    return path


BAD = {
    "not_fits": (lambda w, i, h: _text(w(i)), {}, "expected a whole FITS file"),
    "truncated": (lambda w, i, h: truncated(w((i, h()))), {}, "expected a whole FITS file"),
    "no_hdu": (lambda w, i, h: w((i, h())), {"image_hdu": 3}, "expected an HDU 3"),
    "one_dimension": (lambda w, i, h: w(i[0]), {}, "expected a 2-D image, found a 1-D"),
    "three_dimensions": (lambda w, i, h: w(np.stack([i, i])), {}, "expected a 2-D image, found a 3-D"),
    "all_nan": (
        lambda w, i, h: w(np.full_like(i, np.nan)),
        {},
        r"an image with data, found 100\.00 % NaN or infinite",
    ),
    "constant": (lambda w, i, h: w(np.ones_like(i)), {}, r"an image with data, found 100\.00 % exactly 1"),
    "pixel_scale": (lambda w, i, h: w((i, h(0.2))), {}, r'a pixel scale of 0\.4" .* found 0\.2"'),
    "zero_rms": (lambda w, i, h: w((i, h()), 0 * i), {"rms_hdu": 1}, r"100\.0% zero, negative"),
    "negative_rms": (lambda w, i, h: w((i, h()), -np.abs(i)), {"rms_hdu": 1}, r"100\.0% zero, negative"),
    "rms_shape": (lambda w, i, h: w((i, h()), i[1:]), {"rms_hdu": 1}, r"expected the shape \(320, 320\)"),
    "all_masked": (lambda w, i, h: w((i, h()), np.ones_like(i)), {"mask_hdu": 1}, "expected good pixels"),
    "checksum": (lambda w, i, h: w((i, h())), {"sha256": "0" * 64}, "expected sha256 0000"),
}


def _text(path: Path) -> Path:
    path.write_text("no FITS\n" * 1000)
    return path


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_error_that_names_the_file(run, write, star_image, header, tmp_path, case):
    make, facts, message = BAD[case]
    path = make(write, star_image, header)

    with pytest.raises(DataError, match=message) as caught:
        run(path, **facts)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out" / "tile.fits").exists()


def test_a_psf_far_off_is_refused_with_both_widths_unless_told_to_go_on(run, write, header, caplog):
    y, x = np.mgrid[:320, :320]
    image = np.random.default_rng(0).normal(100, 2, (320, 320))
    for y0 in range(30, 300, 50):
        for x0 in range(30, 300, 50):
            image += 500 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 3.0**2))
    path = write((image.astype(np.float32), header()))

    # FWHM = 2.3548 x 3 px x 0.4 = 2.83"; a Moffat profile fits a Gaussian to 2 %.
    with pytest.raises(
        DataError, match=r'a PSF FWHM of 1\.4" within 30% \(survey test_r\), found 2\.[78]'
    ) as caught:
        run(path)
    assert str(path) in str(caught.value)
    assert run(path, IngestConfig(on_mismatch="go_on"))[0].meta.psf_fwhm_px == pytest.approx(7.06, rel=0.02)
    assert "Going on" in caplog.text


@pytest.mark.parametrize("role", ["image", "rms", "mask"])
def test_a_missing_file_is_named(run, write, star_image, header, tmp_path, role):
    files = {"image": write((star_image, header())), role: tmp_path / "gone.fits"}

    with pytest.raises(DataError, match=r"gone\.fits: expected a file, found none"):
        run(**files)


def test_each_file_has_its_own_checksum(run, write, star_image, header):
    image, mask = write((star_image, header())), write(np.zeros_like(star_image), name="mask.fits")
    sums = {"sha256": _sha(image), "mask_sha256": _sha(mask)}
    run(image, mask=mask, **sums)
    with pytest.raises(DataError, match=r"mask\.fits: expected sha256"):
        run(image, mask=mask, **{**sums, "mask_sha256": sums["sha256"]})


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_full_disk_is_one_error_and_leaves_nothing(run, write, star_image, header, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write((star_image, header()))
    monkeypatch.setattr("skymill.data.tile._write_image", full)

    with pytest.raises(DataError, match=r"tile\.fits: expected a place .*, found No space left on device"):
        run(path)
    assert not [item for item in (tmp_path / "out").iterdir() if item.is_file()]
