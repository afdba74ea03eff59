"""The stage deblend: images in the order of the blends, and their errors, with a network whose shares are known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from skymill.catalog.catalogue import Catalogue
from skymill.config.train import MaskFluxTaskConfig
from skymill.data.stamps import StampSet, write_shard
from skymill.detectors import deblend as module
from skymill.detectors import evaluate
from skymill.detectors.deblend import deblend_blends
from skymill.detectors.image_quality import conservation, image_quality
from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.provenance.recipe import Recipe
from skymill.training.card import CARD, WEIGHTS, Model

INPUT_PX, INNER_PX, CANVAS_PX, N = 32, 24, 48, 5


class WhatItSees(nn.Module):
    """Says that all light, or that in the left half, is the galaxy's."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, inputs: StampInputs) -> Outputs:
        share = torch.zeros(len(inputs.image), INNER_PX, INNER_PX)
        share[:, :, : self.columns] = 1.0
        start = INPUT_PX // 2 - INNER_PX // 2
        inner = inputs.image[:, start : start + INNER_PX, start : start + INNER_PX]
        layers = torch.stack([share * inner, (1 - share) * inner], dim=1)
        return Outputs(torch.zeros(len(share), 2), torch.stack([share, share], dim=1), share, layers)


@pytest.fixture
def blends(tmp_path, draw):
    """Five pairs of a central galaxy and one to the right of it, without noise; rows of the truth are shuffled."""
    random = np.random.default_rng(8)
    x, y = CANVAS_PX // 2 + random.uniform(-0.5, 0.5, (2, N))
    shape = (CANVAS_PX, CANVAS_PX)
    central = np.stack([draw(shape, [x[i]], [y[i]], [100.0], [2.0], [1.5], [30.0]) for i in range(N)])
    other = np.stack([draw(shape, [x[i] + 9], [y[i]], [80.0 * i], [1.5], [1.5], [0.0]) for i in range(N)])
    layers = {"image": central + other, "central": central, "neighbours": other}
    write_shard(tmp_path / "stamps.h5", {k: v[:, None].astype(np.float32) for k, v in layers.items()}, 0, {})
    order = random.permutation(2 * N)
    columns = {
        "stamp_id": np.repeat(np.arange(N), 2),
        "galaxy_id": 50 + np.arange(2 * N),
        "role": np.tile(["central", "companion"], N),
        "x": np.column_stack([x, x + 9]).ravel(),
        "y": np.repeat(y, 2),
    }
    rest = {
        name: np.ones(2 * N) for name in ("re", "separation", "separation_re", "delta_mag", "flux", "mag")
    }
    rest |= {"kind": np.full(2 * N, "real"), "blend_class": np.full(2 * N, "strong")}
    rest |= {"n_galaxies": np.full(2 * N, 2), "bulge_to_total": np.zeros(2 * N)}
    columns = {name: values[order] for name, values in columns.items()}
    Catalogue.from_columns("blends", {}, **columns, **rest).write(tmp_path / "truth.parquet")
    return layers, x, y


@pytest.fixture
def stage(tmp_path, survey, monkeypatch, blends):
    """Run the stage with a network that takes some columns; returns images and their errors."""
    monkeypatch.setattr(evaluate, "BLENDS_AT_ONCE", 2)
    (tmp_path / "model").mkdir()
    for name in (CARD, WEIGHTS):
        (tmp_path / "model" / name).write_text("stands in for a file of a model")
    config = MaskFluxTaskConfig(kind="mask_flux")
    card = SimpleNamespace(
        input_px=INPUT_PX, survey=survey, name="m", network=SimpleNamespace(kind="unet"),
        condition_range=lambda: ((-9, 9), (-9, 9)), task=config,
    )  # fmt: skip
    task = SimpleNamespace(
        inputs=lambda image, condition: StampInputs(image[:, 0], image[:, 0, 0, 0], condition),
        learns_masks=True,
    )

    def run(columns: int) -> tuple[np.ndarray, Catalogue]:
        monkeypatch.setattr(module, "load_model", lambda _: Model(WhatItSees(columns), task, card))
        params = {"seed": 1, "survey": survey.model_dump(mode="json")}
        recipe = Recipe("deblend", "test_blends.m", params, {"model": "c" * 10}).to_dict()
        out = tmp_path / f"out{columns}"
        deblend_blends(
            recipe,
            tmp_path / "model",
            tmp_path / "stamps.h5",
            tmp_path / "truth.parquet",
            out / "deblended.h5",
            out / "quality.parquet",
        )
        assert set(json.loads((out / "provenance.json").read_text())["outputs"]) == {
            "deblended.h5",
            "quality.parquet",
        }
        with StampSet.open(out / "deblended.h5") as stamps:
            return stamps.read("image", slice(None))[:, 0], Catalogue.read(
                out / "quality.parquet", "deblended"
            )

    return run


