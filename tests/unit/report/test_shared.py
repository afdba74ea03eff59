"""The table of the galaxies that a network and its rival share."""

from __future__ import annotations

from skymill.metrics.record import MetricRecord
from skymill.report.look import Palette
from skymill.report.scores import Scores
from skymill.report.shared import HEADER, shared_table

TILE = "injected:t"


def record(metric, detector, other, value, unit="percent", subset="blended"):
    return MetricRecord(
        metric, TILE, detector, f"shared/{other}/{subset}", value, unit, 1234, value - 0.5, value + 0.5
    )


def of_two(network, rival, subset="blended", without=()):
    """Return the figures of two detectors: MAPE 10 and 25 %, medians 4 and 8 %."""
    records = [
        record("flux_mape", network, rival, 10.0, subset=subset),
        record("flux_ape_median", network, rival, 4.0, subset=subset),
        record("flux_mape_ratio", network, rival, 2.5, "ratio", subset=subset),
        record("flux_mape", rival, network, 25.0, subset=subset),
        record("flux_ape_median", rival, network, 8.0, subset=subset),
    ]
    return [each for each in records if each.metric not in without]


def test_a_row_for_each_pair_of_detectors_and_subset():
    scores = Scores(
        [
            *of_two("unet", "sep", "both_found"),
            *of_two("unet", "sep"),
            *of_two("unet", "photutils"),
            *of_two("cnn", "sep"),
        ]
    )
    table = shared_table(scores, Palette(["unet", "cnn", "sep", "photutils"]), TILE)

    assert [row[:3] for row in table.rows] == [
        ("blended", "unet", "sep"),
        ("blended", "unet", "photutils"),
        ("blended", "cnn", "sep"),
        ("blends, all found", "unet", "sep"),
    ]
    assert table.rows[0][3:] == ("1,234", "10.0", "25.0", "2.5 [2.0, 3.0]", "4.0", "8.0")
    assert all(len(row) == len(HEADER) for row in table.rows)
    assert table.numbers == (3, 4, 5, 6, 7, 8)


def test_there_is_no_table_where_nothing_is_shared():
    palette = Palette(["unet", "sep"])
    assert shared_table(Scores(), palette, TILE) is None
    assert shared_table(Scores(of_two("unet", "sep")), palette, "injected:other") is None
    # Without a ratio, of a network that is right everywhere, there is no row.
    assert shared_table(Scores(of_two("unet", "sep", without=["flux_mape_ratio"])), palette, TILE) is None


def test_figures_of_the_run_are_in_it(scores, palette):
    (dataset,) = scores.of_kind("injected")
    table = shared_table(scores, palette, dataset)

    assert {row[1] for row in table.rows} == {"unet", "cnn"}
    assert {row[0] for row in table.rows} == {"all", "isolated", "blended", "blends, all found"}
    assert "source_extractor_plain" in {row[2] for row in table.rows}
