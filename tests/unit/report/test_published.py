"""The published figures on the page are those of the authors' own table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skymill.config.run import load_config
from skymill.metrics.photometry import flux_mape, mag_difference, mag_sigma, outlier_fraction
from skymill.report.published import BY_SEPARATION, OUTCOMES, ROWS, SEPARATIONS, published_datasets
from skymill.report.results import PUBLISHED_COLUMNS

ZERO_POINT_MAG = 25.96
# What SExtractor found, as the table codes it; the galaxies of each subset.
CODES = {"central_only": 0, "companion_only": 1, "both": 2, "more": 3}
SUBSETS = {
    "both_found": ((2,), (1, 2)),
    "central_found": ((0, 2), (1,)),
    "companion_found": ((1, 2), (2,)),
    "all": ((0, 1, 2, 3), (1, 2)),
}
METRICS = {
    "flux_mape": lambda flux, true: flux_mape(flux, true),
    "mag_sigma": lambda flux, true: mag_sigma(mag_difference(flux, true)),
    "outlier_fraction": lambda flux, true: 100 * outlier_fraction(mag_difference(flux, true)),
}


@pytest.fixture(scope="module")
def table(shared_data):
    path = shared_data / "boucaud19_blend_photometry" / "output_catalog.csv"
    return np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")


def measured(table, method, galaxy):
    if method.startswith("SExtractor"):
        return 10 ** (0.4 * (ZERO_POINT_MAG - table[f"g{galaxy}_sex_mag"]))
    return table[f"g{galaxy}_flux_{'b2m2f' if method.startswith('U-Net') else 'b2f'}"]


FIGURES = [(row.method, key, text) for row in ROWS for key, text in row.figures.items()]


@pytest.mark.parametrize(("method", "key", "text"), FIGURES)
def test_figures(table, method, key, text):
    codes, galaxies = SUBSETS[key[1]]
    rows = np.isin(table["detection"], codes)
    flux = np.concatenate([measured(table, method, galaxy)[rows] for galaxy in galaxies])
    true = np.concatenate([table[f"g{galaxy}_flux"][rows] for galaxy in galaxies])

    # Half a unit of the last digit: the figure is a function of the rows, only its rounding may differ.
    assert METRICS[key[0]](flux, true) == pytest.approx(
        float(text), abs=0.5001 * 10 ** -len(text.partition(".")[2])
    )


def test_what_sextractor_found(table):
    for outcome, percent in OUTCOMES.items():
        assert 100 * np.mean(table["detection"] == CODES[outcome]) == pytest.approx(percent, abs=0.05)


def test_every_column_of_the_page_is_known_for_the_networks():
    networks = [row for row in ROWS if not row.method.startswith("SExtractor")]

    assert len(networks) == 2
    assert all(row.text(key) != "–" for row in networks for key in PUBLISHED_COLUMNS)


def test_what_was_not_published_is_a_dash():
    sextractor = next(row for row in ROWS if row.method.startswith("SExtractor"))

    assert sextractor.text(("flux_mape", "all")) == "–"


CONFIGS = sorted((Path(__file__).parents[3] / "config").glob("*.yaml"))


def resolved(name, **changes):
    """Return a configuration as the report gets it, by way of JSON, with changes by dotted key."""
    config = json.loads(json.dumps(load_config(CONFIGS[0].with_name(name)).recipe_params()))
    for key, value in changes.items():
        piece = config
        *path, last = key.split("__")
        for part in path:
            piece = piece[part]
        piece[last] = value
    return config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_paper_s_recipe_is_that_of_two_configurations(path):
    expected = ["test_blends"] if path.stem in ("boucaud19", "deblend") else []
    assert published_datasets(resolved(path.name)) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"survey": "xdf_f160w"},
        {"blend__group_sizes": {"1": 0.1, "2": 0.9}},
        {"blend__delta_mag": [0.0, 4.0]},
        {"blend__separation__limit_px": 24.0},
        {"populations__galaxies__mag": [18.0, 24.0]},
        {"populations__galaxies__mag": None},
        {"blend": {}},
    ],
    ids=str,
)
def test_another_recipe_is_not_the_paper_s(change):
    assert published_datasets(resolved("boucaud19.yaml", **change)) == []


def test_real_blends_of_the_recipe_count_by_themselves():
    config = resolved("boucaud19.yaml")
    config["real_blends"] = {**config["blend"], "population": "images"}
    config["populations"]["images"] = {"kind": "real", "mag": [18.0, 23.0]}
    assert published_datasets(config) == ["test_blends", "real_blends"]
    config["blend"]["delta_mag"] = [0.0, 3.0]
    assert published_datasets(config) == ["real_blends"]


def test_there_is_a_figure_for_each_separation():
    assert all(len(values) == len(SEPARATIONS) for values in BY_SEPARATION.values())
