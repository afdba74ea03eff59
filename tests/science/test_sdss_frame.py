"""Ingest and baselines on real frames: figures from their README files, reached by each detector.

SDSS run 94, camcol 1, field 12, r band. README-quoted check of source-extractor with its own background: of the
photoObj leaves with r < 20, 168 of 171 are within 3 px, of those with 20-21 136 of 142, median MAG_AUTO - modelMag
+0.04.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.catalog.match import match_positions
from skymill.config.ingest import IngestConfig, TileFacts, load_tiles, local_location
from skymill.data.survey import Survey, load_survey
from skymill.data.tile import MaskBit, Tile
from skymill.detectors.baseline import baseline_tile
from skymill.detectors.source_extractor import find_program
from skymill.ingest.ingest import Sources, ingest_tile, make_tile
from skymill.ingest.reference import read_reference

MATCH_PX = 3.0


class Frame(NamedTuple):
    """The ingested frame and its reference."""

    path: Path
    tile: Tile
    reference: Catalogue


def recipe(stage: str, params: dict, parents: dict | None = None) -> dict:
    return {
        "stage": stage,
        "name": "sdss_94_1_12",
        "revision": 1,
        "version": "0123456789",
        "params": params,
        "parents": parents or {},
    }


@pytest.fixture(scope="module")
def frame(shared_data: Path, repository: Path, tmp_path_factory) -> Frame:
    folder = tmp_path_factory.mktemp("sdss")
    data = shared_data / "sdss_run94_camcol1_field12"
    (row,) = load_tiles(repository / "config" / "sdss_tiles.tsv")
    survey = load_survey(row.survey, repository / "config" / "surveys").model_dump(mode="json")
    facts = {name: getattr(row, name) for name in TileFacts.model_fields}
    params = {"tile": facts, "survey": survey, "ingest": IngestConfig().recipe_params()}
    path, sources = folder / "ingest" / "tile.fits", folder / "reference" / "sources.parquet"
    image, mask = (local_location(location, data) for location in (row.image, row.mask))
    ingest_tile(recipe("ingest", params), image, path, mask=mask)
    made = recipe("reference", {"format": row.reference_format}, {"source": row.reference_sha256})
    read_reference(made, local_location(row.reference, data), path, sources)
    return Frame(path, Tile.read(path), Catalogue.read(sources, "sources"))


@pytest.fixture(scope="module", params=["source_extractor", "sep", "photutils"])
def found(request, frame: Frame, tmp_path_factory) -> Catalogue:
    """The plain detection of each baseline."""
    if request.param == "source_extractor" and find_program() is None:
        pytest.skip("source-extractor is not installed")
    output = tmp_path_factory.mktemp(request.param) / "catalogue.parquet"
    baseline_tile(
        recipe("baseline", {"detector": {"kind": request.param, "setting": "plain"}}), frame.path, output
    )
    return Catalogue.read(output, "measurement")


def test_the_tile_is_the_frame(frame):
    meta = frame.tile.meta

    assert frame.tile.shape == (1489, 2048)
    assert meta.pixel_scale_arcsec == pytest.approx(0.396, abs=0.0005)
    # README: 3.55 px; the PSF reconstructed from psField is 3.44 px in the middle and 3.60 in a corner.
    assert meta.psf_fwhm_px == pytest.approx(3.55, abs=0.12)
    assert meta.psf_stars >= 40
    # README: sky sigma about 0.032 nMgy, which includes the sources' faint wings.
    assert np.median(frame.tile.rms) * meta.unit == pytest.approx(0.031, abs=0.001)


def test_sky_positions_agree_with_photo(frame):
    ra, dec = frame.tile.sky(frame.reference["x"], frame.reference["y"])
    offset = (
        np.hypot((ra - frame.reference["ra"]) * np.cos(np.deg2rad(dec)), dec - frame.reference["dec"])
        * 3600
        / 0.396
    )

    # The frames' TAN WCS leaves out what photo's astrometric solution has of higher order: a tenth of a pixel.
    assert np.median(offset) < 0.15
    assert np.percentile(offset, 90) < 0.3


def test_the_reference_holds_each_source_once(frame):
    reference = frame.reference
    bright = reference["mag"] < 20

    # 833 leaves, of which photo's second entries of bright sources and those outside the frame go.
    assert 790 <= len(reference) <= 833
    assert len(match_positions(*_pairs(reference), 1.0)) == 0
    assert 160 <= bright.sum() <= 171
    assert (reference["is_isolated"] & bright).sum() >= 80


def _pairs(reference: Catalogue) -> tuple[np.ndarray, ...]:
    """Odd and even rows sorted by position, so that two entries of one source meet each other."""
    order = np.lexsort((reference["x"], np.rint(reference["y"] / 3)))
    x, y = reference["x"][order], reference["y"][order]
    return x[::2], y[::2], x[1::2], y[1::2]


@pytest.mark.parametrize(("low", "high", "least"), [(0, 20, 0.98), (20, 21, 0.95), (21, 22, 0.80)])
def test_completeness_against_photo(frame, found, low, high, least):
    reference = frame.reference
    match = match_positions(reference["x"], reference["y"], found["x"], found["y"], MATCH_PX)
    wanted = (reference["mag"] >= low) & (reference["mag"] < high)

    # The limits; README's check gave 98.2, 95.8 and 80.8 %.
    assert np.isin(np.flatnonzero(wanted), match.index1).mean() >= least


def test_magnitudes_agree_with_photo(frame, found):
    reference = frame.reference
    match = match_positions(reference["x"], reference["y"], found["x"], found["y"], MATCH_PX)
    difference = found["mag"][match.index2] - reference["mag"][match.index1]
    bright = reference["mag"][match.index1] < 20
    isolated = bright & reference["is_isolated"][match.index1]

    # README: +0.04, what a Kron ellipse misses of the total light. The zero-point is good to 0.01.
    assert np.nanmedian(difference[bright]) == pytest.approx(0.04, abs=0.01)
    assert np.median(np.abs(difference[isolated])) <= 0.08
    # Sky coordinates are those of the matched pixels.
    away = (found["ra"][match.index2] - reference["ra"][match.index1]) * 3600
    assert abs(np.median(away)) < 0.05


def test_the_detectors_agree_on_how_many_there_are(found, frame):
    # SEXTRACTOR_COUNTS.md: 597 with source-extractor's own background; photutils does not clean.
    assert 560 <= len(found) <= 740
    assert found["is_primary"].all()
    # What photutils adds lies beside other sources: those of the reference are blended as often as for the others.
    reference = frame.reference.select(frame.reference["mag"] < 21)
    match = match_positions(reference["x"], reference["y"], found["x"], found["y"], MATCH_PX)
    assert 0.05 < ((found["flags"][match.index2] & Flag.BLENDED) > 0).mean() < 0.11


def test_the_width_of_stars_is_the_psf_s(found, frame):
    reference, tile = frame.reference, frame.tile
    stars = reference.select(
        (reference["kind"] == "star") & (reference["mag"] > 15) & (reference["mag"] < 18.5)
    )
    match = match_positions(stars["x"], stars["y"], found["x"], found["y"], MATCH_PX)
    clean = found.select(match.index2[found["flags"][match.index2] == 0])

    assert len(clean) > 40
    # Ingest fits other stars one by one, from its own stamps: the two agree to 1 %.
    assert np.nanmedian(clean["fwhm"]) == pytest.approx(tile.meta.psf_fwhm_px, rel=0.02)
    assert np.isnan(found["fwhm"]).mean() < 0.15


@pytest.fixture(scope="module")
def any_survey(repository: Path):
    """Make a survey for a frame that skymill has none for."""
    sdss = load_survey("sdss_r", repository / "config" / "surveys")

    def make(pixel_scale_arcsec: float, zero_point_mag: float, fwhm_arcsec: float, **more) -> Survey:
        psf = {"kind": "gaussian", "fwhm_arcsec": fwhm_arcsec}
        values = {
            "pixel_scale_arcsec": pixel_scale_arcsec,
            "zero_point_mag": zero_point_mag,
            "psf": psf,
            **more,
        }
        return Survey.model_validate({**sdss.model_dump(), "saturation": None, **values})

    return make


def test_decals_inverse_variance_in_the_same_file(shared_data, any_survey):
    path = shared_data / "decals_grz_cutout" / "cutout_59.1067_-30.4848.fits"
    facts = TileFacts(
        tile_id="decals",
        survey="s",
        image_hdu=3,
        rms_hdu=4,
        rms_kind="inverse_variance",
        background="subtracted",
    )
    tile, record = make_tile(
        facts, any_survey(0.262, 22.5, 1.2, background_rms=0.0025), IngestConfig(), Sources(path)
    )

    assert tile.shape == (256, 256)
    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.262, rel=1e-3)
    # The given noise is the scatter of the sky pixels (coadded, slightly correlated).
    sky = tile.science[np.abs(tile.science) < 3 * tile.rms]
    assert np.std(sky) == pytest.approx(np.median(tile.rms), rel=0.25)
    assert record["psf_source"].startswith("survey")


def test_emmi_has_a_sky_and_no_wcs(shared_data, any_survey, caplog):
    path = shared_data / "emmi_deep_sextractor_test" / "galaxies.fits"
    survey = any_survey(1.0, 30.0, 2.1, saturation=50000.0, background_rms=61.0, gain_e_per_unit=1.0)
    tile, record = make_tile(TileFacts(tile_id="emmi", survey="s"), survey, IngestConfig(), Sources(path))

    assert tile.wcs is None
    assert "no celestial WCS" in caplog.text
    # README: sky about 6850, sigma about 61, stars about 2 px, saturated at 50000.
    assert record["background_level"] == pytest.approx(6850, abs=20)
    assert np.median(tile.rms) * tile.meta.unit == pytest.approx(61, abs=2)
    assert tile.meta.psf_fwhm_px == pytest.approx(2.0, abs=0.3)
    assert tile.meta.psf_stars >= 10
    assert abs(np.median(tile.science)) * tile.meta.unit < 6.1  # a tenth of the noise
    assert tile.meta.saturation * tile.meta.unit == pytest.approx(50000 - 6850, abs=20)


def test_xdf_takes_its_rms_map(shared_data, any_survey):
    folder = shared_data / "hst_xdf_cutout"
    sources = Sources(
        folder / "xdf_hst_wfc3ir_60mas_f160w_sci.fits", folder / "xdf_hst_wfc3ir_60mas_f160w_rms.fits"
    )
    facts = TileFacts(tile_id="xdf", survey="s", background="subtracted")
    survey = any_survey(0.06, 25.9463, 0.18, band="F160W", background_rms=9.1e-4, gain_e_per_unit=2e5)
    tile, _ = make_tile(facts, survey, IngestConfig(), sources)

    assert tile.shape == (200, 200)
    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.06, rel=1e-3)
    # Drizzled noise is correlated: the map is the uncorrelated one, larger than the pixels' scatter.
    sky = tile.science[np.abs(tile.science) < 3 * tile.rms]
    assert 0.3 < np.std(sky) / np.median(tile.rms) < 1.3


def test_cfhtls_masks_its_saturated_star(shared_data, any_survey):
    path = shared_data / "cfhtls_gri_cutout" / "CFHTLS-test_r.fits"
    survey = any_survey(0.186, 30.0, 0.73, saturation=5200.0, background_rms=1.2, gain_e_per_unit=42.0)
    tile, record = make_tile(TileFacts(tile_id="cfhtls", survey="s"), survey, IngestConfig(), Sources(path))

    assert tile.meta.pixel_scale_arcsec == pytest.approx(0.186, rel=1e-2)
    # The header's SATURATE is 5270; the star's core is a little rounded off in the stack.
    saturated = (np.asarray(tile.mask) & MaskBit.SATURATED) > 0
    assert 0 < saturated.mean() < 0.01
    assert record["pixels_saturated"] == saturated.sum()
