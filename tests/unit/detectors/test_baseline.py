from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.match import match_positions
from skymill.data.stamps import write_shard
from skymill.detectors import baseline as module
from skymill.detectors.baseline import baseline_blends, baseline_tile
from skymill.detectors.source_extractor import find_program
from skymill.errors import DataError

CANVAS = 64


def recipe(kind: str, survey: Any, **options: Any) -> dict[str, Any]:
    return {
        "stage": "baseline",
        "name": f"t1.{kind}",
        "revision": 1,
        "version": "0123456789",
        "params": {
            "seed": 1,
            "detector": {"kind": kind, **options},
            "survey": survey.model_dump(mode="json"),
        },
        "parents": {"tile": "abcdef0123"},
    }


def kinds() -> list[str]:
    return ["sep", "photutils"] + (["source_extractor"] if find_program() else [])


@pytest.fixture
def blends(tmp_path: Path, draw):
    """Six blends of two galaxies; those of the odd stamps close."""
    random = np.random.default_rng(5)
    images, rows = [], []
    for stamp in range(6):
        distance = 7.0 if stamp % 2 else 14.0
        x, y = np.array([32.0, 32.0 + distance]), np.array([32.0, 32.0])
        images.append(draw((CANVAS, CANVAS), x, y, [4e3, 2e3], [2.0, 2.0], [2.0, 2.0], [0.0, 0.0]))
        rows += [(stamp, number, x[number], y[number]) for number in range(2)]
    noisy = np.array(images)[:, None] + random.normal(0, 1, (6, 1, CANVAS, CANVAS))
    write_shard(tmp_path / "stamps.h5", {"image": noisy.astype(np.float32)}, 0, {})
    stamp_id, number, x, y = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    Catalogue.from_columns(
        "blends",
        stamp_id=stamp_id,
        galaxy_id=np.arange(n),
        role=np.where(number == 0, "central", "companion"),
        n_galaxies=np.full(n, 2),
        x=x,
        y=y,
        mag=np.full(n, 20.0),
        flux=np.full(n, 1.0),
        re=np.ones(n),
        kind=np.full(n, "bulge_disc"),
        bulge_to_total=np.zeros(n),
        separation=np.ones(n),
        separation_re=np.ones(n),
        delta_mag=np.zeros(n),
        blend_class=np.full(n, "strong"),
    ).write(tmp_path / "truth.parquet")
    return tmp_path / "stamps.h5", tmp_path / "truth.parquet", stamp_id, x, y


@pytest.mark.parametrize("kind", kinds())
def test_a_tile_becomes_a_catalogue_with_its_record(kind, field, survey, tmp_path):
    field.tile.write(tmp_path / "tile.fits")
    output = tmp_path / "out" / "catalogue.parquet"
    baseline_tile(recipe(kind, survey, setting="plain"), tmp_path / "tile.fits", output)
    found, record = (
        Catalogue.read(output, "measurement"),
        json.loads((output.parent / "provenance.json").read_text()),
    )
    match = match_positions(field.x, field.y, found["x"], found["y"], 1.0)

    assert len(match) == 25
    assert record["rows"] == len(found)
    assert list(record["extra"]["tools"]) == [kind.replace("_", "-")]
    assert found.meta["name"] == f"t1.{kind}"
    assert found.meta["parent.tile"] == "abcdef0123"
    assert found.meta[kind.replace("_", "-")]
    # Zero-point 25: flux in nJy is 363.08 times that in image units.
    assert np.median(found["flux"][match.index2] / field.flux) == pytest.approx(363.08 * 0.98, rel=0.03)
    assert (np.abs(found["ra"] - 150) < 0.02).all()


def test_the_same_tile_gives_the_same_file(field, survey, tmp_path):
    field.tile.write(tmp_path / "tile.fits")
    outputs = [tmp_path / name / "catalogue.parquet" for name in ("one", "two")]
    for output in outputs:
        baseline_tile(recipe("sep", survey), tmp_path / "tile.fits", output)

    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.parametrize("kind", kinds())
def test_an_empty_sky_is_a_valid_empty_catalogue(kind, empty_tile, survey, tmp_path):
    empty_tile.write(tmp_path / "tile.fits")
    baseline_tile(recipe(kind, survey), tmp_path / "tile.fits", tmp_path / "out" / "catalogue.parquet")

    assert len(Catalogue.read(tmp_path / "out" / "catalogue.parquet", "measurement")) == 0


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("pixels", [2**24, 2 * 72**2])
def test_blends_are_found_on_their_canvas(kind, pixels, blends, survey, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOSAIC_PIXELS", pixels)
    stamps, truth, stamp_id, x, y = blends
    output = tmp_path / "out" / "catalogue.parquet"
    baseline_blends(recipe(kind, survey), stamps, truth, output)
    found = Catalogue.read(output, "measurement")

    assert found["object_id"].tolist() == list(range(len(found)))
    far = 1000.0 * stamp_id, 1000.0 * found["stamp_id"]
    assert len(match_positions(x + far[0], y, found["x"] + far[1], found["y"], 1.5)) == len(x)
    assert len(found) == len(x)


def test_the_size_of_the_mosaics_does_not_change_the_sources(blends, survey, tmp_path, monkeypatch):
    found = []
    for pixels in (2**24, 72**2):
        monkeypatch.setattr(module, "MOSAIC_PIXELS", pixels)
        output = tmp_path / str(pixels) / "catalogue.parquet"
        baseline_blends(recipe("sep", survey), blends[0], blends[1], output)
        found.append(Catalogue.read(output, "measurement"))

    # Deblending deals out the pixels between two sources at random, in the order in which sources come.
    np.testing.assert_array_equal(found[0]["stamp_id"], found[1]["stamp_id"])
    np.testing.assert_allclose(found[0]["x"], found[1]["x"], atol=0.1)
    np.testing.assert_allclose(found[0]["flux"], found[1]["flux"], rtol=0.05)


def test_a_truth_of_other_stamps_is_refused(blends, survey, tmp_path):
    stamps, truth, *_ = blends
    write_shard(stamps, {"image": np.zeros((3, 1, CANVAS, CANVAS), np.float32)}, 0, {})

    with pytest.raises(DataError, match=r"truth\.parquet: expected stamps 0 to 2"):
        baseline_blends(recipe("sep", survey), stamps, truth, tmp_path / "out" / "catalogue.parquet")