def test_rows_are_the_central_galaxies_in_the_order_of_the_blends(stage, blends):
    images, errors = stage(INNER_PX)
    assert errors["stamp_id"].tolist() == list(range(N))
    assert errors["galaxy_id"].tolist() == [50, 52, 54, 56, 58]
    assert images.shape == (N, INNER_PX, INNER_PX)


def test_who_takes_everything_is_as_good_as_no_deblending(stage, blends):
    _, errors = stage(INNER_PX)
    for name in ("psnr", "ssim", "flux_error", "aperture_error", "size_error", "ellipticity_error"):
        np.testing.assert_array_equal(errors[f"image_{name}"], errors[f"blend_{name}"])
    # Blend i holds 0.8 i times the galaxy's light besides; the first has no neighbour, and its image is exact.
    # A little of that is beyond the edge of the stamp.
    np.testing.assert_allclose(errors["blend_flux_error"], 0.8 * np.arange(N), rtol=0.1, atol=1e-6)
    assert np.isnan(errors["blend_psnr"][0]) and errors["blend_ssim"][0] == 1
    assert (np.diff(errors["blend_psnr"][1:]) < 0).all()
    # Without noise, nothing is lost or made up.
    np.testing.assert_allclose(errors["image_conservation_error"], 0, atol=1e-6)
    np.testing.assert_allclose(errors["blend_conservation_error"], 0, atol=1e-6)


def test_who_leaves_the_neighbour_out_is_better(stage, blends):
    # The neighbour is 9 px to the right of the middle, at 12: its left edge is still in 17 columns.
    _, errors = stage(17)
    with_neighbour = errors["blend_flux_error"] > 0.1
    assert (errors["image_psnr"] > errors["blend_psnr"] + 10)[with_neighbour].all()
    assert (np.abs(errors["image_flux_error"]) < 0.02).all()
    assert (np.abs(errors["image_size_error"]) < np.abs(errors["blend_size_error"]))[with_neighbour].all()
    assert (errors["image_ellipticity_error"] < errors["blend_ellipticity_error"])[with_neighbour].all()


def test_errors_of_known_images(draw):
    shape, x, y = (40, 40), np.array([20.3]), np.array([19.8])
    true = draw(shape, x, y, [100.0], [3.0], [3.0], [0.0])[None]
    found = image_quality(0.9 * true, true + 0.01, true, x, y)
    assert found["image_flux_error"][0] == pytest.approx(-0.1)
    assert found["image_aperture_error"][0] == pytest.approx(-0.1)
    assert found["image_size_error"][0] == pytest.approx(0, abs=1e-9)
    assert found["image_ellipticity_error"][0] == pytest.approx(0, abs=1e-9)
    # A level of 0.01: 20 log10(peak / 0.01), 1600 pixels of 0.01 beside a flux of 100.
    assert found["blend_psnr"][0] == pytest.approx(20 * np.log10(true.max() / 0.01))
    assert found["blend_flux_error"][0] == pytest.approx(0.16)
    # Within two half-light radii, 1.177 sigma each, are pi (7.06 px)² of level and 15/16 of the light.
    expected = np.pi * (2 * 1.1774 * 3) ** 2 * 0.01 / (100 * 15 / 16)
    assert found["blend_aperture_error"][0] == pytest.approx(expected, rel=0.03)


def test_without_true_light_nothing_is_known(draw):
    empty = np.zeros((1, 16, 16))
    found = image_quality(empty, empty + 1, empty, np.array([8.0]), np.array([8.0]))
    assert all(np.isnan(values).all() for values in found.values())


def test_light_that_is_lost_or_made_up():
    true = np.full((2, 4, 4), 10.0)
    found = conservation(true * np.array([0.9, 1.2])[:, None, None], true + 0.5, true)

    np.testing.assert_allclose(found["image_conservation_error"], [-0.1, 0.2])
    np.testing.assert_allclose(found["blend_conservation_error"], [0.05, 0.05])
    assert np.isnan(conservation(true, true, 0 * true)["image_conservation_error"]).all()
