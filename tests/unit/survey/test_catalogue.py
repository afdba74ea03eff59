"""The stage survey: every source once, in files that do not depend on how the work was done."""

import json

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_array_equal

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.schema import load_schema
from skymill.errors import DataError
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import product_files, read_record, sha256
from skymill.survey.catalogue import survey_catalogue

from .conftest import SCALE_ARCSEC, make_tile, measure, on_tile

STEP_DEG = SCALE_ARCSEC / 3600
TILES = [
    make_tile("north", 10.0, 60 * STEP_DEG),
    make_tile("south", 10.0, 0.0),
    make_tile("turned", 10.0 - 70 * STEP_DEG, 20 * STEP_DEG, turn=30.0),
    make_tile("within", 10.0, 5 * STEP_DEG, shape=(30, 30)),
]


def sources(count=400):
    """Positions around the tiles, and a row of them on the seam of two."""
    random = np.random.default_rng(3)
    ra, dec = 10 + random.uniform(-150, 100, count) * STEP_DEG, random.uniform(-70, 130, count) * STEP_DEG
    seam = 10 + np.linspace(0, 50, 40) * STEP_DEG, np.full(40, 30 * STEP_DEG)
    return np.append(ra, seam[0]), np.append(dec, seam[1])


def recipe_of(rows_per_file=1000):
    params = {"survey_catalogue": {"rows_per_file": rows_per_file}}
    return Recipe("survey", "sep", params, {"north": "0123456789"}).to_dict()


def run(entries, folder, rows_per_file=1000):
    survey_catalogue(recipe_of(rows_per_file), entries, folder / "parts", folder / "index.json")
    return json.loads((folder / "index.json").read_text())


def read(folder, index):
    return [Catalogue.read(folder / part["file"], "survey") for part in index["parts"]]


def test_each_source_is_there_once_with_what_its_tile_measured(toys, tmp_path):
    ra, dec = sources()
    index = run(toys.survey(TILES, ra, dec), tmp_path / "out")
    (found,) = read(tmp_path / "out", index)
    seen = np.any([on_tile(tile, ra, dec)[2] for tile in TILES], axis=0)
    assert sorted(found["flux"]) == np.flatnonzero(seen).tolist()
    assert index["rows"] == len(found) == seen.sum()
    assert set(found["tile_id"]) == {"north", "south", "turned"}
    for tile in TILES[:3]:
        own = Catalogue.read(toys.folder / f"{tile.meta.tile_id}.parquet")
        rows = found["tile_id"] == tile.meta.tile_id
        for name in ("flux", "x", "y", "ra", "dec"):
            assert (own[name][found["tile_object_id"][rows]] == found[name][rows]).all()


def test_numbers_are_unique_through_all_files(toys, tmp_path):
    index = run(toys.survey(TILES, *sources()), tmp_path / "out", rows_per_file=50)
    parts = read(tmp_path / "out", index)
    assert {len(part) for part in parts[:-1]} == {50}
    assert 0 < len(parts[-1]) <= 50
    assert np.concatenate([part["object_id"] for part in parts]).tolist() == list(range(index["rows"]))


def test_the_order_of_tiles_changes_no_byte(toys, tmp_path):
    entries = toys.survey(TILES, *sources())
    run(entries, tmp_path / "one", 70)
    run(entries[::-1], tmp_path / "other", 70)
    names = [name for name in product_files(tmp_path / "one") if name != "provenance.json"]
    assert len(names) > 3
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_size_of_files_changes_no_row(toys, tmp_path):
    entries = toys.survey(TILES, *sources())
    (whole,) = read(tmp_path / "one", run(entries, tmp_path / "one"))
    parts = read(tmp_path / "other", run(entries, tmp_path / "other", 64))
    together = Catalogue.concatenate(parts)
    for name in whole.table.colnames:
        assert_array_equal(whole[name], together[name])


