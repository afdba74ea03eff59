"""The headline table and when a figure is the best."""

from __future__ import annotations

import pytest

from skymill.metrics.record import MetricRecord
from skymill.report.headline import best_record, dataset_title, decimals, headline_blocks, value_text
from skymill.report.look import Palette
from skymill.report.scores import Scores


def record(
    value, low, high, metric="flux_mape", detector="unet", subset="all", dataset="test_blends", unit="percent"
):
    return MetricRecord(metric, dataset, detector, subset, value, unit, 10, low, high)


def test_the_best_needs_an_interval_of_its_own():
    best, other = record(7.0, 6.8, 7.2), record(9.0, 8.0, 10.0)

    assert best_record([other, best, None]) is best
    assert best_record([best, record(7.3, 7.1, 7.5)]) is None


def test_the_best_must_beat_all_others_not_just_the_next():
    # The third's interval is so wide that it reaches below the first's.
    assert best_record([record(7.0, 6.8, 7.2), record(9.0, 8.0, 10.0), record(20.0, 5.0, 40.0)]) is None


def test_more_is_better_for_completeness():
    low, high = (record(v, v - 0.02, v + 0.02, "completeness", unit="fraction") for v in (0.8, 0.9))

    assert best_record([low, high]) is high


def test_a_bias_counts_by_its_size():
    small, large = record(-0.01, -0.02, 0.005, "mag_bias"), record(-0.3, -0.4, -0.2, "mag_bias")

    assert best_record([large, small]) is small
    assert best_record([small, record(0.018, 0.01, 0.03, "mag_bias")]) is None


def test_one_alone_is_not_the_best():
    assert best_record([record(7.0, 6.8, 7.2), None]) is None


@pytest.mark.parametrize(
    ("width", "digits"), [(0.2, 2), (1.3, 1), (12.0, 0), (300.0, 0), (0.0123, 3), (1e-9, 4), (0.0, 2)]
)
def test_digits_follow_the_interval(width, digits):
    assert decimals(width) == digits


def test_fractions_are_shown_in_percent_with_a_real_minus():
    assert value_text(record(0.111, 0.10, 0.12, unit="fraction")) == "11.1 [10.0, 12.0]"
    assert value_text(record(-0.1, -0.2, 0.0, "mag_bias", unit="mag")) == "−0.10 [−0.20, 0.00]"
    assert value_text(None) == "–"


def test_titles_name_the_tile():
    assert dataset_title("injected:a") == "Galaxies injected into a"
    assert dataset_title("reference:a").startswith("a against")
    assert dataset_title("test_blends", "both_found").endswith(
        "where the reference detector found every galaxy"
    )
    assert dataset_title("something") == "something, all galaxies"


def test_networks_are_given_the_positions_on_blends_only():
    names = ("unet", "sep")
    records = [
        record(0.9, 0.8, 0.95, "completeness", n, dataset=d, unit="fraction")
        for d in ("test_blends", "reference:a")
        for n in names
    ]
    records += [record(7.0, 6.9, 7.1, detector=name) for name in names]

    blends, tile = headline_blocks(Scores(records), Palette(names), ["unet"])

    assert [cell.value for cell in blends.rows[0].cells] == ["7.00", "–", "–", "–", "given", "given"]
    assert [row.cells[4].value for row in blends.rows[1:] + list(tile.rows)] == ["90", "90", "90"]


def test_blends_that_were_chosen_by_what_was_found_say_nothing_of_completeness():
    records = [record(1.0, 0.9, 1.0, "completeness", "sep", "both_found", unit="fraction")]
    records += [record(7.0, 6.9, 7.1, detector="sep", subset="both_found")]

    (block,) = headline_blocks(Scores(records), Palette(["sep"]), [])

    assert [cell.value for cell in block.rows[0].cells][4:] == ["–", "–"]


def test_no_figures_no_blocks():
    assert headline_blocks(Scores(), Palette([]), []) == []


def test_blocks_of_a_whole_run(scores, palette):
    blocks = headline_blocks(scores, palette, ["unet", "cnn"])

    assert [block.title.split(",")[0] for block in blocks[:2]] == ["Test blends"] * 2
    assert len(blocks) == 4
    assert all(len(block.rows) == 6 for block in blocks)
    # The fake networks are better than the fake baselines by far more than the intervals.
    assert blocks[0].rows[0].cells[0].is_best


def test_what_networks_that_draw_are_judged_by_is_no_measurement():
    judged = [f"{kind}:any" for kind in ("generated", "anomaly", "restored", "pictures")]
    records = [record(7.0, 6.8, 7.2, dataset=dataset) for dataset in [*judged, "injected:sky"]]

    (block,) = headline_blocks(Scores(records), Palette(["unet"]), ())
    assert block.title == "Galaxies injected into sky"
