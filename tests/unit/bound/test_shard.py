from __future__ import annotations

import json

import numpy as np
import pytest

from skymill.bound.gather import bound_set
from skymill.bound.shard import bound_shard
from skymill.catalog.catalogue import Catalogue
from skymill.data.survey import image_flux_to_njy, mag_to_njy
from skymill.errors import DataError
from skymill.provenance.recipe import Recipe

N_BLENDS = 6
#: Two discs, a star, a round galaxy, one of both components; the last is taken from an image.
KINDS = ["bulge_disc", "bulge_disc", "point", "bulge_disc", "bulge_disc", "real"]
SHAPES = {
    "bulge_to_total": [0.0, 0.0, np.nan, 0.0, 0.4, np.nan],
    "bulge_n": [np.nan] * 4 + [2.0, np.nan],
    "bulge_re": [np.nan] * 4 + [0.3, np.nan],
    "q_bulge": [np.nan] * 4 + [0.7, np.nan],
    "disc_re": [0.5, 0.7, np.nan, 0.5, 0.8, np.nan],
    "q_disc": [0.6, 0.8, np.nan, 1.0, 0.5, np.nan],
    "theta": [20.0, -40.0, np.nan, 0.0, 10.0, np.nan],
    "knots_fraction": [0.0, 0.0, np.nan, 0.0, 0.0, np.nan],
}
MAGNITUDE = 20.0
#: Members of each blend, and the distance of the second.
BLENDS = [([0, 1], 30.0), ([0, 1], 4.0), ([2, 3], 6.0), ([4], 0.0), ([0, 5], 8.0), ([0, 2, 4], 7.0)]


@pytest.fixture
def files(tmp_path):
    """Truth of a population and of blends of it."""
    n = len(KINDS)
    same = {"mag": np.full(n, MAGNITUDE), "flux": np.full(n, mag_to_njy(MAGNITUDE)), "re": np.full(n, 0.5)}
    zero = dict.fromkeys(("dx", "dy", "flags"), np.zeros(n))
    population = Catalogue.from_columns(
        "galaxies", galaxy_id=np.arange(n), side=["test"] * n, kind=KINDS, **same, **SHAPES, **zero
    )
    rows = [
        (stamp, member, place, distance)
        for stamp, (members, distance) in enumerate(BLENDS)
        for place, member in enumerate(members)
    ]
    stamp_id, galaxy_id, place, distance = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    angle = np.where(place == 2, np.pi / 2, 0.0)
    truth = Catalogue.from_columns(
        "blends",
        stamp_id=stamp_id,
        galaxy_id=galaxy_id,
        role=np.where(place == 0, "central", "companion"),
        n_galaxies=np.ones(n),
        x=24 + np.minimum(place, 1) * distance * np.cos(angle),
        y=32 + np.minimum(place, 1) * distance * np.sin(angle),
        mag=np.full(n, MAGNITUDE),
        flux=np.full(n, mag_to_njy(MAGNITUDE)),
        kind=np.array(KINDS)[galaxy_id],
        blend_class=["moderate"] * n,
        **dict.fromkeys(("re", "bulge_to_total", "separation", "separation_re", "delta_mag"), np.zeros(n)),
    )
    population.write(tmp_path / "galaxies.parquet")
    truth.write(tmp_path / "blends.parquet")
    return tmp_path / "blends.parquet", tmp_path / "galaxies.parquet"


@pytest.fixture
def recipe(survey):
    def make(noise="poisson", **changes):
        params = {"survey": {**survey.physics(), **changes}, "noise": {"kind": noise}, "canvas_px": 64}
        return Recipe("bound", "test", {"seed": 1, **params, "n": N_BLENDS}).to_dict()

    return make


@pytest.fixture
def bounds(files, recipe, tmp_path):
    """The bounds by blend and galaxy."""

    def make(*arguments, **changes):
        path = tmp_path / "made.parquet"
        bound_shard(recipe(*arguments, **changes), *files, 0, N_BLENDS, path)
        table = Catalogue.read(path, "bounds").table
        return {(int(row["stamp_id"]), int(row["galaxy_id"])): row for row in table}

    return make


def test_alone_a_galaxy_has_one_bound_in_every_blend(bounds):
    found = bounds()

    for blend in (1, 5):
        assert found[blend, 0]["flux_bound_alone"] == pytest.approx(found[0, 0]["flux_bound_alone"], rel=1e-6)
    assert found[3, 4]["flux_bound"] == found[3, 4]["flux_bound_alone"]


