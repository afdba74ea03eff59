"""Each position on the sky belongs to one tile."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import DistortionLookupTable, Sip

from skymill.data.sky import read_wcs, unit_vectors, write_wcs
from skymill.errors import DataError
from skymill.survey.footprint import DEPTH_STEP_ARCSEC, Footprint, Footprints

from .conftest import SCALE_ARCSEC, make_tile, on_tile

STEP_DEG = SCALE_ARCSEC / 3600
LAYOUTS = {
    "side by side": [("a", 10.0, 0.0, {}), ("b", 10.0 - 80 * STEP_DEG, 0.0, {})],
    "turned": [("a", 10.0, 20.0, {}), ("b", 10.0 + 60 * STEP_DEG, 20.0 + 30 * STEP_DEG, {"turn": 37.0})],
    "one within the other": [("a", 10.0, 0.0, {"shape": (400, 400)}), ("b", 10.01, 0.01, {"turn": 10.0})],
    "other pixels": [("a", 10.0, -30.0, {}), ("b", 10.005, -30.0, {"scale": 0.1, "shape": (300, 500)})],
    "three": [("a", 10.0, 5.0, {}), ("b", 10.008, 5.0, {}), ("c", 10.004, 5.006, {"turn": 80.0})],
    "at 0 h": [("a", 0.002, 0.0, {}), ("b", 359.996, 0.0, {})],
    "at the pole": [("a", 0.0, 89.998, {}), ("b", 180.0, 89.999, {"turn": 20.0})],
    "the same twice": [("a", 10.0, 0.0, {}), ("b", 10.0, 0.0, {})],
}


def tiles_of(layout):
    return [make_tile(name, ra, dec, **more) for name, ra, dec, more in LAYOUTS[layout]]


def positions_on(tile, count=3000, seed=0):
    height, width = tile.shape
    x, y = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, count))
    return tile.sky(x * width + (width - 1) / 2, y * height + (height - 1) / 2)


def owners(tiles, ra, dec):
    """How many tiles claim each position."""
    footprints = Footprints(map(Footprint.of, tiles))
    return np.array([footprints.is_primary(tile.meta.tile_id, ra, dec) for tile in tiles])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_position_belongs_to_one_tile_which_has_it(layout):
    tiles = tiles_of(layout)
    ra, dec = np.concatenate([positions_on(tile, seed=n) for n, tile in enumerate(tiles)], axis=1)
    claimed = owners(tiles, ra, dec)
    assert (claimed.sum(axis=0) == 1).all()
    for tile, claims in zip(tiles, claimed, strict=True):
        assert on_tile(tile, ra, dec)[2][claims].all()


def test_the_seam_lies_in_the_middle_of_the_overlap():
    tiles = tiles_of("side by side")
    x = np.arange(200.0)
    is_first, _ = owners(tiles, *tiles[0].sky(x, np.full(200, 49.5)))
    # 120 px wide, 80 px apart: the overlap is 80 to 120, and x is the pixel's centre.
    assert is_first[:100].all()
    assert not is_first[100:].any()


def test_depth_is_an_angle_and_not_a_number_of_pixels():
    fine = make_tile("fine", 10.0, 0.0, scale=SCALE_ARCSEC / 4, shape=(101, 101))
    depth = Footprint.of(fine).depth(np.array([10.0]), np.array([0.0]))
    assert depth[0] * DEPTH_STEP_ARCSEC == pytest.approx(50.5 * SCALE_ARCSEC / 4, abs=DEPTH_STEP_ARCSEC)
    # So of two tiles with the same centre the one that reaches farther has it, whatever its pixels.
    coarse = make_tile("coarse", 10.0, 0.0, shape=(60, 60))
    assert owners([fine, coarse], np.array([10.0]), np.array([0.0]))[:, 0].tolist() == [False, True]


def test_on_the_seam_rounding_decides_nothing():
    """Positions that went through one tile's pixels or the other's differ in the last digits."""
    tiles = tiles_of("side by side")
    y = np.linspace(0, 99, 2000)
    ra, dec = tiles[0].sky(np.full(2000, 99.5), y)
    noise = np.random.default_rng(1).normal(scale=1e-13, size=(2, 2000))
    footprints = Footprints(map(Footprint.of, tiles))
    first = footprints.is_primary("a", ra, dec)
    second = footprints.is_primary("b", ra + noise[0], dec + noise[1])
    assert (first ^ second).all()
    # Equally deep: the first by name.
    assert first.mean() > 0.99


def test_the_same_tile_twice_goes_to_the_first_by_name():
    tiles = tiles_of("the same twice")
    claimed = owners(tiles, *positions_on(tiles[0]))
    assert claimed[0].all()
    assert not claimed[1].any()


def test_tiles_in_other_frames():
    galactic = SkyCoord(10.002, 0.0, unit="deg").galactic
    tiles = [
        make_tile("a", 10.0, 0.0),
        make_tile("b", galactic.l.deg, galactic.b.deg, system="GALACTIC"),
    ]
    ra, dec = np.concatenate([positions_on(tile) for tile in tiles], axis=1)
    claimed = owners(tiles, ra, dec)
    assert (claimed.sum(axis=0) == 1).all()
    assert claimed.any(axis=1).all()


def test_tiles_with_distortions():
    tiles = tiles_of("side by side")
    for sign, tile in zip((1, -1), tiles, strict=True):
        bend = np.zeros((3, 3))
        bend[2, 0] = sign * 2e-4
        tile.wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        tile.wcs.sip = Sip(bend, bend.T, None, None, tile.wcs.wcs.crpix)
    ra, dec = np.concatenate([positions_on(tile) for tile in tiles], axis=1)
    assert (owners(tiles, ra, dec).sum(axis=0) == 1).all()


def with_cards(tile, **cards):
    """The tile with other cards in its header."""
    header, _ = write_wcs(tile.wcs)
    header.update(cards)
    return replace(tile, wcs=read_wcs(header))


PV = {
    f"PV{axis}_{k}": value
    for axis in (1, 2)
    for k, value in {0: 1e-4, 1: 1.02, 2: 2e-3, 4: 0.3, 7: 0.3}.items()
}
TPV = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", **PV}


@pytest.mark.parametrize("layout", ["side by side", "turned", "at 0 h", "at the pole"])
def test_tiles_with_pv_terms(layout):
    tiles = [with_cards(tile, **TPV) for tile in tiles_of(layout)]
    ra, dec = np.concatenate([positions_on(tile) for tile in tiles], axis=1)
    claimed = owners(tiles, ra, dec)
    assert (claimed.sum(axis=0) == 1).all()
    assert claimed.any(axis=1).all()


def test_tiles_with_tables_of_distortions():
    tiles = tiles_of("side by side")
    for sign, tile in zip((1, -1), tiles, strict=True):
        cells = sign * np.random.default_rng(5).normal(scale=0.3, size=(4, 4)).astype(np.float32)
        tile.wcs.cpdis1 = tile.wcs.cpdis2 = DistortionLookupTable(cells, (1, 1), (1, 1), (40, 33))
    ra, dec = np.concatenate([positions_on(tile) for tile in tiles], axis=1)
    assert (owners(tiles, ra, dec).sum(axis=0) == 1).all()


def test_depth_knows_the_scale_of_the_whole_transform():
    """PV terms that enlarge pixels twofold make the same image twice as deep."""
    tile = make_tile("a", 10.0, 0.0, shape=(101, 101))
    wide = with_cards(tile, CTYPE1="RA---TPV", CTYPE2="DEC--TPV", PV1_1=2.0, PV2_1=2.0)
    assert Footprint.of(wide).pixel_arcsec == pytest.approx(2 * SCALE_ARCSEC, rel=1e-6)
    depth = Footprint.of(wide).depth(np.array([10.0]), np.array([0.0]))
    assert depth[0] * DEPTH_STEP_ARCSEC == pytest.approx(2 * 50.5 * SCALE_ARCSEC, abs=DEPTH_STEP_ARCSEC)


def test_an_image_of_the_whole_sky_has_corners_without_sky():
    whole = with_cards(
        make_tile("whole", 0.0, 0.0, shape=(200, 400), scale=3600.0), CTYPE1="RA---AIT", CTYPE2="DEC--AIT"
    )
    small = make_tile("small", 170.0, 60.0)
    assert np.isnan(whole.sky(0.0, 0.0)).all()
    random = np.random.default_rng(2)
    ra, dec = random.uniform(0, 360, 2000), np.degrees(np.arcsin(random.uniform(-1, 1, 2000)))
    ra, dec = (np.concatenate(both) for both in zip((ra, dec), positions_on(small), strict=True))
    claimed = owners([whole, small], ra, dec)
    assert (claimed.sum(axis=0) == 1).all()
    # The larger one is deeper everywhere but near its own limits.
    assert claimed[0].all()


def test_a_wcs_without_a_way_back_is_refused():
    """wcslib's inverse of PV terms fails where the declination is the first axis."""
    tile = make_tile("a", 10.0, 0.0)
    swapped = with_cards(
        tile, **{**TPV, "CTYPE1": "DEC--TPV", "CTYPE2": "RA---TPV", "CRVAL1": 0.0, "CRVAL2": 10.0}
    )
    with pytest.raises(DataError, match="tile a: expected a WCS that turns sky positions into pixels"):
        Footprint.of(swapped)


