"""Deblended images beside the blends that they were taken out of."""

import re
from dataclasses import replace

from skymill.report.definitions import DEFINITIONS
from skymill.report.image_table import COLUMNS, UNTOUCHED, image_table
from skymill.report.scores import Scores


def test_every_class_has_the_blend_and_then_the_networks(scores, palette):
    table = image_table(scores, palette, "test_blends")

    assert table.header == ("Blend class", "Image", "n", *COLUMNS.values())
    assert [row[:2] for row in table.rows] == [
        (name, image) for name in ("all", "isolated", "moderate", "strong") for image in (UNTOUCHED, "unet")
    ]
    assert table.rows[1][2] == "240"
    assert sum(int(row[2]) for row in table.rows[3::2]) == 240


def test_cells_are_the_scores_with_their_intervals(scores, palette):
    blend, image = image_table(scores, palette, "test_blends").rows[:2]
    psnr = scores.get("image_psnr", "test_blends", "unet")

    value, low, high = (float(text) for text in re.findall(r"[\d.]+", image[3]))
    assert abs(value - psnr.value) < 0.1 and low < value < high
    assert abs(float(blend[3].split()[0]) - (value - 20)) < 0.02
    assert image[4].startswith("0.90") and blend[4].startswith("0.60")


def test_networks_that_see_other_pixels_have_a_yardstick_of_their_own(scores, palette):
    own = [record for record in scores.records if record.metric.startswith(("image_", "blend_"))]
    same = [replace(record, detector="cnn") for record in own]
    other = [
        replace(record, value=record.value - 1) if record.metric == "blend_psnr" else record
        for record in same
    ]

    def images(more):
        return [
            row[1] for row in image_table(Scores([*scores.records, *more]), palette, "test_blends").rows[:4]
        ]

    assert images(same)[:3] == [UNTOUCHED, "unet", "cnn"]
    assert images(other) == [UNTOUCHED, "unet", f"{UNTOUCHED}, stamps of cnn", "cnn"]


def test_without_images_there_is_no_table(scores, palette):
    assert image_table(scores, palette, "injected:field") is None
    assert image_table(Scores(), palette, "test_blends") is None
    others = [record for record in scores.records if not record.metric.startswith(("image_", "blend_"))]
    assert image_table(Scores(others), palette, "test_blends") is None


def test_the_page_shows_the_table_and_says_what_it_means(page):
    text = page.read_text("utf-8")

    assert "Test blends: how good are the deblended images?" in text
    assert UNTOUCHED in text
    assert {"PSNR of an image", "SSIM of an image"} <= {term for term, _ in DEFINITIONS}
    assert "the peak is the brightest pixel of the central galaxy" in text
