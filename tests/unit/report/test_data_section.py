"""Example stamps, blends, tiles and the gallery."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.config.compare import ReportConfig
from skymill.data.stamps import StampSet, write_shard
from skymill.data.tile import Tile
from skymill.report.data_section import data_context, positions
from skymill.report.examples import blend_examples, deblended_examples, isolated_examples, spread
from skymill.report.gallery import extremes, gallery
from skymill.report.inventory import Inventory
from skymill.report.look import Palette
from skymill.report.tile_crops import Grid, crops
from skymill.report.tile_overview import Overview, Positions, masked_percent

OPTIONS = ReportConfig(n_examples=5, n_gallery=3, cutout_px=48, max_points=200, tile_image_px=200)


@pytest.fixture(scope="module")
def tile(inventory):
    return Tile.read(inventory.find("ingest", "field").main)


@pytest.mark.parametrize(
    ("n", "count", "expected"), [(10, 3, [0, 4, 9]), (2, 5, [0, 1]), (0, 5, []), (7, 1, [0])]
)
def test_spread(n, count, expected):
    assert spread(n, count).tolist() == expected


def test_isolated_examples_run_from_bright_to_faint(inventory):
    examples = isolated_examples(inventory.find("simulate", "galaxies"), 0.6, 5)

    mags = [float(example.lines[0].split()[0]) for example in examples]
    assert len(mags) == 5
    assert mags == sorted(mags)


def test_blend_examples_show_every_layer_and_the_truth(inventory):
    examples = blend_examples(inventory.find("blend", "test"), 0.6, 6)

    assert [picture.title for picture in examples[0].pictures] == [
        "image",
        "central alone",
        "neighbours alone",
        "masks",
    ]
    assert [len(example.pictures[0].marks) for example in examples] == [2, 2, 2, 2, 2, 1]
    assert "Re apart" in examples[0].lines[1]
    assert len(examples[-1].lines) == 1


@pytest.mark.parametrize(("has_masks", "last"), [(True, "masks"), (False, "difference")])
def test_what_a_network_took_out_is_shown_with_the_masks_that_it_has_learned(
    inventory, tmp_path, has_masks: bool, last: str
):
    blends = inventory.find("blend", "test")
    with StampSet.open(blends.main) as stamps:
        layers = {"image": stamps.read("central", slice(None)), "masks": stamps.read("masks", slice(None))}
    write_shard(tmp_path / "deblended.h5", layers if has_masks else {"image": layers["image"]}, 0, {})
    entry = replace(blends, stage="deblend", name="test_blends.unet", folder=tmp_path)
    examples = deblended_examples(entry, blends, 0.6, 2)

    assert [len(example.pictures) for example in examples] == [4 + has_masks] * 2
    assert examples[0].pictures[-1].title == last


def test_data_of_a_whole_run(inventory, palette):
    context = data_context(inventory, palette, OPTIONS, 0.6)

    assert [len(group.examples) for group in context["isolated"]] == [5]
    assert [len(group.examples) for group in context["blends"]] == [5]
    (view,) = context["tiles"]
    assert 1 <= len(view.crops) <= 6
    assert context["tile_table"].rows[0][0] == "field"
    assert [style.detector for style in context["telling"]] == [
        "unet",
        "source_extractor",
        "sep",
        "photutils",
    ]


def test_data_of_nothing_says_so(palette):
    context = data_context(Inventory([]), palette, OPTIONS, 0.6)

    assert context["isolated"][0].caption == "This run simulated no isolated galaxies."
    assert context["blends"][0].caption == "This run composed no test blends."
    assert context["tiles"] == []


def test_what_cannot_be_read_says_why(inventory, palette, tmp_path):
    for name in ("stamps.h5", "tile.fits", "truth.parquet"):
        (tmp_path / name).write_bytes(b"broken")
    broken = [replace(entry, folder=tmp_path) for entry in inventory.of_stage("simulate", "blend", "ingest")]

    context = data_context(Inventory(broken), palette, OPTIONS, 0.6)

    assert str(tmp_path) in context["isolated"][0].caption
    assert str(tmp_path) in context["blends"][0].caption
    (view,) = context["tiles"]
    assert str(tmp_path) in view.overview.caption


def test_only_the_first_tiles_are_drawn(inventory, palette):
    first = inventory.find("ingest", "field")
    tiles = [replace(first, name=name) for name in "abcde"]

    context = data_context(Inventory(tiles), palette, OPTIONS, 0.6)

    assert [view.name for view in context["tiles"]] == ["a", "b", "c"]
    assert context["tiles_not_shown"] == ["d", "e"]
    assert len(context["tile_table"].rows) == 5


def test_overview_draws_the_brightest_and_says_so(tile, inventory, palette):
    lists = positions("field", inventory)
    panel = Overview(200, 70, frozenset(["unet"])).panel("t", "title", tile, lists, palette)
    found = json.loads(str(panel.spec))

    assert [trace.get("visible") for trace in found["data"][1:4]] == [True, True, "legendonly"]
    assert "reference (90)" in found["data"][1]["name"]
    assert "only the brightest 10 are drawn" in panel.caption
    assert "mean of 3 × 3" in panel.caption
    assert found["layout"]["images"][0]["source"].startswith("data:image/jpeg;base64,")
    assert found["layout"]["images"][0]["y"] == tile.shape[0] - 0.5


def test_overview_of_an_empty_catalogue(tile, palette):
    lists = [Positions.of_detector("sep", Catalogue.empty("measurement"))]
    panel = Overview(500, 70, frozenset()).panel("t", "title", tile, lists, palette)

    assert "Without any source: sep." in panel.caption


def test_positions_are_primary_and_bright_first(inventory):
    catalogue = Catalogue.read(inventory.find("baseline", "field.sep").main)
    table = catalogue.table.copy()
    table["is_primary"] = np.arange(len(table)) % 2 == 0
    found = Positions.of_detector("sep", Catalogue(table, "measurement"))

    assert len(found) == (len(table) + 1) // 2
    known = found.mag[np.isfinite(found.mag)]
    assert np.all(np.diff(known) >= 0)


def one_list(name, x, y):
    return Positions(name, np.array(x, float), np.array(y, float), np.full(len(x), 20.0))


def test_crops_go_where_sources_are_and_where_detectors_differ(tile):
    both = [one_list("sep", [100, 110, 300], [60, 70, 200]), one_list("photutils", [100, 110], [60, 70])]
    pictures = crops(tile, both, Palette(["sep", "photutils"]), 48)

    assert [picture.title for picture in pictures] == ["crowded: x 105, y 65", "crowded: x 300, y 200"]
    assert len(pictures[0].marks) == 4
    assert len(pictures[1].marks) == 1


def test_crops_of_nothing(tile):
    assert crops(tile, [], Palette([]), 48) == []
    assert crops(tile, [one_list("sep", [], [])], Palette(["sep"]), 48) == []


def test_crops_ignore_positions_off_the_tile(tile):
    assert crops(tile, [one_list("sep", [-50, 9999, 10], [10, 10, 9999])], Palette(["sep"]), 48) == []


def test_crop_of_a_tile_that_is_smaller_than_it(tile):
    (picture,) = crops(tile.window(0, 20, 0, 20), [one_list("sep", [5], [5])], Palette(["sep"]), 48)

    assert (picture.width, picture.height) == (48, 48)


def test_grid_numbers_cells_row_by_row(tile):
    grid = Grid.over(tile, 100)

    assert grid.shape == (3, 5)
    assert grid.numbers(
        one_list("sep", [0, 99.9, 100, 419, 420.6, 500], [0, 0, 100, 299, 0, 0])
    ).tolist() == [0, 0, 6, 14, 4, -1]


def test_sources_without_a_position_are_left_out(inventory):
    table = Catalogue.read(inventory.find("baseline", "field.sep").main).table.copy()
    table["x"][:3] = np.nan

    assert len(Positions.of_detector("sep", Catalogue(table, "measurement"))) == len(table) - 3


def test_masked_percent(tile):
    assert masked_percent(tile) == {
        "bad": pytest.approx(100 * 160 / tile.science.size),
        "saturated": 0.0,
        "no_data": 0.0,
    }


def test_extremes_are_the_largest_and_smallest_errors(matched):
    rows = matched.select((matched["dataset"] == "test_blends") & (matched["truth_id"] >= 0))

    worst, best = extremes(rows, "test_blends", "sep", 5)

    error = np.abs(rows["flux"] / rows["flux_true"] - 1)
    assert error[worst].min() > error[best].max()
    assert np.all(rows["detector"][worst] == "sep")
    assert np.isfinite(rows["separation"][worst]).all()
    assert len(set(rows["stamp_id"][worst])) == len(worst) == 5


@pytest.mark.parametrize(("n", "n_worst", "n_best"), [(0, 0, 0), (1, 0, 1), (3, 1, 2)])
def test_few_cases_are_shared_between_best_and_worst(matched, n, n_worst, n_best):
    rows = matched.select(
        (matched["dataset"] == "test_blends") & (matched["detector"] == "sep") & matched["is_matched"]
    )
    pairs = np.flatnonzero((rows["role"] == "central") & np.isfinite(rows["separation"]))[:n]

    worst, best = extremes(rows.select(pairs), "test_blends", "sep", 5)

    assert (len(worst), len(best)) == (n_worst, n_best)


def test_gallery_has_a_wall_for_each_detector(matched, inventory, palette):
    walls = gallery(matched, "test_blends", inventory.find("blend", "test"), palette, 0.6, 3)

    assert [wall.style.detector for wall in walls] == [style.detector for style in palette]
    case = walls[2].worst[0]
    assert [ratio.style.detector for ratio in case.ratios] == [style.detector for style in palette]
    assert [ratio.style.detector for ratio in case.ratios if ratio.is_subject] == ["source_extractor"]
    assert case.picture.marks[0].shape == "target"


def test_gallery_without_measurements_is_empty(inventory, palette):
    empty, blends = Catalogue.empty("matched"), inventory.find("blend", "test")

    assert gallery(empty, "test_blends", blends, palette, 0.6, 3) == []
