"""Pictures that a network draws of test blends, beside the true ones."""

from __future__ import annotations

import json
from math import log10
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skymill.catalog.catalogue import Catalogue
from skymill.config.blend import GaussianNoise
from skymill.config.network import BranchedPicturesConfig
from skymill.config.pictures import PicturesTaskConfig, StretchConfig
from skymill.config.train import FluxTaskConfig
from skymill.data.stamps import StampSet, link_shards, write_shard
from skymill.data.survey import Survey
from skymill.errors import ConfigError
from skymill.inference import pictures
from skymill.inference.pictures import SHOWN, Drawn, draw_blends, judge_pictures, picture_quality
from skymill.models.outputs import Outputs
from skymill.provenance.recipe import Recipe
from skymill.tasks.build import build_task
from skymill.tasks.pictures import picture
from skymill.training.card import Model

COUNT, CANVAS_PX, INPUT_PX = 60, 48, 32
STRETCH = StretchConfig(black_rms=-3.0, white_rms=300.0, softening_rms=20.0)
SURVEY = Survey(
    name="test_r",
    description="A survey for tests.",
    band="r",
    pixel_scale_arcsec=0.4,
    zero_point_mag=25.0,
    gain_e_per_unit=100.0,
    background_rms=2.0,
    psf={"kind": "gaussian", "fwhm_arcsec": 0.8},
    sources={},
)


class Copier(torch.nn.Module):
    """Gives the blend for both galaxies: what no deblending gives."""

    def forward(self, inputs):
        return Outputs(torch.zeros(len(inputs.image), 0), layers=torch.stack([inputs.image] * 2, dim=1))


