"""Injection: the light that was meant to be added, with its noise, where the truth says."""

import json
from dataclasses import replace

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.compare.inject import inject_tile
from skymill.data.stamps import StampSet, link_shards, write_shard
from skymill.data.survey import mag_to_image_flux, mag_to_njy
from skymill.data.tile import MaskBit, Tile, TileMeta, cutouts
from skymill.errors import DataError
from skymill.provenance.recipe import Recipe
from skymill.simulate.priors import unknown_shape

SURVEY = {
    "name": "toy",
    "description": "A survey for tests.",
    "band": "r",
    "pixel_scale_arcsec": 0.2,
    "zero_point_mag": 27.0,
    "gain_e_per_unit": 4.0,
    "background_rms": 1.0,
    "psf": {"kind": "gaussian", "fwhm_arcsec": 0.7},
    "sources": {},
}
#: The tile's zero-point differs from the stamps' on purpose.
META = TileMeta("t", "toy", "r", 0.2, 28.0, 4.0, None, 3.5)
SIZE = 32
N_GALAXIES = 24


def recipe(seed=1, draw=0, **inject):
    params = {"seed": seed, "survey": SURVEY, "inject": {"min_distance_px": SIZE, **inject}, "draw": draw}
    return Recipe("inject", "t", params).to_dict()


@pytest.fixture
def galaxies(tmp_path):
    """Round Gaussian galaxies of mag 20 to 23 with sub-pixel offsets; every second one is of the test side."""
    generator = np.random.default_rng(25)
    n = N_GALAXIES
    mag, (dx, dy) = generator.uniform(20, 23, n), generator.uniform(-0.5, 0.5, (2, n)).astype(np.float32)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    shape = np.exp(-((x - dx[:, None, None]) ** 2 + (y - dy[:, None, None]) ** 2) / 18) / (18 * np.pi)
    image = shape * mag_to_image_flux(mag, SURVEY["zero_point_mag"])[:, None, None]
    write_shard(tmp_path / "shard.h5", {"image": image[:, np.newaxis].astype(np.float32)}, 0, {})
    link_shards(tmp_path / "stamps.h5", [tmp_path / "shard.h5"], {})
    catalogue = Catalogue.from_columns(
        "galaxies",
        galaxy_id=np.arange(n),
        side=np.where(np.arange(n) % 2, "test", "train"),
        kind=np.full(n, "bulge_disc"),
        mag=mag,
        flux=mag_to_njy(mag),
        re=np.full(n, 0.6),
        dx=dx,
        dy=dy,
        flags=np.zeros(n, int),
        **unknown_shape(n),
    )
    catalogue.write(tmp_path / "galaxies.parquet")
    return catalogue


@pytest.fixture
def inject(tmp_path, galaxies):
    """Inject into a tile and return the new tile and its truth."""

    def run(recipe, tile=None, folder="out"):
        tile = blank_tile() if tile is None else tile
        tile.write(tmp_path / "tile.fits")
        out = tmp_path / folder
        inject_tile(
            recipe,
            tmp_path / "tile.fits",
            tmp_path / "stamps.h5",
            tmp_path / "galaxies.parquet",
            out / "tile.fits",
            out / "truth.parquet",
        )
        return Tile.read(out / "tile.fits"), Catalogue.read(out / "truth.parquet", "sources")

    return run


def blank_tile(shape=(300, 320), meta=META, **images):
    layers = {"science": np.zeros(shape, np.float32), "rms": np.ones(shape, np.float32)}
    layers["mask"] = np.zeros(shape, np.uint8)
    return Tile(**{**layers, **images}, wcs=None, meta=meta)


def fluxes(image, truth):
    return cutouts(image, truth["x"], truth["y"], SIZE + 2).sum(axis=(1, 2), dtype=float)


def test_the_flux_that_was_added_is_the_true_one(inject):
    tile, truth = inject(recipe(number=20))
    assert len(truth) == 20
    expected = mag_to_image_flux(truth["mag"], META.zero_point_mag)
    photons = np.sqrt(expected / META.gain_e_per_unit)
    pulls = (fluxes(np.asarray(tile.science), truth) - expected) / photons
    # Twenty standard normal numbers: |mean| < 3 / sqrt 20, spread within three of its standard errors.
    assert abs(pulls.mean()) < 0.67
    assert 0.5 < pulls.std() < 1.5
    assert np.allclose(truth["flux"], mag_to_njy(truth["mag"]))