def test_the_index_says_where_everything_is(toys, tmp_path):
    index = run(toys.survey(TILES, *sources()), tmp_path / "out", 100)
    assert index["schema"] == f"survey {load_schema('survey').version}"
    assert (index["stage"], index["name"], index["tiles"]) == ("survey", "sep", 4)
    assert sum(part["rows"] for part in index["parts"]) == index["rows"]
    for part, catalogue in zip(index["parts"], read(tmp_path / "out", index), strict=True):
        assert part["sha256"] == sha256(tmp_path / "out" / part["file"])
        assert part["ra"] == [catalogue["ra"].min(), catalogue["ra"].max()]
        assert part["dec"] == [catalogue["dec"].min(), catalogue["dec"].max()]
        assert index["dec"][0] <= part["dec"][0] <= part["dec"][1] <= index["dec"][1]


def test_the_files_are_read_with_units(toys, tmp_path):
    index = run(toys.survey(TILES, *sources()), tmp_path / "out")
    table = Table.read(tmp_path / "out" / index["parts"][0]["file"], format="parquet.votable")
    assert str(table["flux"].unit) == "nJy"
    assert table["tile_id"].description.startswith("Tile that the source was measured on")


def test_the_record_has_every_file(toys, tmp_path):
    entries = toys.survey(TILES, *sources())
    index = run(entries, tmp_path / "out", 100)
    record = read_record(tmp_path / "out")
    assert record["rows"] == index["rows"]
    assert set(record["outputs"]) == {"index.json", *(part["file"] for part in index["parts"])}
    assert {role: entry["path"] for role, entry in record["inputs"].items()} == {
        entry["tile_id"]: entry["catalogue"] for entry in entries
    }
    found = sum(len(Catalogue.read(entry["catalogue"])) for entry in entries)
    assert record["extra"]["left_to_neighbours"] == found - index["rows"]


def test_what_another_window_holds_is_left_out(toys, tmp_path):
    catalogue = measure(TILES[1], *sources())
    catalogue.table["is_primary"][::2] = False
    index = run([toys.write(TILES[1], catalogue)], tmp_path / "out")
    (found,) = read(tmp_path / "out", index)
    assert found["tile_object_id"].tolist() == list(range(1, len(catalogue), 2))


def test_tiles_without_sources_are_a_catalogue_without_rows(toys, tmp_path):
    index = run(toys.survey(TILES, np.empty(0), np.empty(0)), tmp_path / "out")
    assert index["rows"] == 0
    assert [len(part) for part in read(tmp_path / "out", index)] == [0]


def test_pixels_are_not_read(toys, tmp_path):
    """Tiles whose pixels are gone: what stays of the file is the headers and holes."""
    entries = toys.survey(TILES[:2], *sources())
    expected = run(entries, tmp_path / "one")
    tile = TILES[0]
    damaged = type(tile)(tile.science * np.nan, tile.rms * np.nan, tile.mask, tile.wcs, tile.meta)
    damaged.write(entries[0]["tile"])
    assert run(entries, tmp_path / "other") == expected


def test_another_tiles_image_is_refused(toys, tmp_path):
    entries = toys.survey(TILES[:2], *sources())
    entries[0]["tile"] = entries[1]["tile"]
    with pytest.raises(DataError, match="expected the tile north, found the tile south"):
        run(entries, tmp_path / "out")
    assert not (tmp_path / "out" / "index.json").exists()


def test_columns_are_those_of_measurements():
    """What they mean is said in two schemas: it has to be the same."""
    survey, measured = load_schema("survey").columns, load_schema("measurement").columns
    assert list(survey)[:3] == ["object_id", "tile_id", "tile_object_id"]
    beside = {"object_id", "stamp_id", "galaxy_id", "is_primary"}
    assert list(survey)[3:] == [name for name in measured if name not in beside]
    for name in list(survey)[3:]:
        same = {"description": ""}
        assert survey[name].model_copy(update=same) == measured[name].model_copy(update=same)
