"""Long catalogues in files of equal length, and where on the sky each lies."""

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.provenance.record import sha256
from skymill.survey.parts import Parts, arc, joint_bounds


def rows(count, start=0, tile_id="a"):
    numbers = np.arange(start, start + count)
    columns = {name: np.zeros(count) for name in ("x", "y", "flux", "flux_err", "mag", "mag_err", "snr")}
    return {
        "tile_id": np.full(count, tile_id),
        "tile_object_id": numbers,
        "ra": 10 + numbers * 1e-3,
        "dec": numbers * 1e-3,
        "flags": np.zeros(count, dtype=np.int32),
        **columns,
    }


@pytest.mark.parametrize("pieces", [(10,), (3, 3, 4), (1, 0, 8, 1), (4, 4, 2)])
def test_files_are_the_same_however_rows_come(tmp_path, pieces):
    writer = Parts(tmp_path / "parts", "survey", 4, {"stage": "survey"})
    start = 0
    for count in pieces:
        writer.add(**rows(count, start))
        start += count
    found = writer.finish()
    assert [part["rows"] for part in found] == [4, 4, 2]
    assert [part["first_object_id"] for part in found] == [0, 4, 8]
    whole = Parts(tmp_path / "whole", "survey", 4, {"stage": "survey"})
    whole.add(**rows(10))
    assert [part["sha256"] for part in whole.finish()] == [part["sha256"] for part in found]
    for number, part in enumerate(found):
        path = tmp_path / part["file"]
        assert path.name == f"part-{number:05d}.parquet"
        assert sha256(path) == part["sha256"]
        catalogue = Catalogue.read(path, "survey")
        assert catalogue.meta["part"] == number
        assert (catalogue["object_id"] == catalogue["tile_object_id"]).all()


def test_names_of_different_length_are_kept_whole(tmp_path):
    writer = Parts(tmp_path / "parts", "survey", 5, {})
    writer.add(**rows(2, 0, "a"))
    writer.add(**rows(2, 2, "a_long_name"))
    (part,) = writer.finish()
    assert part["tiles"] == ["a", "a_long_name"]
    assert set(Catalogue.read(tmp_path / part["file"])["tile_id"]) == {"a", "a_long_name"}


def test_no_rows_are_one_file_without_rows(tmp_path):
    (part,) = Parts(tmp_path / "parts", "survey", 5, {}).finish()
    assert part["rows"] == len(Catalogue.read(tmp_path / part["file"], "survey")) == 0
    assert joint_bounds([part]) == {}


@pytest.mark.parametrize(
    ("west", "east", "expected"),
    [
        ([10, 12, 11], [10, 12, 11], [10, 12]),
        ([359, 1, 0.5], [359, 1, 0.5], [359, 1]),
        ([5], [5], [5, 5]),
        ([350, 4], [2, 6], [350, 6]),
        ([350, 20], [15, 30], [350, 30]),
        ([350, 0], [15, 10], [350, 15]),
        ([10, 200], [30, 220], [200, 30]),
        ([0, 90, 180, 270], [90, 180, 270, 0], [0, 360]),
    ],
)
def test_the_shortest_arc(west, east, expected):
    assert arc(np.array(west, dtype=float), np.array(east, dtype=float)) == expected


def test_the_bounds_of_the_whole_hold_those_of_the_parts():
    parts = [
        {"rows": 3, "ra": [359.0, 359.5], "dec": [-1.0, 2.0]},
        {"rows": 0},
        {"rows": 2, "ra": [359.4, 0.5], "dec": [1.0, 3.0]},
    ]
    assert joint_bounds(parts) == {"ra": [359.0, 0.5], "dec": [-1.0, 3.0]}
