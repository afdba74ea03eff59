"""The stage restore with a network that is small and untrained, or made to give back what it is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from skymill.catalog.catalogue import Catalogue
from skymill.config.restorer import RestorationConfig, RestorerConfig
from skymill.data.stamps import link_shards, write_shard
from skymill.data.survey import image_flux_to_njy
from skymill.errors import ConfigError
from skymill.inference import restore
from skymill.inference.restore import Setting, restore_galaxies, restored, sample, settings_of, tune, turn
from skymill.inference.restored_figures import FIGURES, figures, records_of
from skymill.metrics.record import from_json
from skymill.models.inputs import mirrored
from skymill.models.restorer import Restorer
from skymill.provenance.recipe import Recipe
from skymill.simulate.priors import unknown_shape
from skymill.tasks.restore import RestoreTask
from skymill.training.card import CARD, WEIGHTS, plain_weights, save_weights, write_card
from skymill.training.galaxies import GalaxyData
from skymill.training.restorer_card import RestorerCard, load_restorer, probe_restorer

COUNT, STAMP_PX, INPUT_PX = 60, 64, 32
METHODS = (
    *("richardson_lucy", "richardson_lucy_asinh", "richardson_lucy_no_sky", "richardson_lucy_30"),
    *("wiener", "unsupervised_wiener"),
)


@pytest.fixture(scope="module")
def population(tmp_path_factory, survey):
    """Round Gaussians of 1.5 px and 200 to 4,000 background rms; a third on each side."""
    folder, random = tmp_path_factory.mktemp("population"), np.random.default_rng(7)
    flux = survey.background_rms * np.exp(random.uniform(np.log(200), np.log(4000), COUNT))
    dx, dy = random.uniform(-0.4, 0.4, (2, COUNT)).astype(np.float32)
    axis = np.arange(STAMP_PX) - STAMP_PX // 2
    squared = (axis[:, None] - dy[:, None, None]) ** 2 + (axis - dx[:, None, None]) ** 2
    images = (flux[:, None, None] / (2 * np.pi * 2.25) * np.exp(-squared / 4.5)).astype(np.float32)
    write_shard(folder / "shards" / "0.h5", {"image": images[:, None]}, 0, {})
    link_shards(folder / "stamps.h5", [folder / "shards" / "0.h5"], {})
    Catalogue.from_columns(
        "galaxies",
        {"stage": "simulate"},
        galaxy_id=np.arange(COUNT),
        side=np.array(["train", "validation", "test"] * (COUNT // 3)),
        kind=np.full(COUNT, "real"),
        mag=survey.zero_point_mag - 2.5 * np.log10(flux),
        flux=image_flux_to_njy(flux, survey.zero_point_mag),
        re=np.full(COUNT, 0.7),
        dx=dx,
        dy=dy,
        flags=np.zeros(COUNT),
        **unknown_shape(COUNT),
    ).write(folder / "truth.parquet")
    return {"stamps": folder / "stamps.h5", "truth": folder / "truth.parquet"}


@pytest.fixture(scope="module")
def model(tmp_path_factory, survey) -> Path:
    """The folder of an untrained network."""
    folder = tmp_path_factory.mktemp("model")
    config = RestorerConfig(
        population="galaxies",
        network={"widths": [8, 8], "root_blocks": 1, "branch_blocks": 1},
        degradation={"psf_fwhm_ratio": [1.0, 1.8], "noise_ratio": [1.0, 10.0]},
        input_px=INPUT_PX,
    )
    torch.manual_seed(4)
    network = Restorer(config.network, survey.psf_fwhm_px)
    facts = {"name": "mine", "version": "0" * 10, "input_px": INPUT_PX, "bands": ("r",), "survey": survey}
    facts |= {
        "training": config.training.model_dump(),
        "seed": 1,
        "parents": {},
        "epochs": 1,
        "best_epoch": 1,
    }
    facts |= {"validation": {}, "parameters": 1, "device": "cpu", "precision": "32-true", "hours": 0.0}
    card = RestorerCard(
        **facts,
        network=config.network,
        task=config.task,
        population="galaxies",
        degradation=config.degradation,
        train_galaxies=1,
        validation_galaxies=1,
        probe=probe_restorer(network, RestoreTask(config.task, survey.psf_fwhm_px), INPUT_PX),
        code="",
        weights_sha256=save_weights(folder / WEIGHTS, plain_weights(network)),
    )
    write_card(folder / CARD, card)
    return folder


@pytest.fixture
def seen(population, survey):
    galaxies = GalaxyData(**population, side="test", survey=survey, stamp_px=48)
    return sample(galaxies, "test", n=12, setting=Setting(1.5, 3.0), survey=survey, input_px=INPUT_PX, seed=1)


@pytest.fixture(scope="module")
def done(tmp_path_factory, population, model, survey):
    folder = tmp_path_factory.mktemp("restore") / "restore"
    config = RestorationConfig(
        population="galaxies", psf_fwhm_ratio=(1.8,), noise_ratio=(5, 2), n_galaxies=10, n_tuning=5
    )
    params = {"seed": 1, "survey": survey.physics(), "restoration": config.recipe_params()}
    recipe = Recipe("restore", "mine", params, {"restorer": "0" * 10, "galaxies": "1" * 10}).to_dict()
    restore_galaxies(recipe, model / CARD, **population, folder=folder)
    return folder


def test_the_stage_has_all_figures_of_all_methods(done):
    records = from_json((done / "metrics.json").read_text())
    found = {(one.metric, one.detector, one.subset) for one in records}
    settings = ("psf:1.8/noise:2", "psf:1.8/noise:5")

    expected = {
        (metric, method, setting)
        for metric, _, _ in FIGURES.values()
        for method in ("degraded", "mine", *METHODS)
        for setting in settings
    }
    gains = {
        ("psnr_gain", "mine", f"{one}/{method}") for one in settings for method in ("degraded", *METHODS)
    }
    assert found == expected | gains
    assert {one.dataset for one in records} == {"restored:mine"}
    assert all(one.low <= one.value <= one.high for one in records if one.n > 3)


def test_deconvolutions_are_tuned_and_better_than_what_they_are_given(done):
    records = {
        (one.metric, one.detector, one.subset): one for one in from_json((done / "metrics.json").read_text())
    }
    psnr = {
        method: records["image_psnr", method, "psf:1.8/noise:2"].value for method in ("degraded", *METHODS)
    }
    tuned = json.loads((done / "tuned.json").read_text())["psf:1.8/noise:2"]

    assert psnr["degraded"] < min(psnr["richardson_lucy"], psnr["wiener"], psnr["unsupervised_wiener"])
    assert psnr["richardson_lucy_30"] < psnr["richardson_lucy"]
    assert tuned["psnr_db"][tuned["chosen"]["richardson_lucy"]] == max(
        value for words, value in tuned["psnr_db"].items() if "iterations" in words
    )
    assert tuned["chosen"]["richardson_lucy_no_sky"].endswith("pedestal 0")


def test_a_gain_is_the_mean_difference(done):
    records = {
        (one.metric, one.detector, one.subset): one for one in from_json((done / "metrics.json").read_text())
    }
    setting = "psf:1.8/noise:5"
    mine, other = (records["image_psnr", who, setting].value for who in ("mine", "wiener"))

    assert records["psnr_gain", "mine", f"{setting}/wiener"].value == pytest.approx(mine - other)


def test_the_stage_leaves_a_picture_and_its_costs(done):
    extra = json.loads((done / "provenance.json").read_text())["extra"]

    assert imread(done / "restored.png").shape[0] > 300
    assert extra["cpu_s"] > 0 and extra["device"].startswith("cpu") and extra["figures"] == 94


def test_the_same_bits_come_out_again(done, population, model, survey, tmp_path):
    config = RestorationConfig(
        population="galaxies", psf_fwhm_ratio=(1.8,), noise_ratio=(5, 2), n_galaxies=10, n_tuning=5
    )
    params = {"seed": 1, "survey": survey.physics(), "restoration": config.recipe_params()}
    recipe = Recipe("restore", "mine", params, {}).to_dict()
    restore_galaxies(recipe, model, **population, folder=tmp_path / "again")

    for name in ("metrics.json", "restored.png", "tuned.json"):
        assert (tmp_path / "again" / name).read_bytes() == (done / name).read_bytes()


def test_settings_stand_from_easy_to_hard_and_only_what_was_learned(model):
    config = RestorationConfig(population="galaxies", psf_fwhm_ratio=(1.8, 1.2), noise_ratio=(10, 2))
    known = load_restorer(model)

    assert settings_of(config, known) == [(1.2, 2), (1.2, 10), (1.8, 2), (1.8, 10)]
    beyond = RestorationConfig(population="galaxies", noise_ratio=(20,))
    with pytest.raises(
        ConfigError, match=r"restoration\.noise_ratio: expected ratios that mine has learned, 1 to 10"
    ):
        settings_of(beyond, known)


def test_a_sample_is_in_the_survey_s_unit(seen, population, survey):
    galaxies = GalaxyData(**population, side="test", survey=survey, stamp_px=48)

    assert seen.true.sum(axis=(1, 2)) == pytest.approx(galaxies.columns["flux"][:12].numpy(), rel=1e-3)
    assert (seen.image - seen.true)[:, 0].std() == pytest.approx(3, rel=0.1)
    assert seen.x == pytest.approx(16 + galaxies.columns["dx"][:12].numpy())
    assert seen.psf.shape[0] % 2 == 1 and seen.psf.sum() == pytest.approx(1)


def test_tuned_methods_are_the_best_of_their_kind(seen):
    methods, tuned = tune(seen, seed=1)
    truth = {name: figures(function(seen), seen.true, seen.x, seen.y) for name, function in methods.items()}

    assert set(methods) == set(METHODS)
    assert truth["richardson_lucy"]["psnr"].mean() == pytest.approx(
        max(tuned["psnr_db"][words] for words in tuned["psnr_db"] if "iter" in words)
    )
    assert (
        truth["richardson_lucy_asinh"]["psnr_asinh"].mean() >= truth["richardson_lucy"]["psnr_asinh"].mean()
    )


@pytest.mark.parametrize("size", [8, 9])
def test_each_turn_is_undone_and_keeps_the_middle_pixel(size):
    images = torch.arange(2.0 * size * size).view(2, size, size)
    turned = [turn(images, which) for which in restore.TURNS]

    for which, one in zip(restore.TURNS, turned, strict=True):
        assert torch.equal(turn(one, which, back=True), images)
        assert torch.equal(one[:, size // 2, size // 2], images[:, size // 2, size // 2])
    assert len({tuple(one.flatten().tolist()) for one in turned}) == 8
    assert any(torch.equal(one, mirrored(images)) for one in turned)


def test_a_network_that_gives_back_what_it_is_given_does_so_in_all_turns(model, seen):
    loaded = load_restorer(model)
    with torch.no_grad():
        loaded.network.maps.weight.zero_()
        loaded.network.maps.bias.view(-1, 4)[2] = 50.0
    found = restored(loaded, seen.image, Setting(1.5, 3.0))

    assert np.allclose(found, seen.image.clip(min=0), atol=1e-3)


def test_figures_of_the_truth_and_of_a_scaled_one(seen):
    exact = figures(seen.true, seen.true, seen.x, seen.y)
    brighter = figures(1.1 * seen.true, seen.true, seen.x, seen.y)

    assert np.isinf(exact["psnr"]).all() and exact["ssim"] == pytest.approx(1)
    assert np.abs(exact["size_error"]).max() < 1e-9
    assert brighter["aperture_error"] == pytest.approx(0.1)
    assert np.abs(brighter["size_error"]).max() < 1e-6
    squared = np.mean((0.1 * seen.true) ** 2, axis=(1, 2))
    assert brighter["psnr"] == pytest.approx(10 * np.log10(seen.true.max(axis=(1, 2)) ** 2 / squared))


def test_pictures_have_the_range_of_the_true_picture(seen):
    off = figures(seen.true + 0.5, seen.true, seen.x, seen.y)["psnr_asinh"]
    error = np.arcsinh(seen.true + 0.5) - np.arcsinh(seen.true)
    top = np.arcsinh(seen.true.max(axis=(1, 2)))

    assert off == pytest.approx(10 * np.log10(top**2 / np.mean(error**2, axis=(1, 2))))


def test_values_that_are_none_do_not_count():
    columns = {name: np.array([1.0, 2.0, np.nan, 3.0]) for name in FIGURES}
    records = records_of({"a": columns, "b": columns}, "restored:a", "x", "a", np.random.default_rng(1))
    by_key = {(one.metric, one.detector): one for one in records}

    assert by_key["image_psnr", "b"].value == 2 and by_key["image_psnr", "b"].n == 3
    assert by_key["psnr_gain", "a"].value == 0