def model(task=None) -> Model:
    config = task or PicturesTaskConfig(kind="pictures", stretch=STRETCH)
    network = BranchedPicturesConfig(kind="branched_pictures")
    card = SimpleNamespace(input_px=INPUT_PX, task=config, network=network)
    return Model(Copier(), build_task(config, 2.0), card)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Blends of two Gaussians, the second one at some distance along x, as the stage blend writes them."""
    folder = tmp_path_factory.mktemp("blends")
    random = np.random.default_rng(1)
    separation = random.uniform(4, 12, COUNT)
    y, x = random.uniform(22, 26, (2, COUNT))
    row, column = np.mgrid[:CANVAS_PX, :CANVAS_PX]

    def light(at_x, at_y):
        squared = (row - at_y[:, None, None]) ** 2 + (column - at_x[:, None, None]) ** 2
        return (200 * np.exp(-squared / 8)).astype(np.float32)[:, None]

    central, other = light(x, y), light(x + separation, y)
    layers = {"image": central + other, "central": central, "neighbours": other}
    write_shard(folder / "shards" / "0.h5", layers, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    shared = {"stamp_id": np.repeat(np.arange(COUNT), 2), "n_galaxies": np.full(2 * COUNT, 2)}
    columns = {
        "galaxy_id": np.arange(2 * COUNT),
        "role": np.tile(["central", "companion"], COUNT),
        "kind": np.full(2 * COUNT, "real"),
        "blend_class": np.full(2 * COUNT, "moderate"),
        "x": np.stack([x, x + separation], axis=1).ravel(),
        "y": np.repeat(y, 2),
        "separation": np.repeat(separation, 2),
    }
    rest = {name: np.full(2 * COUNT, np.nan) for name in missing_columns("blends", {*shared, *columns})}
    Catalogue.from_columns("blends", {"stage": "blend"}, **shared, **columns, **rest).write(
        folder / "truth.parquet"
    )
    return {"stamps": folder / "stamps.h5", "truth": folder / "truth.parquet"}


def missing_columns(schema: str, known: set[str]) -> list[str]:
    from skymill.catalog.schema import load_schema

    return [name for name in load_schema(schema).columns if name not in known]


@pytest.fixture
def drawn(files) -> Drawn:
    truth = Catalogue.read(files["truth"], "blends")
    central = truth.select(truth["role"] == "central")
    with StampSet.open(files["stamps"]) as blends:
        return draw_blends(blends, central, model(), SURVEY, GaussianNoise(), None, 7)


def test_the_galaxy_in_the_middle_is_in_the_middle(drawn):
    # Rounding makes some neighbours of the peak as bright.
    middle, peak = (
        drawn.noise_free[:, 0, INPUT_PX // 2, INPUT_PX // 2],
        drawn.noise_free[:, 0].max(axis=(1, 2)),
    )

    assert drawn.true.shape == drawn.drawn.shape == (COUNT, 2, INPUT_PX, INPUT_PX)
    np.testing.assert_array_equal(middle, peak)
    # Its peak is 200 / 2 rms, less what the centre's place within its pixel costs.
    highest = picture(torch.tensor([100.0, 90.0]), STRETCH).tolist()
    assert (
        highest[1] <= drawn.noise_free[:, 0].max(axis=(1, 2)).min() and drawn.noise_free.max() <= highest[0]
    )


def test_the_blend_is_the_brighter_of_the_true_pictures_with_their_noise(drawn):
    np.testing.assert_array_equal(drawn.blend, drawn.true.max(axis=1))
    np.testing.assert_array_equal(drawn.drawn, np.stack([drawn.blend] * 2, axis=1))
    corner = drawn.true[:, 0, :6, :6].astype(float)
    sky = picture(torch.randn(100_000, generator=torch.Generator().manual_seed(1)), STRETCH)
    assert corner.std() == pytest.approx(sky.std().item(), rel=0.05)
    assert len(np.unique(drawn.noise_free[:, 0, :6, :6])) == 1


def test_quality_of_a_known_pair():
    true = np.full((1, 2, 16, 16), 50, dtype=np.uint8)
    other, blend = true.copy(), true[:, 0] + np.uint8(20)
    other[0, 1] += 10
    quality = picture_quality(Drawn(blend, true, other, true, other))

    # A picture without a wrong level counts as one with a single level off in all of it.
    exact = 10 * log10(255**2 * 256)
    np.testing.assert_allclose(quality["picture_psnr"], [[exact, 20 * log10(25.5)]], rtol=1e-12)
    np.testing.assert_allclose(quality["blend_picture_psnr"], [[20 * log10(12.75)] * 2], rtol=1e-12)
    # Flat pictures differ in luminance alone: (2 * 50 * 60 + C1) / (50² + 60² + C1), C1 = 2.55².
    luminance = (6000 + 6.5025) / (6100 + 6.5025)
    np.testing.assert_allclose(quality["picture_ssim"], [[1.0, luminance]], rtol=1e-6)
    np.testing.assert_allclose(quality["noise_free_picture_ssim"], 1.0)


def test_who_knows_both_galaxies_lacks_the_hidden_noise_alone(drawn):
    quality = picture_quality(drawn)
    known, noise_free = (quality[f"{name}_picture_psnr"].mean() for name in ("known", "noise_free"))

    # Of two normal numbers of which the larger one is seen 0.62 of the variance is left.
    sky = [drawn.known[:, 0, :6, :6].astype(float), drawn.noise_free[:, 0, :6, :6].astype(float)]
    left, whole = (np.mean((drawn.true[:, 0, :6, :6] - each) ** 2) for each in sky)
    assert left / whole == pytest.approx(0.62, abs=0.04) and known > noise_free + 1.5
    seen = drawn.noise_free[:, 0] > drawn.noise_free[:, 1].astype(int) + 30
    np.testing.assert_array_equal(drawn.known[:, 0][seen], drawn.blend[seen])


def recipe(seed: int = 3) -> dict:
    params = {"seed": seed, "survey": SURVEY.physics(), "noise": {"kind": "gaussian"}}
    return Recipe("pictures", "test_blends.gan", params, {}).to_dict()


@pytest.fixture
def judged(files, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "load_model", lambda folder: model())
    for name in ("model.yaml", "weights.safetensors"):
        (tmp_path / name).write_text("")
    judge_pictures(recipe(), tmp_path, **files, folder=tmp_path / "one")
    return tmp_path


def test_records_cases_and_provenance(judged):
    records = json.loads((judged / "one" / "metrics.json").read_text())
    found = {(one["subset"], one["metric"]): one for one in records}
    everything = found["all", "picture_psnr"]

    assert {one["dataset"] for one in records} == {"pictures:test_blends"}
    assert {one["detector"] for one in records} == {"gan"} and everything["n"] == COUNT
    # This network does nothing.
    assert everything["value"] == found["all", "blend_picture_psnr"]["value"]
    halves = [found[which, "picture_psnr"]["value"] for which in ("middle", "beside")]
    assert everything["value"] == pytest.approx(np.mean(halves))
    assert all(one["low"] <= one["value"] <= one["high"] for one in records)
    assert found["all", "noise_free_picture_psnr"]["value"] > everything["value"] + 10
    bins = sum(
        one["n"] for (subset, metric), one in found.items() if ":" in subset and metric == "picture_ssim"
    )
    assert 0 < bins <= COUNT
    record = json.loads((judged / "one" / "provenance.json").read_text())
    assert set(record["outputs"]) == {"metrics.json", "cases.png"} and record["rows"] == COUNT


def test_the_same_run_gives_the_same_bytes_and_another_seed_other_noise(judged, files):
    judge_pictures(recipe(), judged, **files, folder=judged / "two")
    judge_pictures(recipe(4), judged, **files, folder=judged / "three")
    first, second, third = ((judged / name / "metrics.json").read_bytes() for name in ("one", "two", "three"))

    assert first == second != third
    assert (judged / "one" / "cases.png").read_bytes() == (judged / "two" / "cases.png").read_bytes()
    assert max(SHOWN) < 1 < COUNT


def test_a_network_that_measures_is_refused(files, judged, monkeypatch):
    task = FluxTaskConfig(kind="flux")
    monkeypatch.setattr(pictures, "load_model", lambda folder: model(task))
    with pytest.raises(ConfigError, match="expected task pictures, found task flux"):
        judge_pictures(recipe(), judged, **files, folder=judged / "four")