@pytest.mark.parametrize("zero_point_mag", [0.0, 22.5, 31.4, 48.6, 60.0])
def test_magnitudes_hold_on_a_tile_of_any_zero_point(inject, zero_point_mag):
    """The same sky in another unit: the same galaxies with the same photons."""
    factor = 10 ** (0.4 * (zero_point_mag - META.zero_point_mag))
    meta = replace(META, zero_point_mag=zero_point_mag, gain_e_per_unit=META.gain_e_per_unit / factor)
    plain, truth = inject(recipe(number=20), folder="plain")
    rms = np.full((300, 320), factor, np.float32)
    tile, same = inject(recipe(number=20), blank_tile(meta=meta, rms=rms))

    np.testing.assert_array_equal(same["mag"], truth["mag"])
    np.testing.assert_allclose(tile.science / np.float32(factor), plain.science, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(tile.rms / np.float32(factor), plain.rms, rtol=1e-4)
    expected = mag_to_image_flux(truth["mag"], zero_point_mag)
    # The faintest galaxy has 6,000 electrons.
    np.testing.assert_allclose(fluxes(tile.science, same), expected, rtol=5 / 6000**0.5)


def test_the_noise_map_holds_the_added_photon_noise(inject):
    tile, truth = inject(recipe(number=20))
    added_variance = np.asarray(tile.rms, dtype=float) ** 2 - 1
    expected = mag_to_image_flux(truth["mag"], META.zero_point_mag) / META.gain_e_per_unit
    # The rms is stored in single precision.
    assert fluxes(added_variance, truth) == pytest.approx(expected, rel=1e-4)
    noise = np.asarray(tile.science, float) - added_variance * META.gain_e_per_unit
    bright = added_variance > 1
    # Some thousand independent pixels with unit variance after division by the noise map.
    assert np.std(noise[bright] / np.sqrt(added_variance[bright])) == pytest.approx(1, abs=0.1)


def test_the_light_is_where_the_truth_says(inject):
    tile, truth = inject(recipe(number=20, flux="rescaled", mag=[17, 17.5]))
    image = np.asarray(tile.science, dtype=float)
    stamps = cutouts(image, truth["x"], truth["y"], SIZE)
    offset = np.arange(SIZE) - SIZE // 2
    total = stamps.sum(axis=(1, 2))
    x = np.rint(truth["x"]) + (stamps * offset).sum(axis=(1, 2)) / total
    y = np.rint(truth["y"]) + (stamps * offset[:, np.newaxis]).sum(axis=(1, 2)) / total
    # Photon noise of the centroid: 3 px / sqrt(electrons), of which there are 6e4 at least.
    assert x == pytest.approx(truth["x"], abs=0.06)
    assert y == pytest.approx(truth["y"], abs=0.06)


def test_only_test_galaxies_within_the_magnitudes_are_used(inject, galaxies):
    _, truth = inject(recipe(number=20, mag=[21, 22]))
    allowed = galaxies["mag"][
        (galaxies["side"] == "test") & (galaxies["mag"] >= 21) & (galaxies["mag"] <= 22)
    ]
    assert set(truth["mag"]) <= set(allowed)
    assert set(truth["kind"]) == {"galaxy"}
    assert truth["re"] == pytest.approx(3.0)


def test_rescaled_magnitudes_fill_their_range(inject):
    _, truth = inject(recipe(number=30, flux="rescaled", mag=[24, 26], min_distance_px=20))
    assert truth["mag"].min() >= 24
    assert truth["mag"].max() <= 26
    assert np.ptp(truth["mag"]) > 1.5


def test_distances_and_edges(inject):
    _, truth = inject(recipe(number=1000, min_distance_px=25, edge_px=30))
    x, y = truth["x"], truth["y"]
    assert 30 < len(x) < 1000
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    assert distance[~np.eye(len(x), dtype=bool)].min() >= 25
    # The edge is kept by whole pixels; the centre may lie half a pixel off.
    assert x.min() >= 29.5
    assert x.max() <= 289.5
    assert y.min() >= 29.5
    assert y.max() <= 269.5


def test_a_density_counts_only_pixels_with_data(inject):
    mask = np.zeros((300, 320), np.uint8)
    mask[:150] = MaskBit.NO_DATA
    tile, truth = inject(
        recipe(density_per_arcmin2=40.0, edge_px=10, min_distance_px=5), blank_tile(mask=mask)
    )
    assert len(truth) == round(40 * 150 * 320 * (0.2 / 60) ** 2)
    assert truth["y"].min() >= 150
    assert not np.asarray(tile.science)[:150].any()


def test_more_galaxies_leave_the_first_ones_as_they_are(inject):
    few, many = (inject(recipe(number=n), folder=str(n))[1] for n in (5, 15))
    for name in ("x", "y", "mag"):
        assert np.array_equal(few[name], many[name][:5])


def test_the_same_bits_for_one_seed_and_others_for_another(inject, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        inject(recipe(seed=seed, number=5), folder=folder)
    for name in ("tile.fits", "truth.parquet"):
        a, b, c = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert a == b
        assert a != c


def test_the_tile_stays_below_the_galaxies(inject):
    science = np.random.default_rng(26).normal(size=(300, 320)).astype(np.float32)
    rms = np.full((300, 320), 1.5, np.float32)
    alone, truth = inject(recipe(number=10), folder="alone")
    added, same = inject(recipe(number=10), blank_tile(science=science, rms=rms), folder="added")
    assert np.array_equal(truth["x"], same["x"])
    # Sums of float32 numbers of some hundred.
    assert np.allclose(added.science, science + np.asarray(alone.science), atol=1e-3)
    variance = np.asarray(alone.rms, float) ** 2 - 1 + 1.5**2
    assert np.allclose(np.asarray(added.rms, float) ** 2, variance, rtol=1e-5)


def test_what_stands_near_is_marked(inject):
    science = np.zeros((300, 320), np.float32)
    _, empty = inject(recipe(number=6), folder="empty")
    science[round(empty["y"][2]), round(empty["x"][2]) + 5] = 500
    _, truth = inject(recipe(number=6), blank_tile(science=science), folder="near")
    assert empty["is_isolated"].all()
    assert truth["is_isolated"].tolist() == [True, True, False, True, True, True]


def test_saturation_is_marked_in_mask_and_truth(inject):
    meta = TileMeta(**{**vars(META), "saturation": 200.0})
    tile, truth = inject(recipe(number=20, flux="rescaled", mag=[17, 22]), blank_tile(meta=meta))
    saturated = (np.asarray(tile.mask) & MaskBit.SATURATED) != 0
    assert np.array_equal(saturated, np.asarray(tile.science) >= 200)
    assert set(truth["flags"]) == {0, Flag.SATURATED}
    assert truth["mag"][truth["flags"] > 0].max() < truth["mag"][truth["flags"] == 0].min() + 0.5


def test_galaxies_that_reach_over_the_edge(inject):
    """Small spacing from the edge: half of a stamp may be off the tile."""
    tile, truth = inject(recipe(number=40, edge_px=4, min_distance_px=10), blank_tile((60, 70)))
    assert len(truth) > 5
    assert tile.shape == (60, 70)
    assert np.isfinite(tile.science).all()


def test_provenance_and_version(inject, tmp_path):
    tile, truth = inject(recipe(number=3))
    record = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert record["rows"] == 3
    assert set(record["inputs"]) == {"tile", "stamps", "truth"}
    assert tile.meta.version == truth.meta["version"] == recipe(number=3)["version"]
    assert tile.meta.tile_id == "t"


@pytest.mark.parametrize(
    ("settings", "tile", "message"),
    [
        ({"number": 3, "mag": [10, 11]}, {}, r"galaxies\.parquet.*side test with mag in \[10.*none"),
        ({"number": 3, "edge_px": 200}, {}, r"tile t.*room for at least one.*none on 320x300 px"),
        ({"number": 3}, {"pixel_scale_arcsec": 0.4}, r"tile\.fits.*toy, 0\.2 arcsec.*0\.4 arcsec"),
    ],
)
def test_what_cannot_be_done_says_why(inject, tmp_path, settings, tile, message):
    meta = TileMeta(**{**vars(META), **tile})
    with pytest.raises(DataError, match=message):
        inject(recipe(**settings), blank_tile(meta=meta))
    assert not (tmp_path / "out" / "tile.fits").exists()


def test_stamps_are_not_changed(inject, tmp_path, galaxies):
    with StampSet.open(tmp_path / "stamps.h5") as stamps:
        before = stamps.read("image", slice(None))
    inject(recipe(number=10))
    with StampSet.open(tmp_path / "stamps.h5") as stamps:
        assert np.array_equal(stamps.read("image", slice(None)), before)


def close_pairs(truth):
    distance = np.hypot(*(truth[name][:, None] - truth[name] for name in ("x", "y")))
    np.fill_diagonal(distance, np.inf)
    return distance.min(axis=1)


def test_a_share_of_the_galaxies_comes_as_pairs(inject):
    _, truth = inject(recipe(number=20, crowded_fraction=0.5, crowded_separation_fwhm=[0.5, 2.0]))
    nearest = close_pairs(truth)

    assert len(truth) == 20
    paired = nearest < 2.0 * META.psf_fwhm_px + 1  # positions are right to half a pixel along each axis
    assert paired.sum() == 10
    assert nearest[paired].min() > 0.5 * META.psf_fwhm_px - 1
    assert nearest[~paired].min() >= SIZE


def test_pairs_change_nothing_for_the_others(inject):
    _, alone = inject(recipe(number=12))
    tile, truth = inject(recipe(number=18, crowded_fraction=2 / 3), folder="crowded")

    for name in ("x", "y", "mag"):
        assert truth[name][:12].tolist() == alone[name].tolist()
    expected = mag_to_image_flux(truth["mag"], META.zero_point_mag).sum()
    light = float(np.asarray(tile.science, dtype=float).sum())
    assert light == pytest.approx(expected, abs=5 * np.sqrt(expected / META.gain_e_per_unit))


def test_both_of_a_pair_count_as_not_isolated(inject):
    _, truth = inject(recipe(number=20, crowded_fraction=0.5))

    assert not truth["is_isolated"][close_pairs(truth) < 8].any()


def test_the_truth_says_who_are_a_pair(inject):
    _, truth = inject(recipe(number=20, crowded_fraction=0.5))
    pair = truth["pair_id"]

    numbers, counts = np.unique(pair[pair > 0], return_counts=True)
    assert counts.tolist() == [2] * 5 and (pair == 0).sum() == 10
    for number in numbers:
        x, y = (truth[name][pair == number] for name in ("x", "y"))
        assert np.hypot(*(np.diff(values)[0] for values in (x, y))) < 2.0 * META.psf_fwhm_px + 1


def test_who_lost_the_second_galaxy_is_alone(inject):
    """Bad pixels where two of four second galaxies would go, far from the first ones."""
    settings = {"number": 10, "crowded_fraction": 0.8, "crowded_separation_fwhm": [4.0, 5.0]}
    _, before = inject(recipe(**settings))
    mask = np.zeros((300, 320), np.uint8)
    mask[np.rint(before["y"][-2:]).astype(int), np.rint(before["x"][-2:]).astype(int)] = MaskBit.BAD
    _, truth = inject(recipe(**settings), blank_tile(mask=mask), folder="bad")

    assert (len(before), len(truth)) == (10, 8)
    np.testing.assert_array_equal(truth["x"], before["x"][:8])
    # First come the first ones, then those beside them.
    assert before["pair_id"][:4].tolist() == before["pair_id"][6:].tolist()
    assert truth["pair_id"].tolist() == [*before["pair_id"][:2], 0, 0, 0, 0, *before["pair_id"][6:8]]


def test_draws_are_other_galaxies_in_other_places(inject):
    """And each of them is the same, whatever others there are."""
    (tile, first), (_, second) = (
        inject(recipe(number=20, crowded_fraction=0.5, draw=draw), folder=str(draw)) for draw in (0, 1)
    )

    assert len(set(first["source_id"]) | set(second["source_id"])) == 40
    pairs = [set(truth["pair_id"]) - {0} for truth in (first, second)]
    assert len(pairs[0] | pairs[1]) == 10
    assert not set(first["x"]) & set(second["x"])
    again, _ = inject(recipe(number=20, crowded_fraction=0.5), folder="again")
    np.testing.assert_array_equal(tile.science, again.science)
