"""Subsets, against a row-by-row reading of their definitions."""

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.flags import Flag
from skymill.compare.matched import match_dataset, with_reference_outcome
from skymill.compare.subsets import blend_subsets, detection_subsets, truth_subsets
from skymill.config.compare import CompareConfig
from skymill.data.survey import mag_to_njy

CONFIG = CompareConfig(mag_edges_mag=(18, 20, 22), separation_edges_re=(0, 1, 2))


@pytest.fixture
def blend_table(blends, measurement, as_truth):
    """Two hundred blends of two to three galaxies, found by a detector with luck; and a reference detector's luck."""
    generator = np.random.default_rng(16)
    stamp = np.repeat(np.arange(200), generator.integers(2, 4, 200))
    n = len(stamp)
    first = np.unique(stamp, return_index=True)[1]
    truth = as_truth(
        blends(
            stamp,
            20.0 * (np.arange(n) - first[stamp]),
            np.full(n, 30.0),
            flux=mag_to_njy(generator.uniform(17, 23, n)),
            separation_re=generator.uniform(0, 3, n),
            blend_class=generator.choice(["isolated", "moderate", "strong"], n),
            bulge_to_total=generator.choice([0.0, 0.2, 0.49, 0.5, 1.0, np.nan], n),
        )
    )

    def detector(name, chance, spurious):
        rows = np.flatnonzero(generator.random(n) < chance)
        stamps = np.concatenate([stamp[rows], generator.integers(0, 200, spurious)])
        x = np.concatenate([truth.x[rows], np.full(spurious, 95.0)])
        found = measurement(
            x, np.full(len(x), 30.0), stamp_id=stamps, flux=generator.uniform(100, 1e5, len(x))
        )
        return match_dataset("test_blends", name, truth, found, 3.0)

    return with_reference_outcome(detector("photutils", 0.8, 25), detector("sep", 0.7, 10))


def by_rows(matched, condition):
    """Apply a condition to each row as a dict."""
    columns = {name: matched[name] for name in matched.table.colnames}
    return [
        bool(condition({name: values[i] for name, values in columns.items()})) for i in range(len(matched))
    ]


DEFINITIONS = {
    "all": lambda r: True,
    "central": lambda r: r["role"] == "central",
    "companion": lambda r: r["role"] == "companion",
    "both_found": lambda r: r["reference_outcome"] == "both",
    "central_found": lambda r: r["role"] == "central" and r["reference_outcome"] in ("both", "central_only"),
    "companion_found": lambda r: (
        r["role"] == "companion" and r["reference_outcome"] in ("both", "companion_only")
    ),
    "mag:18-20": lambda r: 18 <= r["mag_true"] < 20,
    "type:disc": lambda r: r["bulge_to_total"] < 0.2,
    "both_found/type:disc_and_bulge": lambda r: (
        r["reference_outcome"] == "both" and 0.2 <= r["bulge_to_total"] < 0.5
    ),
    "type:bulge": lambda r: r["bulge_to_total"] >= 0.5,
    "separation:1-2": lambda r: 1 <= r["separation_re"] < 2,
    "blend_class:strong": lambda r: r["blend_class"] == "strong",
    "both_found/mag:20-22": lambda r: r["reference_outcome"] == "both" and 20 <= r["mag_true"] < 22,
    "both_found/separation:0-1": lambda r: r["reference_outcome"] == "both" and r["separation_re"] < 1,
    "both_found/blend_class:moderate": lambda r: (
        r["reference_outcome"] == "both" and r["blend_class"] == "moderate"
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_subsets_of_blends(blend_table, name):
    subsets = truth_subsets(blend_table, "test_blends", CONFIG)
    expected = by_rows(blend_table, lambda row: row["truth_id"] >= 0 and DEFINITIONS[name](row))
    assert subsets[name].tolist() == expected
    assert any(expected)


def test_whole_blends_are_counted_once_and_by_the_centrals_separation(blend_table):
    subsets = blend_subsets(blend_table, CONFIG)
    assert list(subsets) == ["all", "separation:0-1", "separation:1-2"]
    assert subsets["all"].sum() == 200
    expected = by_rows(blend_table, lambda r: r["role"] == "central" and r["separation_re"] < 1)
    assert subsets["separation:0-1"].tolist() == expected


def test_detections_are_binned_by_what_was_measured(blend_table):
    subsets = detection_subsets(blend_table, CONFIG)
    expected = by_rows(blend_table, lambda r: r["object_id"] >= 0 and 18 <= r["mag"] < 20)
    assert subsets["mag:18-20"].tolist() == expected
    assert subsets["all"].sum() == (blend_table["object_id"] >= 0).sum()


def test_without_a_reference_detector_nothing_is_called_found(blends, as_truth):
    truth = as_truth(blends([0, 0], [1.0, 9.0], [1.0, 1.0]))
    matched = match_dataset("test_blends", "unet", truth, Catalogue.empty("measurement"), 3.0)
    assert not any("found" in name for name in truth_subsets(matched, "test_blends", CONFIG))


def test_subsets_of_sources(sources, measurement, as_truth):
    mag = [17.0, 19.0, 19.0, 21.0, 19.0, 19.0]
    truth = as_truth(
        sources(
            100.0 * np.arange(6),
            np.zeros(6),
            flux=mag_to_njy(np.array(mag)),
            kind=["galaxy", "galaxy", "star", "unknown", "galaxy", "galaxy"],
            is_isolated=[True, True, True, False, False, True],
            flags=[0, 0, 0, 0, 0, int(Flag.MASKED)],
        )
    )
    matched = match_dataset("reference:t", "sep", truth, measurement([900.0], [0.0]), 3.0)
    subsets = {
        name: np.flatnonzero(rows).tolist()
        for name, rows in truth_subsets(matched, "reference:t", CONFIG).items()
    }
    assert subsets == {
        "all": [0, 1, 2, 3, 4],
        "close_pair_fainter": [],
        "galaxies": [0, 1, 4],
        "stars": [2],
        "bright": [0, 1, 2, 4],
        "isolated": [0, 1, 2],
        "blended": [3, 4],
        "isolated_bright": [0, 1, 2],
        "isolated_bright_galaxies": [0, 1],
        "isolated/mag:18-20": [1, 2],
        "isolated/mag:20-22": [],
        "mag:18-20": [1, 2, 4],
        "mag:20-22": [3],
    }


def test_the_fainter_of_close_pairs(sources, measurement, as_truth):
    truth = as_truth(sources([10.0, 14.0, 40.0, 47.0], [10.0, 10.0, 10.0, 10.0], flux=[5.0, 9.0, 1.0, 2.0]))
    matched = match_dataset("injected:t", "sep", truth, measurement([10.0], [10.0]), 3.0)

    assert truth_subsets(matched, "injected:t", CONFIG)["close_pair_fainter"].tolist() == [
        True,
        False,
        False,
        False,
    ]