def test_a_wcs_without_any_sky_is_refused():
    beyond = with_cards(make_tile("a", 0.0, 0.0), CTYPE1="RA---AIT", CTYPE2="DEC--AIT", CRPIX1=1e9)
    with pytest.raises(DataError, match="tile a: expected positions on the sky, found none"):
        Footprint.of(beyond)


def test_what_lies_elsewhere_belongs_to_no_tile():
    tiles = tiles_of("side by side")
    ra, dec = np.array([np.nan, 190.0, 10.0, 12.0]), np.array([0.0, 0.0, np.nan, 0.0])
    assert not owners(tiles, ra, dec).any()
    assert owners(tiles, np.empty(0), np.empty(0)).shape == (2, 0)


def test_a_centroid_just_outside_all_tiles_stays_with_its_own():
    tile = make_tile("a", 10.0, 0.0)
    assert owners([tile], *tile.sky(np.array([-0.7]), np.array([50.0]))).all()


def grid(count):
    """Tiles of a grid, each of which overlaps the eight around it."""
    return [
        make_tile(f"t{row:02d}{column:02d}", 10 + column * 80 * STEP_DEG, row * 80 * STEP_DEG, (100, 100))
        for row in range(count)
        for column in range(count)
    ]


def test_few_tiles_are_looked_at():
    tiles = grid(7)
    footprints = Footprints(map(Footprint.of, tiles))
    near = [tile.tile_id for tile in footprints.neighbours("t0303")]
    assert near == [f"t{row:02d}{column:02d}" for row in (2, 3, 4) for column in (2, 3, 4)]


