"""The stage: files in, one matched table and metrics.json out."""

import json

import numpy as np
import pandas as pd
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.compare.compare import compare_run
from skymill.errors import DataError
from skymill.metrics.record import MetricRecord, from_json, to_json
from skymill.provenance.recipe import Recipe

PARAMS = {"seed": 3, "compare": {"bootstrap_resamples": 100}}
RECIPE = Recipe("compare", "test", PARAMS).to_dict()


@pytest.fixture
def run(tmp_path, blends, bounds, deblended, sources, measurement):
    """A run's inputs: blends measured by three detectors, one of which finds nothing, and a tile."""
    n = 40
    stamp, x = np.repeat(np.arange(n), 2), np.tile([20.0, 35.0], n)
    noise = np.random.default_rng(20).normal(1, 0.1, (2, 2 * n))
    y = np.full(2 * n, 20.0)
    tables = {
        "blends": blends(stamp, x, y),
        "bounds": bounds(stamp, np.arange(2 * n), np.full(2 * n, 5.0)),
        "images": deblended(np.arange(n), 2 * np.arange(n), image_psnr=np.repeat([30.0, 50.0], n // 2)),
        "sources": sources(30.0 * np.arange(n), np.zeros(n)),
        "unet": measurement(x, y, stamp_id=stamp, galaxy_id=np.arange(2 * n), flux=100 * noise[0]),
        "sep": measurement(x[:60], y[:60], stamp_id=stamp[:60], flux=100 * noise[1][:60]),
        "photutils": Catalogue.empty("measurement"),
        "tile_sep": measurement(30.0 * np.arange(n), np.zeros(n), flux=100 * noise[0][:n]),
    }
    for name, table in tables.items():
        table.write(tmp_path / f"{name}.parquet")

    def path(name):
        return str(tmp_path / f"{name}.parquet")

    inputs = [
        {
            "dataset": "test_blends",
            "detector": name,
            "catalogue": path(name),
            "truth": path("blends"),
            "bounds": path("bounds"),
        }
        for name in ("unet", "sep", "photutils")
    ]
    inputs[0]["images"] = path("images")
    tile = {"detector": "sep", "catalogue": path("tile_sep"), "truth": path("sources")}
    return [*inputs, {"dataset": "injected:t", **tile}]


def outputs(folder):
    return {"metrics": folder / "metrics.json", "matched": folder / "matched.parquet"}


def test_the_whole_stage(run, tmp_path):
    out = outputs(tmp_path / "out")
    compare_run(RECIPE, run, **out)
    figures = {record.key: record for record in from_json(out["metrics"].read_text())}
    assert figures["flux_mape", "test_blends", "unet", "all"].n == 80
    both = figures["flux_mape", "test_blends", "unet", "both_found"]
    assert both.n == 60, (
        "sep is the first of the reference detectors that is there, and found both in 30 blends"
    )
    assert both.low < both.value < both.high
    assert figures["completeness", "test_blends", "photutils", "all"].value == 0
    assert figures["completeness", "injected:t", "sep", "all"].value == 1
    # Errors of 10 with a bound of 5.
    assert figures["flux_error_over_bound", "test_blends", "unet", "all"].value == pytest.approx(2, rel=0.3)
    assert ("flux_error_over_bound", "injected:t", "sep", "all") not in figures
    # Images are of the central galaxies.
    psnr, of_blends = (figures[f"{seen}_psnr", "test_blends", "unet", "all"] for seen in ("image", "blend"))
    assert (psnr.value, psnr.n, psnr.unit) == (40, n := 40, "dB")
    assert 36 < psnr.low < 40 < psnr.high < 44
    assert (of_blends.value, of_blends.low, of_blends.high, of_blends.n) == (20, 20, 20, n)
    assert figures["image_size_error", "test_blends", "unet", "all"].value == pytest.approx(3)
    assert figures["blend_flux_mape", "test_blends", "unet", "all"].value == pytest.approx(20)
    assert figures["image_ssim", "test_blends", "unet", "blend_class:moderate"].n == n
    assert ("image_psnr", "test_blends", "unet", "companion") not in figures
    assert ("image_psnr", "test_blends", "sep", "all") not in figures
    matched = Catalogue.read(out["matched"], "matched")
    assert len(matched) == 3 * 80 + 40
    assert set(matched["flux_bound"][matched["dataset"] == "test_blends"]) == {5.0}
    assert np.isnan(matched["flux_bound"][matched["dataset"] == "injected:t"]).all()
    assert list(dict.fromkeys(matched["detector"])) == ["unet", "sep", "photutils"]
    assert matched.meta["version"] == RECIPE["version"]
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert provenance["rows"] == len(matched)
    assert set(provenance["inputs"]) == {
        "test_blends.unet",
        "test_blends.unet.images",
        "test_blends.sep",
        "test_blends.photutils",
        "test_blends.truth",
        "test_blends.bounds",
        "injected:t.sep",
        "injected:t.truth",
    }
    assert set(provenance["outputs"]) == {"metrics.json", "matched.parquet"}


def test_the_same_bits_again_and_other_readers_read_them(run, tmp_path):
    first, second = outputs(tmp_path / "first"), outputs(tmp_path / "second")
    compare_run(RECIPE, run, **first)
    compare_run(RECIPE, run, **second)
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
    assert {"metric", "value", "low", "high"} <= set(pd.read_json(first["metrics"]).columns)


def test_a_detector_more_changes_nothing_for_the_others(run, tmp_path):
    """As long as it is not the reference detector."""
    few, all_ = outputs(tmp_path / "few"), outputs(tmp_path / "all")
    compare_run(RECIPE, [entry for entry in run if entry["detector"] != "photutils"], **few)
    compare_run(RECIPE, run, **all_)
    assert set(from_json(few["metrics"].read_text())) <= set(from_json(all_["metrics"].read_text()))


def test_nothing_to_compare_is_a_valid_empty_result(tmp_path):
    out = outputs(tmp_path / "out")
    compare_run(RECIPE, [], **out)
    assert from_json(out["metrics"].read_text()) == []
    assert len(Catalogue.read(out["matched"], "matched")) == 0


def test_figures_of_generators_stand_behind_the_others(run, tmp_path):
    record = MetricRecord(
        "distance_mean", "generated:vae", "vae", "survey_noise", 0.05, "sigma", 9, 0.04, 0.07
    )
    (tmp_path / "judged.json").write_text(to_json([record]))
    compare_run(RECIPE, run, **outputs(tmp_path), judged=[tmp_path / "judged.json"])
    found = from_json((tmp_path / "metrics.json").read_text())

    assert found[-1] == record and len(found) > 1
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert "judged.0" in provenance["inputs"]


def test_draws_of_injected_galaxies_are_put_together(tmp_path, sources, measurement):
    """Ten galaxies a draw; the network is 10 and 20 % off, sep 40 %, and finds nine of the second draw."""
    x, folder = 30.0 * np.arange(10), tmp_path / "in"
    folder.mkdir()
    inputs = []
    for draw, error in enumerate((1.1, 1.2)):
        sources(x, x, source_id=100 * draw + np.arange(10)).write(folder / f"truth{draw}.parquet")
        for name, factor, rows in (("unet", error, 10), ("sep", 1.4, 10 - draw)):
            catalogue = folder / f"{name}{draw}.parquet"
            measurement(x[:rows], x[:rows], flux=np.full(rows, 100 * factor)).write(catalogue)
            one = {"dataset": "injected:t", "detector": name, "draw": draw, "is_network": name == "unet"}
            inputs.append({**one, "catalogue": str(catalogue), "truth": str(folder / f"truth{draw}.parquet")})
    out = outputs(tmp_path / "out")
    compare_run(RECIPE, inputs, **out)

    figures = {record.key: record for record in from_json(out["metrics"].read_text())}
    assert figures["flux_mape", "injected:t", "unet", "all"].value == pytest.approx(15)
    found = figures["completeness", "injected:t", "sep", "all"]
    assert (found.value, found.n) == (19 / 20, 20)
    ours = figures["flux_mape", "injected:t", "unet", "shared/sep/isolated"]
    assert (ours.value, ours.n) == (pytest.approx((10 * 10 + 9 * 20) / 19), 19)
    assert figures["flux_mape", "injected:t", "sep", "shared/unet/isolated"].value == pytest.approx(40)
    matched = Catalogue.read(out["matched"], "matched")
    assert len(matched) == 40
    assert len(set(matched["truth_id"])) == 20
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert {"injected:t.unet", "injected:t.2.unet", "injected:t.2.truth"} <= set(provenance["inputs"])
    with pytest.raises(DataError, match=r"twice.*injected:t\.2.*sep"):
        compare_run(RECIPE, [*inputs, inputs[-1]], **outputs(tmp_path / "twice"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "unet"}, r"twice.*test_blends.*unet"),
        ({"detector": "other", "truth": "elsewhere.parquet"}, r"several truths of.*test_blends"),
    ],
)
def test_ambiguous_inputs_are_refused(run, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        compare_run(RECIPE, [*run, {**run[0], **change}], **outputs(tmp_path / "out"))
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_catalogue_that_cannot_be_matched_is_named(run, tmp_path, measurement):
    table = measurement([1.0, 1.0], [1.0, 1.0], stamp_id=[0, 0], galaxy_id=[0, 0])
    table.write(run[0]["catalogue"])
    with pytest.raises(DataError, match=r"unet\.parquet.*galaxy 0 of blend 0 twice"):
        compare_run(RECIPE, run, **outputs(tmp_path / "out"))
