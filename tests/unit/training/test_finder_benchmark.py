"""The benchmark of finders counts what it should and writes what a model card can take."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.data.tile import Tile, TileMeta
from skymill.metrics.record import from_json
from skymill.training.finder_card import load_finder
from skymill.training.shipped import ship_model

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def benchmark():
    specification = importlib.util.spec_from_file_location("finder_benchmark", ROOT / "benchmarks/finder.py")
    module = importlib.util.module_from_spec(specification)
    # Dataclasses look their module up there.
    sys.modules["finder_benchmark"] = module
    specification.loader.exec_module(module)
    return module


def test_detections_of_faint_sources_are_neither_right_nor_wrong(benchmark):
    found = benchmark.Detections(*np.array([[10.0, 50.0, 80.0], [10.0, 50.0, 80.0], [0.9, 0.6, 0.5]]))
    x = y = np.array([10.5, 50.5, 30.0])
    judged = benchmark.judge(found, x, y, np.array([True, False, True]), 2.0)
    # The first is an object, the second a source that is none, the third nothing; one object is not found.
    assert judged.score.tolist() == [0.9, 0.5]
    assert judged.is_real.tolist() == [True, False]
    assert judged.best.tolist() == [0.9, -np.inf]


def test_the_surest_detection_takes_the_object(benchmark):
    found = benchmark.Detections(*np.array([[10.0, 11.0], [10.0, 10.0], [0.3, 0.8]]))
    judged = benchmark.judge(found, np.array([10.2]), np.array([10.0]), np.array([True]), 2.0)
    assert judged.best.tolist() == [0.8]
    assert sorted(judged.is_real.tolist()) == [False, True]


@pytest.fixture
def figures(benchmark, finder, survey, write_patches, tmp_path, monkeypatch, capsys):
    """Figures of the tiny finder and of sep on six patches and on a tile, by key; and what was printed."""
    monkeypatch.setattr(benchmark, "missing_detectors", lambda: {"source_extractor": "not here"})
    files = write_patches(tmp_path / "patches", survey, 6, 99)
    random = np.random.default_rng(3)
    row, column = np.mgrid[:96, :96]
    x, y = np.array([20.0, 70.0, 45.0]), np.array([20.0, 30.0, 75.0])
    squared = (row - y[:, None, None]) ** 2 + (column - x[:, None, None]) ** 2
    science = random.normal(0, 2.0, (96, 96)) + (60 * np.exp(-squared / 1.445)).sum(axis=0)
    meta = TileMeta("t", survey.name, "r", 0.4, 25.0, 100.0, None, 2.0)
    Tile(
        science.astype(np.float32),
        np.full((96, 96), 2.0, np.float32),
        np.zeros((96, 96), np.uint8),
        None,
        meta,
    ).write(tmp_path / "tile.fits")
    sky = dict.fromkeys(("ra", "dec", "flags"), np.zeros(3))
    light = {"mag": np.full(3, 20.0), "flux": np.full(3, 3e4), "re": np.ones(3)}
    known = {"source_id": np.arange(3), "kind": ["galaxy"] * 3, "is_isolated": np.ones(3, bool)}
    Catalogue.from_columns("sources", {}, x=x, y=y, **light, **sky, **known).write(tmp_path / "known.parquet")
    patches = ["--stamps", str(files["stamps"]), "--truth", str(files["truth"])]
    tile = ["--tile", str(tmp_path / "tile.fits"), "--injected", str(tmp_path / "known.parquet")]
    benchmark.main([str(finder), *patches, *tile, "--out", str(tmp_path / "out" / "figures.json")])
    records = from_json((tmp_path / "out" / "figures.json").read_text())
    return {record.key: record for record in records}, capsys.readouterr(), tmp_path / "out" / "figures.json"


def test_figures_agree_with_the_card_and_with_each_other(figures, finder, survey):
    found, printed, path = figures
    card = load_finder(finder).card
    for metric in ("completeness", "purity"):
        record = found[metric, "test_scenes", card.name, "all"]
        assert record.low <= record.value <= record.high
        assert record.value == pytest.approx(getattr(card.detection, metric), abs=0.2)
    sep = found["purity", "test_scenes", "sep_plain", "all"]
    ours = found["purity", "test_scenes", card.name, "all at purity of sep_plain"]
    assert ours.value >= sep.value - 1e-9
    parts = [record.n for key, record in found.items() if key[2] == "sep" and key[3].startswith("snr:")]
    assert sum(parts) == found["completeness", "test_scenes", "sep", "all"].n

    assert found["completeness", "injected:t", "sep", "all"].value == 1.0
    assert found["completeness", "injected:t", card.name, "all"].n == 3
    assert not any(key[0] == "purity" and key[1] == "injected:t" for key in found)
    assert "not here" in printed.err and "close_pair_fainter" in printed.out

    shipped = load_finder(ship_model(finder, "net", path.parent, path)).card
    assert any(key.startswith("test_scenes, close_pair_fainter") for key in shipped.test)
    assert not any("injected" in key for key in shipped.test)
