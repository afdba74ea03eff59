"""What the page shows of pictures."""

import pytest
import yaml

from skymill.config.pictures import StretchConfig
from skymill.errors import DataError
from skymill.metrics.record import MetricRecord
from skymill.report.inventory import Entry, Inventory
from skymill.report.pictures_section import pictures_context
from skymill.report.scores import Scores

PIXEL = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def inventory(tmp_path):
    card = {"task": {"kind": "pictures", "stretch": StretchConfig(white_rms=400.0).recipe_params()}}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "cases.png").write_bytes(PIXEL)
    stages = {"train": "gan", "pictures": "test_blends.gan"}
    return Inventory([Entry(stage, name, "0" * 10, tmp_path, {}) for stage, name in stages.items()])


def scores(*subsets):
    records = []
    for subset in subsets:
        for number, prefix in enumerate(("picture", "blend_picture", "noise_free_picture", "known_picture")):
            for metric, value, unit in (("psnr", 30.0 + number, "dB"), ("ssim", 0.9, "number")):
                key = (f"{prefix}_{metric}", "pictures:test_blends", "gan", subset)
                records.append(MetricRecord(*key, value, unit, 1200, value - 0.01, value + 0.01))
    return Scores(records)


def test_the_table_has_the_blend_the_drawing_and_the_noise(inventory):
    (shown,) = pictures_context(inventory, scores("all", "separation_px:6-9"))
    rows = shown["table"].rows

    titles = ["no deblending", "gan", "the true picture without its noise", "the best possible"]
    assert [row[1] for row in rows[:4]] == titles
    assert rows[1][:3] == ("both", "gan", "1,200") and rows[1][3].startswith("30.00")
    assert rows[0][3].startswith("31.00") and rows[1][4].startswith("0.9")
    assert rows[4][0] == "both, 6–9 px apart" and len(rows) == 8


def test_the_stretch_and_the_cases_stand_beside_it(inventory):
    (shown,) = pictures_context(inventory, scores("all"))

    assert shown["stretch"] == {"black": "-3", "white": "400", "softening": "20"}
    assert shown["cases"].startswith("data:image/png;base64,")


def test_a_missing_picture_is_named(inventory, tmp_path):
    (tmp_path / "cases.png").unlink()
    with pytest.raises(DataError, match=r"cases\.png: expected a picture"):
        pictures_context(inventory, scores("all"))


def test_without_pictures_there_is_nothing():
    assert pictures_context(Inventory([]), Scores()) == []
