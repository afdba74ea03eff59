from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from skymill.catalog.catalogue import Catalogue
from skymill.config.simulate import GeneratedPopulation
from skymill.data.stamps import StampSet, link_shards
from skymill.data.survey import mag_to_image_flux
from skymill.errors import VersionError
from skymill.inference.judge import isophotal_radius
from skymill.provenance.recipe import Recipe
from skymill.training.generated import draw_one, generate_shard
from skymill.training.generator_card import load_generator


@pytest.fixture
def recipe(survey):
    population = GeneratedPopulation(
        kind="generator",
        model="vae",
        mag=(17.0, 19.0),
        sizes={"kind": "relation", "median_re_arcsec": 0.7, "scatter_dex": 0.02, "re_arcsec": [0.5, 1.0]},
        n_galaxies=12,
        stamp_px=64,
    )
    split = {"train": 0.6, "validation": 0.2, "test": 0.2}
    params = {"seed": 3, "survey": survey.physics(), "population": population.recipe_params(), "split": split}
    return Recipe("simulate", "drawn", params, {"generator": "1" * 10}).to_dict()


def draw(recipe, generator, folder, cuts):
    for start, stop in pairwise(cuts):
        generate_shard(recipe, start, stop, generator, folder / f"{start}.h5", folder / f"{start}.parquet")
    files = [folder / f"{start}.h5" for start in cuts[:-1]]
    link_shards(folder / "stamps.h5", files, {})
    truths = [Catalogue.read(path.with_suffix(".parquet"), "galaxies") for path in files]
    with StampSet.open(folder / "stamps.h5") as stamps:
        return stamps.read("image", slice(None)), Catalogue.concatenate(truths, {"stage": "simulate"})


def test_one_shard_or_many_are_the_same_bits(recipe, generator, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    whole, truth = draw(recipe, generator, tmp_path / "one", [0, 12])
    pieces, of_pieces = draw(recipe, generator, tmp_path / "many", [0, 5, 6, 12])

    np.testing.assert_array_equal(whole, pieces)
    for name in truth.table.colnames:
        np.testing.assert_array_equal(truth[name], of_pieces[name])


def test_drawn_galaxies_have_the_truth_that_they_can_have(recipe, generator, tmp_path, survey):
    images, truth = draw(recipe, generator, tmp_path, [0, 12])
    flux = mag_to_image_flux(np.array(truth["mag"]), survey.zero_point_mag)

    assert set(truth["kind"]) == {"generated"} and not truth["flags"].any()
    assert np.isnan(truth["bulge_to_total"]).all() and (truth["re"] > 0.4).all()
    assert ((truth["mag"] >= 17) & (truth["mag"] <= 19)).all()
    # A little of the light lies outside of the stamps.
    assert np.median(np.abs(images.sum(axis=(1, 2, 3)) / flux - 1)) < 0.03
    assert len({image.tobytes() for image in images}) == 12


def test_the_size_before_the_psf_is_the_one_that_is_asked_for(generator):
    network = load_generator(generator).network
    sharp = network.psf.clone().zero_()
    sharp[sharp.shape[0] // 2, sharp.shape[1] // 2] = 1.0
    network.psf.copy_(sharp)
    latents = np.random.default_rng(5).normal(size=(4, 4))
    images = np.stack([draw_one(network, latent, 1.0, 6.0, (0.0, 0.0), 96) for latent in latents])

    # The canvas of this small network has pixels of a third of the radius, which makes galaxies 5 % small.
    np.testing.assert_allclose(isophotal_radius(images, np.ones(4)), 6.0, rtol=0.07)


def test_a_network_of_another_survey_is_refused(recipe, generator, tmp_path):
    recipe["params"]["survey"]["background_rms"] = 1.0

    with pytest.raises(VersionError, match="trained for survey test_r as it is now"):
        generate_shard(recipe, 0, 2, generator, tmp_path / "0.h5", tmp_path / "0.parquet")
