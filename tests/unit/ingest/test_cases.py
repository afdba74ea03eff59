"""The shared cases of images that go wrong, from their files to the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.match import match_positions
from skymill.config.detect import SepConfig
from skymill.config.ingest import IngestConfig, TileFacts, load_tiles
from skymill.data.survey import load_survey
from skymill.data.tile import MaskBit, Tile
from skymill.detectors.build import build_detector
from skymill.errors import DataError
from skymill.ingest.ingest import Sources, make_tile
from skymill.plan.tiles import ELSEWHERE

SEP = SepConfig(kind="sep", setting="plain").recipe_params()


@pytest.fixture(scope="module")
def ingest(repository: Path, make_case: Callable[[str], Path]):
    """Make the tile of a row of a case's table, with what was said of it."""

    def made(case: str, tile_id: str) -> tuple[Tile, dict[str, Any]]:
        folder = make_case(case)
        row = next(row for row in load_tiles(folder / "tiles.tsv") if row.tile_id == tile_id)
        facts = TileFacts.model_validate({k: v for k, v in row.model_dump().items() if k not in ELSEWHERE})
        survey = load_survey(row.survey, repository / "config" / "surveys")
        files = {role: name and folder / name for role, name in row.model_dump().items() if role in FILES}
        return make_tile(facts, survey, IngestConfig(), Sources(**files))

    return made


FILES = ("image", "rms", "mask")


def detect(tile: Tile) -> Catalogue:
    return build_detector(SEP).detect(tile, {})


def stars_found(
    folder: Path, found: Catalogue, inside: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple:
    """How many of the stars that are `inside` were found, and how many there are."""
    x, y, *_ = np.loadtxt(folder / "truth.txt", unpack=True)
    use = inside(x, y)
    match = match_positions(x[use], y[use], found["x"], found["y"], 2.0)
    return len(match.index1), int(use.sum())


@pytest.mark.parametrize("name", ["sky100_zero", "sky5_zero", "sky0_zero", "sky100_nan"])
def test_empty_parts_are_no_data_whatever_they_hold(ingest, make_case, name):
    tile, facts = ingest("zeros_no_data", name)
    folder = make_case("zeros_no_data")
    gap = np.load(folder / "gap.npy")

    np.testing.assert_array_equal((np.asarray(tile.mask) & MaskBit.NO_DATA) > 0, gap)
    assert facts["rms_median"] == pytest.approx(0.031, rel=0.03)
    assert ("exactly 0" if "zero" in name else "NaN") in facts["facts"]["no data"]["value"]
    assert any("taken for empty" in text for text in facts["warnings"]) == ("zero" in name)
    # Not those of which the gap hides more than half.
    far = lambda x, y: ~gap[np.rint(y).astype(int).clip(0, 639), np.rint(x).astype(int).clip(0, 639)]  # noqa: E731
    found, there = stars_found(folder, detect(tile), far)
    assert found >= there - 1


@pytest.mark.parametrize("name", ["v1e10", "v1e20", "v1e38", "m1e30", "nan"])
def test_a_number_that_no_detector_gives_is_no_data(ingest, make_case, name):
    tile, _ = ingest("huge_pixel", name)

    assert np.argwhere(np.asarray(tile.mask) & MaskBit.NO_DATA).tolist() == [[200, 220]]
    assert stars_found(make_case("huge_pixel"), detect(tile), lambda x, y: x > 0) == (100, 100)


@pytest.mark.parametrize("name", ["flam", "flam_var"])
def test_every_unit_gives_the_same_catalogue(ingest, name):
    one, other = (detect(ingest("cgs_units", tile)[0]) for tile in ("eps", name))

    assert len(one) == len(other) == 25
    # The zero-point of the table is rounded to 1e-4 mag.
    for column in ("flux", "flux_err", "a", "b"):
        np.testing.assert_allclose(other[column], one[column], rtol=2e-4)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("power", [-30, -15, 10, 30])
def test_values_of_any_size_give_the_same_catalogue(ingest, make_case, repository, tmp_path, power, kind):
    (row,) = (row for row in load_tiles(make_case("cgs_units") / "tiles.tsv") if row.tile_id == "eps")
    for role in ("image", "rms"):
        with fits.open(make_case("cgs_units") / getattr(row, role)) as (hdu,):
            scaled = (hdu.data.astype(np.float64) * 10.0**power).astype(kind)
            fits.writeto(tmp_path / f"{role}.fits", scaled, hdu.header)
    facts = {key: value for key, value in row.model_dump().items() if key not in ELSEWHERE}
    facts["zero_point_mag"] = row.zero_point_mag + 2.5 * power
    survey = load_survey(row.survey, repository / "config" / "surveys")
    sources = Sources(image=tmp_path / "image.fits", rms=tmp_path / "rms.fits", mask=None)
    tile, _ = make_tile(TileFacts.model_validate(facts), survey, IngestConfig(), sources)

    one, other = detect(ingest("cgs_units", "eps")[0]), detect(tile)

    assert len(one) == len(other) == 25
    for column in ("x", "y", "flux", "flux_err", "a", "b"):
        np.testing.assert_allclose(other[column], one[column], rtol=1e-4)


def test_errors_are_right_with_a_map_of_the_total_noise(ingest, make_case):
    fluxes, errors = [], []
    x, y = np.meshgrid(np.arange(20, 300, 40), np.arange(20, 300, 40))
    for number in range(8):
        tile, facts = ingest("total_variance", f"r{number}")
        found = detect(tile)
        match = match_positions(x.ravel(), y.ravel(), found["x"], found["y"], 2.0)
        assert len(match.index1) == 49
        order = match.index2[np.argsort(match.index1)]
        fluxes.append(found["flux"][order])
        errors.append(found["flux_err"][order])
        assert facts["facts"]["gain"]["source"] == "measured"
        assert float(facts["facts"]["gain"]["value"].split()[0]) == pytest.approx(989.5, rel=0.05)
    # The stars are alike but for their place on the pixels: the scatter is over realisations, star by star.
    scatter = np.sqrt(np.mean(np.var(fluxes, axis=0, ddof=1)))
    # 343 degrees of freedom: 3.8 % of statistical error.
    assert np.mean(errors) / scatter == pytest.approx(1.0, abs=0.1)


def test_the_scale_is_that_of_the_whole_transform(ingest):
    assert ingest("wcs_kinds", "tpv_scale")[0].meta.pixel_scale_arcsec == pytest.approx(0.396, rel=1e-4)


def test_without_crval_there_is_no_wcs_and_the_scale_is_assumed(ingest):
    tile, facts = ingest("wcs_kinds", "no_crval")

    assert tile.wcs is None
    assert "pixel_scale" in tile.meta.assumed.split()
    assert facts["facts"]["scale"]["source"] == "assumed"


@pytest.mark.parametrize("name", ["radesys_j2000", "helioprojective"])
def test_a_system_that_cannot_be_turned_is_refused_by_ingest(ingest, name):
    with pytest.raises(DataError, match=rf"{name}\.fits") as caught:
        ingest("wcs_kinds", name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_compressed_image_is_one_line(ingest):
    with pytest.raises(DataError, match=r"broken\.fits\.fz: expected a whole FITS file") as caught:
        ingest("broken_fz", "broken")
    assert len(str(caught.value).splitlines()) == 1


def test_masks_of_lsst_leave_the_sources(ingest, make_case):
    tile, facts = ingest("lsst_mask", "t")
    found, there = stars_found(make_case("lsst_mask"), detect(tile), lambda x, y: x > 0)

    assert (found, there) == (100, 100)
    assert facts["facts"]["mask"]["source"] == "read"