def test_neighbours_cost_more_the_nearer_they_are(bounds):
    found = bounds()
    cost = {blend: found[blend, 0]["flux_bound"] / found[blend, 0]["flux_bound_alone"] for blend in (0, 1)}

    # 30 px are six half-light radii: little of the neighbour's light and noise is left there.
    assert 1 < cost[0] < 1.05
    assert cost[1] > 1.5
    for row in found.values():
        assert not row["flux_bound"] < row["flux_bound_alone"]


def test_parameters_are_counted_and_dropped_directions_told(bounds):
    found = bounds()

    # Disc 6, star 3, both components 10.
    expected = {0: (12, 0), 1: (12, 0), 2: (9, 1), 3: (10, 0), 5: (19, 0)}
    for blend, counts in expected.items():
        rows = [row for (stamp, _), row in found.items() if stamp == blend]
        assert {(row["n_parameters"], row["n_dropped"]) for row in rows} == {counts}


def test_a_galaxy_from_an_image_leaves_its_blend_without_bound(bounds):
    found = bounds()

    for galaxy in (0, 5):
        row = found[4, galaxy]
        assert np.isnan([row["flux_bound"], row["flux_bound_alone"]]).all()
        assert (row["n_parameters"], row["n_dropped"]) == (0, 0)


def test_knots_leave_their_blends_without_bound(bounds, files):
    population = Catalogue.read(files[1], "galaxies")
    population.table["knots_fraction"][1] = 0.2
    population.write(files[1])
    found = bounds()

    assert np.isnan([found[0, 0]["flux_bound"], found[1, 1]["flux_bound"]]).all()
    assert np.isfinite(found[2, 3]["flux_bound"])


def test_the_bound_is_in_njy_whatever_the_image_s_unit(bounds):
    """One image scaled by ten, with its noise and gain: the same information."""
    factor = 10.0
    scaled = bounds(zero_point_mag=25.0 + 2.5, background_rms=0.05 * factor, gain_e_per_unit=100.0 / factor)

    for key, row in bounds().items():
        np.testing.assert_allclose(scaled[key]["flux_bound"], row["flux_bound"], rtol=1e-6)


def test_a_star_s_bound_is_the_closed_form(bounds):
    """sqrt(4 pi sigma**2) rms in white noise, brought to nJy."""
    sigma_px = 0.7 / 2.3548200450309493 / 0.2
    expected = image_flux_to_njy(np.sqrt(4 * np.pi) * sigma_px * 0.05, 25.0)

    assert bounds("gaussian")[2, 2]["flux_bound_alone"] == pytest.approx(expected, rel=1e-3)
    assert bounds("poisson")[2, 2]["flux_bound_alone"] > 1.5 * expected


def test_shards_change_nothing_and_are_tied_together(files, recipe, tmp_path, bounds):
    whole, folder = bounds(), tmp_path / "set"
    shards = [folder / "shards" / f"{start}-{stop}.parquet" for start, stop in ((4, 6), (0, 4))]
    bound_shard(recipe(), *files, 4, 6, shards[0])
    bound_shard(recipe(), *files, 0, 4, shards[1])
    bound_set(recipe(), shards, folder / "bounds.parquet")
    table = Catalogue.read(folder / "bounds.parquet", "bounds").table

    assert [(row["stamp_id"], row["galaxy_id"]) for row in table] == list(whole)
    np.testing.assert_array_equal(table["flux_bound"], [row["flux_bound"] for row in whole.values()])
    record = json.loads((folder / "provenance.json").read_text())
    assert record["rows"] == len(whole)
    assert record["extra"] == {"blends_with_dropped_directions": 1}


def test_missing_shards_are_refused(files, recipe, tmp_path):
    bound_shard(recipe(), *files, 0, 2, tmp_path / "0-2.parquet")

    with pytest.raises(DataError, match=r"expected blends 0 to 5, each in one shard, found 2"):
        bound_set(recipe(), [tmp_path / "0-2.parquet"], tmp_path / "bounds.parquet")


def test_a_galaxy_that_is_not_in_the_population_is_named(files, recipe, tmp_path):
    blends, galaxies = files
    Catalogue.read(galaxies).select(np.arange(5)).write(galaxies)

    with pytest.raises(DataError, match="no galaxy 5"):
        bound_shard(recipe(), blends, galaxies, 0, 6, tmp_path / "bounds.parquet")
