"""Figures on the galaxies that two detectors share, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from skymill.catalog.flags import Flag
from skymill.compare.matched import match_dataset
from skymill.compare.shared import shared_columns, shared_records, shared_subsets
from skymill.config.compare import CompareConfig

CONFIG = CompareConfig(bootstrap_resamples=200, min_rows=2)
TILE = "injected:t"
# Two alone, two pairs, and one beside a source of the tile: 100 nJy each.
PAIR = [0, 0, 7, 7, 8, 8, 0]
ISOLATED = [True, True, False, False, False, False, False]
X = 40.0 * np.arange(7)


@pytest.fixture
def truth(sources, as_truth):
    """Make the seven galaxies, with changed columns if there are any."""

    def make(**columns):
        return as_truth(sources(X, np.zeros(7), **{"pair_id": PAIR, "is_isolated": ISOLATED, **columns}))

    return make


@pytest.fixture
def found(truth, measurement):
    """Make the matched table of a detector that has measured some galaxies with given fluxes."""

    def make(name, fluxes, known=None):
        rows = np.array(list(fluxes))
        catalogue = measurement(X[rows], np.zeros(len(rows)), flux=list(fluxes.values()))
        return match_dataset(TILE, name, known or truth(), catalogue, 3.0)

    return make


def of(records):
    return {(record.metric, record.detector, record.subset): record for record in records}


def test_figures_of_the_galaxies_that_both_have_found(found):
    """The network finds all, the rival loses galaxy 1, the second galaxy of the second pair (5), and finds the rest."""
    network = found("unet", {0: 110, 1: 900, 2: 120, 3: 90, 4: 130, 5: 700, 6: 60})
    rival = found("sep", {0: 80, 2: 160, 3: 150, 4: 70, 6: 220})
    figures = of(shared_records({"unet": network, "sep": rival}, TILE, {"unet"}, CONFIG, 1))

    # One isolated galaxy is shared: too few. Blended are 2, 3, 4, 6; only of the first pair are both found.
    assert {subset for _, _, subset in figures} == {
        f"shared/{other}/{subset}" for other in ("unet", "sep") for subset in ("all", "blended", "both_found")
    }
    ours, theirs = (figures["flux_mape", *who] for who in _sides("blended"))
    assert (ours.value, ours.n, ours.unit) == (pytest.approx((20 + 10 + 30 + 40) / 4), 4, "percent")
    assert (theirs.value, theirs.n) == (pytest.approx((60 + 50 + 30 + 120) / 4), 4)
    assert [figures["flux_ape_median", *who].value for who in _sides("blended")] == pytest.approx([25, 55])
    ratio = figures["flux_mape_ratio", "unet", "shared/sep/blended"]
    assert (ratio.value, ratio.n, ratio.unit) == (pytest.approx(260 / 100), 4, "ratio")
    # Of both sides the same resamples: the ratio lies between those of the galaxies, 3, 5, 1 and 3.
    assert 1 <= ratio.low < 2.6 < ratio.high <= 5

    ours, theirs = (figures["flux_mape", *who] for who in _sides("both_found"))
    assert (ours.value, theirs.value, ours.n) == (pytest.approx(15), pytest.approx(55), 2)
    # One pair is drawn as a whole: every resample is the sample.
    ratio = figures["flux_mape_ratio", "unet", "shared/sep/both_found"]
    assert (ratio.low, ratio.high) == pytest.approx((ratio.value, 55 / 15))
    assert not any(metric == "flux_mape_ratio" and who == "sep" for metric, who, _ in figures)


def _sides(subset):
    return (("unet", f"shared/sep/{subset}"), ("sep", f"shared/unet/{subset}"))


def members(one, other):
    columns = shared_columns(one, other)
    return {name: columns["truth_id"][rows].tolist() for name, rows in shared_subsets(columns).items()}


def test_members_of_the_subsets(found):
    everything = found("unet", dict.fromkeys(range(7), 100))
    assert members(everything, everything) == {
        "all": [0, 1, 2, 3, 4, 5, 6],
        "isolated": [0, 1],
        "blended": [2, 3, 4, 5, 6],
        "both_found": [2, 3, 4, 5],
    }
    # Galaxy 3 is lost by one, galaxy 4 by the other: neither pair is whole, whoever lost it.
    one, other = (found("a", {row: 100 for row in range(7) if row != lost}) for lost in (3, 4))
    assert (
        members(one, other)
        == members(other, one)
        == {"all": [0, 1, 2, 5, 6], "isolated": [0, 1], "blended": [2, 5, 6], "both_found": []}
    )


def test_what_is_not_counted_is_in_no_figure_but_was_found(found, truth):
    known = truth(flags=[int(Flag.SATURATED), 0, int(Flag.SATURATED), 0, 0, 0, 0])
    table = found("unet", dict.fromkeys(range(7), 100), known)
    assert members(table, table) == {
        "all": [1, 3, 4, 5, 6],
        "isolated": [1],
        "blended": [3, 4, 5, 6],
        "both_found": [3, 4, 5],
    }


def test_a_flux_that_failed_is_not_shared(found):
    table = found("unet", dict.fromkeys(range(7), 100))
    failed = found("sep", {**dict.fromkeys(range(7), 100), 2: np.nan})
    assert members(table, failed)["both_found"] == [4, 5]


def test_tables_of_different_draws_share_what_stands_in_both(found):
    whole = found("unet", dict.fromkeys(range(7), 100))
    part = whole.select(np.array([5, 3, 4]))
    assert members(part, whole) == members(whole, part)
    assert members(whole, part)["blended"] == [3, 4, 5]
    np.testing.assert_array_equal(shared_columns(whole, part)["other_flux"], [100, 100, 100])


def test_only_networks_and_their_rivals_make_pairs(found):
    fluxes = {row: 100.0 + row for row in range(7)}
    tables = {name: found(name, fluxes) for name in ("unet", "cnn", "sep", "photutils")}
    records = shared_records(tables, TILE, ["cnn", "unet"], CONFIG, 1)
    beside = {(record.detector, record.subset.split("/")[1]) for record in records}
    pairs = [(network, rival) for network in ("unet", "cnn") for rival in ("sep", "photutils")]
    assert beside == {*pairs, *(pair[::-1] for pair in pairs)}
    assert shared_records(tables, TILE, [], CONFIG, 1) == []


def test_a_pair_of_detectors_has_the_same_figures_in_any_company(found):
    fluxes = np.random.default_rng(31).normal(100, 20, (3, 7))
    tables = {
        name: found(name, dict(enumerate(row)))
        for name, row in zip(("unet", "sep", "cnn"), fluxes, strict=True)
    }
    alone = shared_records({name: tables[name] for name in ("sep", "unet")}, TILE, {"unet"}, CONFIG, 1)
    together = shared_records(tables, TILE, {"unet", "cnn"}, CONFIG, 1)
    assert set(alone) < set(together)
    other = shared_records(tables, TILE, {"unet", "cnn"}, CONFIG, 2)
    assert [record.value for record in other] == [record.value for record in together]
    assert [record.low for record in other] != [record.low for record in together]


def test_a_perfect_network_has_no_ratio(found):
    tables = {
        "unet": found("unet", dict.fromkeys(range(7), 100)),
        "sep": found("sep", dict.fromkeys(range(7), 90)),
    }
    figures = of(shared_records(tables, TILE, {"unet"}, CONFIG, 1))
    assert figures["flux_mape", "unet", "shared/sep/isolated"].value == 0
    assert not any(metric == "flux_mape_ratio" for metric, *_ in figures)


def test_nothing_is_shared_where_nothing_is_found(found):
    tables = {"unet": found("unet", {0: 100.0}), "sep": found("sep", {6: 100.0})}
    assert shared_records(tables, TILE, {"unet"}, CONFIG, 1) == []


def test_on_blends_galaxies_are_told_apart_by_their_blend(blends, as_truth, measurement):
    """Blends 0 and 1 both hold galaxies 3 and 5; the rival finds one of blend 0, all of blend 1 and something else."""
    x, y = [0.0, 8.0, 0.0, 8.0, 0.0], np.zeros(5)
    stamp, galaxy = [0, 0, 1, 1, 2], [3, 5, 5, 3, 3]
    classes = ["moderate"] * 4 + ["isolated"]
    known = as_truth(blends(stamp, x, y, galaxy_id=galaxy, blend_class=classes))
    given = measurement(x, y, stamp_id=stamp, galaxy_id=galaxy, flux=[110, 120, 130, 140, 150])
    seen = measurement(
        [8.0, 0.0, 8.0, 0.0, 40.0], np.zeros(5), stamp_id=[0, 1, 1, 2, 1], flux=[60, 50, 40, 30, 20]
    )
    network, rival = (
        match_dataset("test_blends", name, known, table, 3.0)
        for name, table in (("unet", given), ("sep", seen))
    )

    columns = shared_columns(network, rival)
    assert columns["other_flux"][columns["is_shared"]].tolist() == [60, 40, 50, 30]
    chosen = {name: columns["flux"][rows].tolist() for name, rows in shared_subsets(columns).items()}
    assert chosen == {
        "all": [120, 140, 130, 150],
        "isolated": [150],
        "blended": [120, 140, 130],
        "both_found": [140, 130],
    }
