from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.config.simulate import FieldConfig
from skymill.errors import ConfigError
from skymill.provenance.recipe import Recipe
from skymill.simulate.field import draw_field, isolated

GALAXIES = {"kind": "parametric", "bulge_n": [1, 1], "mag": [19, 23]}


@pytest.fixture
def recipe(survey):
    def make(**keys) -> dict:
        config = {"width_px": 200, "height_px": 120, "galaxies": GALAXIES, "background": 4.0, **keys}
        field = FieldConfig.model_validate(config).recipe_params()
        params = {"seed": 1, "survey": survey.physics(), "field": field, "tile_id": "f"}
        return Recipe("field", "f", params).to_dict()

    return make


def draw(recipe: dict, folder: Path) -> tuple[np.ndarray, fits.Header, Catalogue]:
    draw_field(recipe, folder / "image.fits", folder / "truth.parquet")
    data, header = fits.getdata(folder / "image.fits", header=True)
    return data, header, Catalogue.read(folder / "truth.parquet", "sources")


def test_it_looks_like_a_telescope_s_image(recipe, survey, tmp_path: Path):
    data, header, truth = draw(recipe(), tmp_path)

    assert data.shape == (120, 200) and data.dtype.kind == "f"
    assert np.median(data) == pytest.approx(4.0, abs=survey.background_rms)
    assert (header["MAGZERO"], header["GAIN"], header["FILTER"]) == (25.0, 100.0, "r")
    assert header["SATURATE"] == survey.saturation + 4.0
    assert WCS(header).proj_plane_pixel_scales()[0].to_value("arcsec") == pytest.approx(0.2)
    assert json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))["rows"] == len(truth)


def test_sky_positions_are_those_of_the_header(recipe, tmp_path: Path):
    _, header, truth = draw(recipe(), tmp_path)
    ra, dec = WCS(header).all_pix2world(truth["x"], truth["y"], 0)

    np.testing.assert_allclose(truth["ra"], ra, rtol=0, atol=1e-9)
    np.testing.assert_allclose(truth["dec"], dec, rtol=0, atol=1e-9)
    # North is up and east is left.
    assert (
        np.corrcoef(truth["x"], truth["ra"])[0, 1] < -0.99
        and np.corrcoef(truth["y"], truth["dec"])[0, 1] > 0.99
    )


def test_bright_sources_are_where_the_truth_says(recipe, tmp_path: Path):
    data, _, truth = draw(recipe(galaxies_per_arcmin2=30, stars_per_arcmin2=30, star_mag=(16, 18)), tmp_path)
    stars = (truth["kind"] == "star") & truth["is_isolated"] & ((truth["flags"] & Flag.EDGE) == 0)
    assert stars.sum() >= 2

    for x, y in zip(truth["x"][stars], truth["y"][stars], strict=True):
        column, row = round(x), round(y)
        around = data[row - 3 : row + 4, column - 3 : column + 4]
        assert np.abs(np.array(np.unravel_index(around.argmax(), around.shape)) - 3).max() <= 1


def test_saturated_stars_are_clipped_and_flagged(recipe, survey, tmp_path: Path):
    data, _, truth = draw(recipe(star_mag=(13, 13.5), stars_per_arcmin2=20), tmp_path)
    stars = truth["kind"] == "star"

    assert data.max() == pytest.approx(survey.saturation + 4.0)
    assert ((truth["flags"][stars] & Flag.SATURATED) > 0).all()


def test_the_same_recipe_gives_the_same_bytes(recipe, tmp_path: Path):
    for name in ("a", "b"):
        draw(recipe(), tmp_path / name)

    for file in ("image.fits", "truth.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_empty_field_is_refused(recipe, tmp_path: Path):
    with pytest.raises(ConfigError, match="field f: expected sources that can be drawn, found 0 sources"):
        draw(recipe(galaxies_per_arcmin2=0, stars_per_arcmin2=0), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_isolation_counts_neighbours_that_matter():
    # Widths of 4 px: neighbours count within 12 px plus three radii of both.
    x, y = np.array([0.0, 10.0, 100.0, 114.0, 200.0]), np.zeros(5)
    re, flux = np.array([0.0, 0, 1, 0, 0]), np.array([1000.0, 1.0, 50, 50, 1])

    assert list(isolated(x, y, re, flux, 4.0)) == [True, False, False, False, True]
    assert list(isolated(x[:1], y[:1], re[:1], flux[:1], 4.0)) == [True]