def test_a_grid_is_covered_once():
    tiles = grid(3)
    ra, dec = np.concatenate([positions_on(tile, 500, n) for n, tile in enumerate(tiles)], axis=1)
    assert (owners(tiles, ra, dec).sum(axis=0) == 1).all()


def test_the_order_of_tiles_changes_nothing():
    tiles = tiles_of("three")
    ra, dec = positions_on(tiles[1])
    assert (owners(tiles, ra, dec) == owners(tiles[::-1], ra, dec)[::-1]).all()


def test_circles_hold_their_tiles():
    tile = make_tile("a", 359.999, -45.0, (50, 300), turn=15)
    footprint = Footprint.of(tile)
    ra, dec = positions_on(tile)
    assert (np.linalg.norm(unit_vectors(ra, dec) - footprint.centre, axis=1) < footprint.radius).all()


def test_a_tile_needs_a_wcs_and_a_name_of_its_own():
    tile = make_tile("a", 10.0, 0.0)
    with pytest.raises(DataError, match=r"tile a: expected a celestial WCS.*found none"):
        Footprint.of(type(tile)(tile.science, tile.rms, tile.mask, None, tile.meta))
    with pytest.raises(DataError, match="each tile_id once, found a twice"):
        Footprints([Footprint.of(tile)] * 2)
